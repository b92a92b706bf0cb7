"""The operators against PyTorch's own: values, layouts, derivatives of every order, and its checks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from upweave.errors import BackendError, SpecError
from upweave.ops import native
from upweave.ops.reference import reference
from upweave.ops.torch import PACKED, aten, conv_transpose
from upweave.ops.torch.autograd import grad_input, grad_weight
from upweave.ops.torch.library import FORWARD, GRAD_INPUT, GRAD_WEIGHT

from ..strategies import Layer, layers
from .cases import CASES, Case
from .core import StandIn

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12, torch.bfloat16: 2e-2}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def run(case: Case, x, weight, bias, activation="none", slope=0.01, backend="auto"):
    return conv_transpose(x, weight, bias, *case.numbers, activation, slope, backend)


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    error = (found.double() - expected.double()).norm() / expected.double().norm().clamp_min(1e-30)
    assert error < TOLERANCE[found.dtype], float(error)


def test_the_comparison_sees_a_difference() -> None:
    with pytest.raises(AssertionError):
        close(torch.ones(3), torch.tensor([1.0, 1.0, 1.001]))
    with pytest.raises(AssertionError):
        close(torch.tensor([1.0, float("nan")]), torch.ones(2))


@every_case
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("with_bias", [True, False])
def test_value(core: str, case: Case, dtype: torch.dtype, with_bias: bool) -> None:
    x, weight, bias = case.tensors(dtype)
    bias = bias if with_bias else None
    expected = case.torch(x.double(), weight.double(), None if bias is None else bias.double()).to(dtype)
    close(run(case, x, weight, bias), expected)
    close(FORWARD(x, weight, bias, *case.numbers, "none", 0.0), expected)


@given(layers("ConvTranspose"), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_layer_is_the_reference(core: str, layer: Layer, with_bias: bool) -> None:
    axes = layer.spec.per_axis(layer.rank)
    assume(all(a.begin == a.end for a in axes))
    numbers = [tuple(getattr(a, f) for a in axes) for f in ("stride", "begin", "output_padding", "dilation")]
    x, weight, bias = (torch.from_numpy(v) for v in (layer.signal(), layer.weight, layer.bias))
    found = conv_transpose(x[None], weight, bias if with_bias else None, *numbers[:3], layer.spec.groups, numbers[3])
    expected = reference(layer.spec, x.numpy(), layer.weight, layer.bias if with_bias else None)
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "silu", "tanh", "sigmoid"])
def test_activation(core: str, name: str) -> None:
    case = CASES["2d-groups"]
    x, weight, bias = case.tensors()
    expected = aten.activate(case.torch(x, weight, bias), name, 0.2)
    close(run(case, x, weight, bias, name, 0.2), expected)
    found = run(case, x, weight.requires_grad_(), bias, name, 0.2)
    close(found.detach(), expected)
    (gradient,) = torch.autograd.grad(found.sum(), weight)
    (wanted,) = torch.autograd.grad(aten.activate(case.torch(x, weight, bias), name, 0.2).sum(), weight)
    close(gradient, wanted)


@pytest.mark.parametrize("rank", [2, 3])
def test_channels_last_stays(core: str, rank: int) -> None:
    case = CASES["2d-groups" if rank == 2 else "3d"]
    x, weight, bias = case.tensors()
    expected, last = case.torch(x, weight, bias), LAST[rank + 2]
    for w in (weight, weight.to(memory_format=last)):
        for y in (
            run(case, x.to(memory_format=last), w, bias),
            FORWARD(x.to(memory_format=last), w, bias, *case.numbers, "none", 0.0),
        ):
            assert core == "without" or y.is_contiguous(memory_format=last)  # PyTorch's own has no such rule
            close(y, expected)
        y = FORWARD(x, w, bias, *case.numbers, "none", 0.0)
        assert y.is_contiguous()
        close(y, expected)
    x = x.to(memory_format=last).requires_grad_()
    (gx,) = torch.autograd.grad(run(case, x, weight, bias).square().sum(), x)
    assert core == "without" or gx.is_contiguous(memory_format=last)


@every_case
def test_any_strides_and_offsets(core: str, case: Case) -> None:
    x, weight, bias = case.tensors()
    expected = case.torch(x, weight, bias)
    odd = torch.empty(x.numel() * 2 + 1, dtype=x.dtype)[1::2].view(x.shape).copy_(x)
    swapped = weight.transpose(0, -1).contiguous().transpose(0, -1)
    padded = torch.zeros(len(bias) + 3, dtype=x.dtype)[3:].copy_(bias)
    close(run(case, odd, swapped, padded), expected)
    row = x[:, :, :1]
    close(run(case, row.expand_as(x), weight, bias), case.torch(row.expand_as(x).contiguous(), weight, bias))
    x = x.requires_grad_()
    (gx,) = torch.autograd.grad(
        run(case, x, swapped, bias).sum(), x
    )  # the gradient that arrives is one number, expanded
    close(gx, torch.autograd.grad(case.torch(x, weight, bias).sum(), x)[0])


@every_case
def test_empty_batch(core: str, case: Case) -> None:
    x, weight, bias = case.tensors(requires_grad=True)
    x = x.detach()[:0].requires_grad_()
    y = run(case, x, weight, bias)
    assert y.shape == case.torch(x, weight, bias).shape
    gx, gw, gb = torch.autograd.grad(y.sum(), (x, weight, bias))
    assert gx.shape == x.shape
    assert not gw.any()
    assert not gb.any()


def test_nan_and_infinity_spread_as_in_torch(core: str) -> None:
    case = CASES["2d-groups"]
    x, weight, bias = case.tensors(torch.float32)
    x[0, 0, 1, 1], x[1, 2, 0, 0] = float("nan"), float("inf")
    for name in ("none", "relu"):
        expected = aten.activate(case.torch(x, weight, bias), name, 0.0)
        torch.testing.assert_close(run(case, x, weight, bias, name), expected, equal_nan=True)


@every_case
def test_derivatives(core: str, case: Case) -> None:
    tensors = case.tensors(requires_grad=True)
    assert gradcheck(lambda *t: run(case, *t), tensors, fast_mode=True)
    assert gradgradcheck(lambda *t: run(case, *t), tensors, fast_mode=True)
    x, weight, _ = tensors
    gy = torch.randn_like(run(case, *tensors), requires_grad=True)
    for f, operands in (
        (lambda gy, weight: grad_input(gy, weight, x.shape[2:], *case.numbers), (gy, weight)),
        (lambda x, gy: grad_weight(x, gy, weight.shape[2:], *case.numbers), (x, gy)),
    ):
        assert gradcheck(f, operands, fast_mode=True)
        assert gradgradcheck(f, operands, fast_mode=True)


def test_all_elements_of_the_jacobian(core: str) -> None:
    case = CASES["1d"]
    assert gradcheck(lambda *t: run(case, *t, "silu"), case.tensors(requires_grad=True))
    assert gradcheck(lambda *t: FORWARD(*t, *case.numbers, "silu", 0.0), case.tensors(requires_grad=True))


@every_case
def test_gradients_and_double_backward_are_torchs(core: str, case: Case) -> None:
    found, expected = [], []
    for out, f in ((found, lambda *t: run(case, *t)), (expected, case.torch)):
        tensors = case.tensors(requires_grad=True)
        first = torch.autograd.grad(f(*tensors).pow(3).sum(), tensors, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), tensors)
        out += [*first, *second]
    for a, b in zip(found, expected, strict=True):
        close(a, b)


@pytest.mark.parametrize("needed", [0, 1, 2])
def test_only_the_gradients_that_are_wanted(stand_in: StandIn, needed: int) -> None:
    case = CASES["2d-groups"]
    tensors = case.tensors()
    tensors[needed].requires_grad_()
    run(case, *tensors).sum().backward()
    assert [t.grad is not None for t in tensors] == [n == needed for n in range(3)]
    assert stand_in.calls == ["forward", *(["grad_input"], ["grad_weight"], [])[needed]]


@pytest.mark.parametrize(("needed", "kept"), [((0,), [1]), ((1,), [0]), ((2,), []), ((0, 1), [0, 1])], ids=str)
def test_only_what_the_backward_pass_reads_is_kept(stand_in: StandIn, needed, kept) -> None:
    tensors, saved = CASES["2d-groups"].tensors(), []
    for n in needed:
        tensors[n].requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        run(CASES["2d-groups"], *tensors)
    assert [t.data_ptr() for t in saved] == [tensors[n].data_ptr() for n in kept]


def test_a_call_without_gradients_fuses_and_packs(stand_in: StandIn) -> None:
    case = Case((1, 16, 4), (16, 32, 4), (2,), (1,), (0,), 1, (1,))
    x, weight, bias = case.tensors()
    for _ in range(2):
        close(run(case, x, weight, bias, "relu"), case.torch(x, weight, bias).relu())
    assert stand_in.calls == ["pack", "forward packed", "forward packed"]
    swapped = weight.to(memory_format=None).transpose(0, 1).contiguous().transpose(0, 1)
    for _ in range(2):
        close(run(case, x, swapped, bias), case.torch(x, weight, bias))
    assert stand_in.calls[3:] == ["pack", "forward packed", "forward packed"]
    stand_in.calls.clear()
    for direct in (False, True):
        weight.requires_grad_()
        run(case, x, weight, bias) if not direct else FORWARD(x, weight, bias, *case.numbers, "none", 0.0)
    assert stand_in.calls == ["forward", "forward"]
    with torch.no_grad():
        run(case, x, weight, bias)
    assert stand_in.calls[-1] == "forward packed"
    PACKED.clear()


def test_what_the_core_does_not_compute_is_torchs(core: str) -> None:
    case = CASES["2d-groups"]
    for dtype in (torch.float16, torch.complex64):
        x, weight, bias = (t.to(dtype) for t in case.tensors())
        assert torch.equal(run(case, x, weight, bias), case.torch(x, weight, bias))
    x, weight, bias = (t.to("meta") for t in case.tensors())
    assert run(case, x, weight, bias).shape == case.torch(x, weight, bias).shape
    assert FORWARD(x, weight, bias, *case.numbers, "none", 0.0).is_meta


class Scaled(torch.Tensor):
    """A tensor that stands for a multiple of another, and knows PyTorch's operators alone."""

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        if func.namespace != "aten":
            return NotImplemented
        plain = torch.utils._pytree.tree_map_only(cls, lambda t: t.values * 2, (args, kwargs or {}))
        return func(*plain[0], **plain[1])


def test_other_classes_of_tensors_meet_torchs_operator(core: str) -> None:
    case = CASES["1d"]
    x, weight, bias = case.tensors()
    scaled = torch.Tensor._make_wrapper_subclass(Scaled, weight.shape, dtype=weight.dtype)
    scaled.values = weight
    close(run(case, x, scaled, bias), case.torch(x, weight * 2, bias))


def test_forward_mode(core: str) -> None:
    case = CASES["2d-groups"]
    tensors, tangents = case.tensors(), case.tensors(seed=1)
    for f in (lambda *t: run(case, *t, "tanh"), lambda *t: FORWARD(*t, *case.numbers, "tanh", 0.0)):
        value, tangent = torch.func.jvp(f, tuple(tensors), tuple(tangents))
        wanted = torch.func.jvp(lambda *t: case.torch(*t).tanh(), tuple(tensors), tuple(tangents))
        close(value, wanted[0])
        close(tangent, wanted[1])


def test_a_named_backend_runs_or_says_why_not(core: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["1d"]
    x, weight, bias = case.tensors()
    close(run(case, x, weight, bias, backend="torch"), case.torch(x, weight, bias))
    if core == "without":
        with pytest.raises(BackendError, match=r"cannot run this: native core not available: turned off for this test"):
            run(case, x, weight, bias, backend="native")
        return
    close(run(case, x, weight, bias, backend="native"), case.torch(x, weight, bias))
    with pytest.raises(BackendError, match=r"float16.*float32"):
        run(case, x.half(), weight.half(), bias.half(), backend="native")
    with pytest.raises(BackendError, match="meta"):
        run(case, x.to("meta"), weight.to("meta"), bias.to("meta"), backend="native")
    monkeypatch.setattr(native, "forward", None)  # would raise if it were called
    close(run(case, x, weight, bias, backend="torch"), case.torch(x, weight, bias))


def test_mismatches_raise(core: str) -> None:
    x, weight, bias = CASES["2d-groups"].tensors()
    numbers = CASES["2d-groups"].numbers
    wrong = {
        "channels": (x[:, :3], weight, bias, *numbers),
        "bias": (x, weight, bias[:5], *numbers),
        "groups": (x, weight, bias, *numbers[:3], 3, (1, 1)),
        "dtype": (x.float(), weight, bias, *numbers),
        "output padding": (x, weight, bias, (2, 1), (1, 0), (2, 0), 2, (1, 1)),
        "no output": (x, weight, bias, (2, 1), (9, 0), (1, 0), 2, (1, 1)),
    }
    for args in wrong.values():
        with pytest.raises((SpecError, RuntimeError)):
            conv_transpose(*args)
    for fake in (x[:, :3].to("meta"), x[0].to("meta")):
        with pytest.raises(SpecError):
            FORWARD(fake, weight.to("meta"), None, *numbers, "none", 0.0)


@every_case
def test_opcheck(core: str, case: Case) -> None:
    x, weight, bias = case.tensors(requires_grad=True)
    gy = torch.randn_like(case.torch(x, weight, bias)).requires_grad_()
    torch.library.opcheck(FORWARD, (x, weight, bias, *case.numbers, "relu", 0.0))
    torch.library.opcheck(FORWARD, (x.detach(), weight.detach(), None, *case.numbers, "none", 0.0))
    torch.library.opcheck(GRAD_INPUT, (gy, weight, x.shape[2:], *case.numbers))
    torch.library.opcheck(GRAD_WEIGHT, (x, gy, weight.shape[2:], *case.numbers))


def test_opcheck_channels_last(core: str) -> None:
    x, weight, bias = CASES["2d-groups"].tensors()
    x = x.to(memory_format=torch.channels_last)
    torch.library.opcheck(FORWARD, (x, weight, bias, *CASES["2d-groups"].numbers, "none", 0.0))
