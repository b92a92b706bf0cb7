"""vmap, torch.func, autocast: the same as PyTorch's own operator under each."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.func import functional_call, grad, hessian, vmap

from upweave.ops.torch import conv_transpose
from upweave.ops.torch.library import FORWARD, GRAD_INPUT, GRAD_WEIGHT

from .cases import CASES, Case
from .core import StandIn

close = torch.testing.assert_close
DIMS = [dims for dims in itertools.product((0, 1, None), repeat=3) if dims != (None, None, None)]
case = CASES["2d-groups"]


def ways(case: Case):
    """Through the front, and the bare operator."""
    return (
        lambda *t: conv_transpose(*t, *case.numbers),
        lambda *t: FORWARD(*t, *case.numbers, "none", 0.0),
    )


def batched(case: Case, dims):
    tensors = []
    for tensor, dim in zip(case.tensors(), dims, strict=True):
        stack = torch.stack([tensor, 2 * tensor, tensor - 1])
        tensors.append(tensor if dim is None else stack.movedim(0, dim))
    return tensors


@pytest.mark.parametrize("dims", DIMS, ids=str)
def test_vmap_over_any_of_the_tensors(core: str, dims) -> None:
    tensors = batched(case, dims)
    expected = vmap(case.torch, dims)(*tensors)
    for run in ways(case):
        close(vmap(run, dims)(*tensors), expected)
        close(vmap(run, dims, out_dims=1)(*tensors), expected.movedim(0, 1))
    no_bias = (
        vmap(lambda x, w: conv_transpose(x, w, None, *case.numbers), dims[:2]) if dims[:2] != (None, None) else None
    )
    if no_bias:
        close(no_bias(*tensors[:2]), vmap(lambda x, w: case.torch(x, w, None), dims[:2])(*tensors[:2]))


@pytest.mark.parametrize("dims", [(0, None, None), (None, 0, None), (None, None, 0), (0, 1, 0)], ids=str)
@pytest.mark.parametrize("to", [0, 1, 2])
def test_gradients_inside_and_outside_of_vmap(core: str, dims, to: int) -> None:
    tensors = batched(case, dims)

    def inside(run):
        return vmap(grad(lambda *t: run(*t).pow(3).sum(), to), dims)(*tensors)

    def outside(run):
        return grad(lambda *t: vmap(run, dims)(*t).pow(3).sum(), to)(*tensors)

    def plain(run):
        leaves = [t.clone().requires_grad_() for t in tensors]
        return torch.autograd.grad(vmap(run, dims)(*leaves).pow(3).sum(), leaves[to])[0]

    for run in ways(case):
        for transform in (inside, outside, plain):
            close(transform(run), transform(case.torch))


def test_vmap_twice_and_second_derivatives(core: str) -> None:
    x, weight, bias = case.tensors()
    xs = torch.stack([torch.stack([x, -x]), torch.stack([x * x, x + 1]), torch.stack([x, x - 2])])
    weights = torch.stack([weight, weight.flip(0)])

    def twice(run):
        return vmap(vmap(lambda x, w: run(x, w, bias)), in_dims=(0, None))(xs, weights)

    def curvature(run):
        return hessian(lambda w: run(x, w, bias).pow(3).sum())(weight)

    for run in ways(case):
        close(twice(run), twice(case.torch))
        close(curvature(run), curvature(case.torch))


def test_vmap_over_the_gradient_operators(core: str) -> None:
    x, weight, _ = case.tensors()
    gy = torch.randn_like(case.torch(x, weight, None))
    pair = [torch.stack([t, t * t]) for t in (x, weight, gy)]
    size, kernel = x.shape[2:], weight.shape[2:]
    for op, (a, many_a), (b, many_b), shape in (
        (GRAD_INPUT, (gy, pair[2]), (weight, pair[1]), size),
        (GRAD_WEIGHT, (x, pair[0]), (gy, pair[2]), kernel),
    ):
        for dims in ((0, None), (None, 0), (0, 0)):
            found = vmap(lambda a, b, op=op, shape=shape: op(a, b, shape, *case.numbers), dims)(
                many_a if dims[0] == 0 else a, many_b if dims[1] == 0 else b
            )
            for n in range(2):
                one = op(many_a[n] if dims[0] == 0 else a, many_b[n] if dims[1] == 0 else b, shape, *case.numbers)
                close(found[n], one)


def test_transforms_reach_the_core(stand_in: StandIn) -> None:
    x, weight, bias = case.tensors()
    for run in ways(case):
        stand_in.calls.clear()
        vmap(grad(lambda x, w, run=run: run(x, w, bias).sum(), (0, 1)), (0, None))(torch.stack([x, x]), weight)
        assert {"grad_input", "grad_weight"} <= set(stand_in.calls)
        assert any(call.startswith("forward") for call in stand_in.calls)


def test_gradients_sample_by_sample_through_a_layer(core: str) -> None:
    from upweave.nn import ConvTranspose2d

    torch.manual_seed(0)
    ours = ConvTranspose2d(3, 4, 3, stride=2, padding=1).double()
    theirs = torch.nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(5, 3, 4, 4, dtype=torch.double)

    def each(layer):
        def loss(parameters, x):
            return functional_call(layer, parameters, (x[None],)).square().sum()

        return vmap(grad(loss), (None, 0))(dict(layer.named_parameters()), x)

    found, expected = each(ours), each(theirs)
    assert found.keys() == expected.keys() == {"weight", "bias"}
    for name in found:
        close(found[name], expected[name])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("given", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_autocast(core: str, dtype: torch.dtype, given: torch.dtype) -> None:
    found = []
    for run in (ways(case)[0], case.torch):
        tensors = [t.detach().to(given).requires_grad_() for t in case.tensors()]
        with torch.autocast("cpu", dtype):
            y = run(*tensors)
        assert y.dtype == (torch.float64 if given == torch.float64 else dtype)
        found.append([y, *torch.autograd.grad(y.double().square().sum(), tensors)])
    for a, b in zip(*found, strict=True):
        close(a, b, rtol=3e-2, atol=3e-2 * float(b.detach().abs().max()))
        assert a.dtype == b.dtype
    with torch.autocast("cpu", dtype), torch.no_grad():
        tensors = [t.to(given) for t in case.tensors()]
        assert ways(case)[0](*tensors).dtype == case.torch(*tensors).dtype
