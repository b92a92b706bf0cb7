"""Deferred resizes: every rule against the resized tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import Tensor

from upweave.rewrite.torch.deferred import Deferred, How, Log, Stale, is_deferred, made
from upweave.rewrite.torch.fold import fold_nearest
from upweave.rewrite.torch.mode import Deferring
from upweave.rewrite.weights.fold_nearest import fold_nearest as reference
from upweave.spec import Conv

Program = Callable[..., Any]


def up(x: Any, factors: Any = 2, mode: str = "nearest") -> Any:
    if isinstance(factors, int):
        factors = (factors,) * (x.dim() - 2)
    return F.interpolate(x, scale_factor=tuple(float(s) for s in factors), mode=mode)


def tensor(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class Notes(Log):
    """What happened, in words."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def consumed(self, x: Deferred, weight: Tensor, call: Any) -> None:
        self.heard.append((call.multiplies(weight.shape, x.parts, False), call.multiplies(weight.shape, x.parts, True)))

    def materialised(self, x: Deferred, why: str) -> None:
        self.heard.append(why)


def both(program: Program, *inputs: Tensor, log: Log | None = None) -> tuple[Any, Any]:
    """(ordinary, under deferral and not yet made)."""
    want = program(*inputs)
    with Deferring(How(log=log or Log())):
        got = program(*inputs)
    return want, got


def same(want: Any, got: Any) -> None:
    got = made(got)
    assert type(got) is type(want)
    torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


X = tensor(2, 4, 5, 6)
PER_CHANNEL = tensor(4, 1, 1, seed=1)
W = {k: tensor(3, 4, k, k, seed=2) for k in (1, 2, 3, 5)}

STAY_DEFERRED: dict[str, Program] = {
    "interpolate": lambda x: up(x),
    "interpolate, exact": lambda x: up(x, mode="nearest-exact"),
    "interpolate, size": lambda x: F.interpolate(x, size=(15, 12)),
    "interpolate, one number": lambda x: F.interpolate(x, scale_factor=3),
    "twice": lambda x: up(F.relu(up(x)), (1, 3)),
    "repeat_interleave": lambda x: x.repeat_interleave(2, dim=2).repeat_interleave(3, -1),
    "relu": lambda x: F.relu(up(x)),
    "relu, in place": lambda x: F.relu(up(x), inplace=True),
    "leaky, in place by position": lambda x: F.leaky_relu(up(x), 0.1, True),
    "method": lambda x: up(x).sigmoid(),
    "method, in place": lambda x: up(x).relu_(),
    "function, in place": lambda x: torch.tanh_(up(x)),
    "silu": lambda x: F.silu(up(x)),
    "gelu": lambda x: F.gelu(up(x), approximate="tanh"),
    "clamp": lambda x: up(x).clamp(-0.5, 0.5),
    "numbers": lambda x: 2 - (1 + up(x) * 3) / 4 - 1,
    "negative": lambda x: -up(x),
    "per channel": lambda x: up(x) * PER_CHANNEL + PER_CHANNEL[None],
    "tensor from the left": lambda x: PER_CHANNEL * up(x),
    "number in a tensor": lambda x: up(x) * torch.tensor(2.0, dtype=x.dtype),
    "two alike": lambda x: up(x) + up(F.relu(x)),
    "prelu": lambda x: F.prelu(up(x), tensor(4, seed=3)),
    "dropout": lambda x: F.dropout(up(x), 0.5, training=False),
    "clone": lambda x: up(x).clone().contiguous(),
    "float": lambda x: up(x).float(),
    "batch norm": lambda x: F.batch_norm(up(x), tensor(4), tensor(4).abs(), tensor(4, seed=5), tensor(4, seed=6)),
    "group norm": lambda x: F.group_norm(up(x), 2, tensor(4, seed=5), tensor(4, seed=6)),
    "instance norm": lambda x: F.instance_norm(up(x), weight=tensor(4, seed=5)),
    "layer norm": lambda x: F.layer_norm(y := up(x), y.shape[1:]),
    "1×1 convolution": lambda x: F.conv2d(up(x), W[1], tensor(3)),
    "cat": lambda x: torch.cat([up(x), tensor(2, 2, 10, 12, seed=7)], 1),
    "cat, then act": lambda x: F.relu(torch.cat([tensor(2, 2, 10, 12, seed=7), up(x)], -3)),
    "cat, then scale": lambda x: torch.cat([up(x), tensor(2, 2, 10, 12, seed=7)], 1) * tensor(6, 1, 1, seed=8),
    "cat, then normalise": lambda x: F.batch_norm(
        torch.cat([up(x), tensor(2, 2, 10, 12, seed=7)], 1), tensor(6), tensor(6).abs()
    ),
    "cat, then 1×1": lambda x: F.conv2d(torch.cat([up(x), up(-x)], 1), tensor(3, 8, 1, 1)),
    "pad": lambda x: F.pad(up(x), (1, 1, 1, 1), mode="replicate"),
    "pad, more": lambda x: F.pad(up(x), (3, 2, 0, 1), mode="replicate"),
    "reflect by 1": lambda x: F.pad(up(x), (1, 1, 1, 1), mode="reflect"),
    "circular": lambda x: F.pad(up(x), (3, 1, 0, 2), mode="circular"),
    "zeros": lambda x: F.pad(up(x), (1, 1, 2, 0)),
    "crop": lambda x: F.pad(up(x), (-1, 0, 0, -3)),
    "crop, then act": lambda x: F.relu(F.pad(up(x), (-1, 0, 0, -3))),
}

CONSUMED: dict[str, Program] = {
    **{f"{k}×{k}": lambda x, k=k: F.conv2d(up(x), W[k], tensor(3), padding=(k - 1) // 2) for k in (2, 3, 5)},
    "no padding": lambda x: F.conv2d(up(x), W[3]),
    "more padding": lambda x: F.conv2d(up(x), W[3], padding=2),
    "same": lambda x: F.conv2d(up(x), W[2], padding="same"),
    "valid": lambda x: F.conv2d(up(x), W[5], padding="valid"),
    "one axis": lambda x: F.conv2d(up(x, (1, 2)), W[3], padding=1),
    "by three": lambda x: F.conv2d(up(x, 3), W[3], padding=1),
    "groups": lambda x: F.conv2d(up(x), tensor(6, 2, 3, 3), padding=1, groups=2),
    "depthwise": lambda x: F.conv2d(up(x), tensor(8, 1, 3, 3), padding=1, groups=4),
    "replicate": lambda x: F.conv2d(F.pad(up(x), (1, 1, 1, 1), mode="replicate"), W[3]),
    "reflect": lambda x: F.conv2d(F.pad(up(x), (1, 1, 1, 1), mode="reflect"), W[3]),
    "circular": lambda x: F.conv2d(F.pad(up(x), (3, 2, 1, 0), mode="circular"), W[3]),
    "zeros before": lambda x: F.conv2d(F.pad(up(x), (1, 0, 0, 2)), W[3]),
    "crop before": lambda x: F.conv2d(F.pad(up(x), (-1, 0, 0, -2)), W[3]),
    "asymmetric": lambda x: F.conv2d(F.pad(up(x, 3), (0, 2, 2, 0)), W[3]),
    "activation": lambda x: F.conv2d(F.silu(up(x)), W[3], tensor(3), padding=1),
    "skip": lambda x: F.conv2d(torch.cat([up(x), tensor(2, 2, 10, 12)], 1), tensor(3, 6, 3, 3), tensor(3), padding=1),
    "skip first": lambda x: F.conv2d(torch.cat([tensor(2, 2, 10, 12), up(x)], 1), tensor(3, 6, 3, 3), padding=1),
    "skip, padded": lambda x: F.conv2d(
        F.pad(torch.cat([tensor(2, 2, 10, 12), up(x)], 1), (1, 1, 1, 1), mode="reflect"), tensor(3, 6, 3, 3)
    ),
    "skip, zeros": lambda x: F.conv2d(
        F.pad(torch.cat([tensor(2, 2, 10, 12), up(x)], 1), (0, 1, 1, 2)), tensor(3, 6, 3, 3)
    ),
    "skip, 1×1": lambda x: F.conv2d(torch.cat([tensor(2, 2, 10, 12), up(x)], 1), tensor(3, 6, 1, 1), tensor(3)),
    "two resizes": lambda x: F.conv2d(
        torch.cat([up(x), up(x[..., :1, :2], (10, 6))], 1), tensor(3, 8, 3, 3), tensor(3), padding=1
    ),
}  # fmt: skip

MADE: dict[str, Program] = {
    "softmax": lambda x: up(x).softmax(1),
    "sum": lambda x: up(x).sum(),
    "index": lambda x: up(x)[:, 1:],
    "strided convolution": lambda x: F.conv2d(up(x), W[3], stride=2),
    "dilation": lambda x: F.conv2d(up(x), W[3], dilation=2),
    "padding behind a crop": lambda x: F.conv2d(F.pad(up(x), (-1, 0, 0, -2)), W[3], padding=1),
    "too much padding": lambda x: F.conv2d(up(x), W[2], padding=2),
    "1×1 with padding": lambda x: F.conv2d(up(x), W[1], padding=1),
    "add a plain one": lambda x: up(x) + tensor(2, 4, 10, 12),
    "add to a plain one": lambda x: tensor(2, 4, 10, 12) + up(x),
    "in place on a plain one": lambda x: tensor(2, 4, 10, 12).add_(up(x)),
    "cat along the batch": lambda x: torch.cat([up(x), up(x)], 0),
    "zeros, then act": lambda x: F.sigmoid(F.pad(up(x), (1, 1, 1, 1))),
    "ones around": lambda x: F.pad(up(x), (1, 1, 1, 1), value=1.0),
    "reflect by 2": lambda x: F.pad(up(x), (2, 2, 2, 2), mode="reflect"),
    "group norm of two parts": lambda x: F.group_norm(torch.cat([up(x), tensor(2, 2, 10, 12)], 1), 2),
    "dot": lambda x: up(x) @ tensor(12, 2),
    "transposed": lambda x: up(x).permute(0, 2, 3, 1),
    "numpy": lambda x: torch.as_tensor(up(x).numpy()),
    "in-place add": lambda x: up(x).add_(tensor(2, 4, 10, 12)),
    "pool": lambda x: F.avg_pool2d(up(x), 2),
    "where": lambda x: torch.where(up(x) > 0, up(x), 0.0),
}


@pytest.mark.parametrize("name", STAY_DEFERRED)
def test_commutes(name: str) -> None:
    want, got = both(STAY_DEFERRED[name], X)
    assert is_deferred(got) or name == "cat, then 1×1"
    assert got.is_open
    assert got.shape == want.shape
    assert (got.dtype, got.ndim, got.size(1), got.numel()) == (want.dtype, want.ndim, want.size(1), want.numel())
    same(want, got)
    assert not got.is_open


@pytest.mark.parametrize("name", CONSUMED)
def test_consumed(name: str) -> None:
    notes = Notes()
    want, got = both(CONSUMED[name], X, log=notes)
    assert type(got) is Tensor
    assert notes.heard
    assert not any(isinstance(what, str) for what in notes.heard)
    same(want, got)


@pytest.mark.parametrize("name", MADE)
def test_made(name: str) -> None:
    notes = Notes()
    want, got = both(MADE[name], X, log=notes)
    assert any(isinstance(what, str) for what in notes.heard)
    same(want, got)


@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 3, 4, 5), (1, 3, 2, 3, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_ranks_and_dtypes(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    rank = len(shape) - 2
    conv = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[rank]
    x, w = tensor(*shape).to(dtype), (tensor(4, 3, *(3,) * rank) / 5).to(dtype)
    want, got = both(lambda t: conv(F.relu(up(t)), w, padding=1), x)
    assert got.dtype == dtype
    limit = {torch.float64: 1e-12, torch.float32: 1e-6, torch.bfloat16: 2e-2}[dtype]
    assert (got.double() - want.double()).norm() <= limit * want.double().norm()


@pytest.mark.parametrize("backend", ["native", "torch"])
def test_channels_last(backend: str) -> None:
    x = X.float().to(memory_format=torch.channels_last)
    w = W[3].float()
    want = F.conv2d(up(x), w, padding=1)
    with Deferring():
        got = F.conv2d(up(x).run_as(backend), w, padding=1)
    assert got.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


def test_non_integers_are_left_alone() -> None:
    with Deferring():
        for kwargs in ({"scale_factor": 1.5}, {"size": (7, 7)}, {"scale_factor": 2.0, "mode": "bilinear"}):
            assert type(F.interpolate(X, **kwargs)) is Tensor
        assert type(F.interpolate(X, scale_factor=17.0)) is Tensor  # rounding of 1/s in "nearest"
        assert type(X.repeat_interleave(2, 1)) is Tensor
        assert type(X.repeat_interleave(2)) is Tensor


def test_training_statistics_are_those_of_the_resized_tensor() -> None:
    def program(x: Tensor) -> tuple[Any, ...]:
        mean, var = torch.zeros(4, dtype=x.dtype), torch.ones(4, dtype=x.dtype)
        return F.batch_norm(up(x), mean, var, training=True), mean, var

    want, got = both(program, X)
    for a, b in zip(want, got, strict=True):
        same(a, b)


def test_dropout_in_training_drops_samples_of_the_resized_tensor() -> None:
    with Deferring():
        torch.manual_seed(0)
        got = F.dropout(up(X), 0.5, training=True)
    torch.manual_seed(0)
    same(F.dropout(up(X), 0.5, training=True), got)


def test_an_operation_in_place_changes_the_value_and_not_its_source() -> None:
    x = X.clone()
    with Deferring():
        y = up(x)
        z = F.relu(y, inplace=True)
        assert z is y
    assert torch.equal(x, X)
    same(up(X).relu(), y)


def test_in_place_after_it_was_made_is_seen_through_views() -> None:
    with Deferring():
        y = up(X)
        view = y[:, :1]
        y.relu_()
        y += 1
    same(up(X).relu() + 1, y)
    same((up(X).relu() + 1)[:, :1], view)


def test_a_source_that_changes_before_it_is_read_is_noticed() -> None:
    x = X.clone()
    with Deferring():
        y = up(x)
        x.add_(1)
        with pytest.raises(Stale, match="changed in place"):
            F.conv2d(y, W[3], padding=1)
    skip = tensor(2, 2, 10, 12)
    with Deferring():
        z = torch.cat([up(X), skip], 1)
        skip.relu_()
        with pytest.raises(Stale):
            z.materialise()


def test_gradients_reach_the_original_weights() -> None:
    def program(x: Tensor, w: Tensor, b: Tensor, skip: Tensor) -> Any:
        y = F.conv2d(torch.cat([F.silu(up(x)), skip], 1), w, b, padding=1)
        return torch.autograd.grad(y.square().sum(), (x, w, b, skip))

    leaves = [t.requires_grad_() for t in (X.clone(), tensor(3, 6, 3, 3), tensor(3), tensor(2, 2, 10, 12))]
    want, got = both(program, *leaves)
    for a, b in zip(want, got, strict=True):
        same(a, b)


def test_a_weight_that_changes_is_folded_anew() -> None:
    w = tensor(3, 4, 3, 3)
    with torch.no_grad(), Deferring():
        for change in (
            lambda: None,
            lambda: w.mul_(2),
            lambda: w.data.add_(1),
            lambda: w.set_(tensor(3, 4, 3, 3, seed=9)),
        ):
            change()
            got = F.conv2d(up(X), w, padding=1)
            same(F.conv2d(up(X).materialise(), w, padding=1), got)


def test_under_inference_mode_and_after_it() -> None:
    w = tensor(3, 4, 3, 3)
    with torch.inference_mode(), Deferring():
        first = F.conv2d(up(X), w, padding=1)
    want, got = both(lambda x: F.conv2d(up(x), w.requires_grad_(), padding=1), X)
    same(want, got)
    torch.testing.assert_close(first.clone(), want.detach())


def test_the_log_hears_what_happens() -> None:
    notes = Notes()
    with Deferring(How(log=notes)):
        F.conv2d(up(X), W[3], padding=1)
        up(X).softmax(1)
    assert notes.heard == [(2 * 10 * 12 * 9 * 4 * 3, 2 * 5 * 6 * 16 * 4 * 3), "softmax"]


@given(
    k=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    s=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    groups=st.integers(1, 2),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_folded_weights_are_those_of_the_reference(
    k: tuple[int, int], s: tuple[int, int], groups: int, data: st.DataObject
) -> None:
    pads = tuple(data.draw(st.integers(0, n - 1)) for n in k)
    w = tensor(2 * groups, 3, *k)
    spec, want = reference(Conv(k, 1, pads, 1, groups), w.numpy(), s)
    got = fold_nearest(w, s, groups)
    assert spec.kernel == tuple(got.shape[2:])
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-12)


STEPS: dict[str, Callable[[Any, int], Any]] = {
    "relu": lambda x, n: F.relu(x),
    "silu in place": lambda x, n: F.silu(x, inplace=True),
    "scale": lambda x, n: x * 1.5 - n / 7,
    "affine": lambda x, n: x * tensor(x.shape[1], 1, 1, seed=n),
    "norm": lambda x, n: F.group_norm(x, 1),
    "batch norm": lambda x, n: F.batch_norm(x, tensor(x.shape[1]), tensor(x.shape[1]).abs() + 0.1),
    "up": lambda x, n: F.interpolate(x, scale_factor=(1.0 + n % 2, 2.0)) if x.shape[-1] < 30 else x,
    "skip": lambda x, n: torch.cat([x, tensor(x.shape[0], 1 + n % 2, *x.shape[2:], seed=n)], 1),
    "skip before": lambda x, n: torch.cat([tensor(x.shape[0], 1, *x.shape[2:], seed=n), x], 1),
    "residual": lambda x, n: x + F.relu(x),
    "reflect": lambda x, n: F.pad(x, (1, 1, 1, 0), mode="reflect"),
    "replicate": lambda x, n: F.pad(x, (n % 3, 2, 1, 1), mode="replicate"),
    "zeros": lambda x, n: F.pad(x, (n % 2, 1, 0, 2)),
    "crop": lambda x, n: F.pad(x, (0, -1, -1, 0)),
    "conv 3": lambda x, n: F.conv2d(x, tensor(3, x.shape[1], 3, 3, seed=n) / 5, padding=n % 3),
    "conv 2": lambda x, n: F.conv2d(x, tensor(2, x.shape[1], 2, 2, seed=n) / 5, tensor(2), padding=n % 2),
    "conv 1": lambda x, n: F.conv2d(x, tensor(4, x.shape[1], 1, 1, seed=n) / 2),
    "pool": lambda x, n: F.avg_pool2d(x, 2, ceil_mode=True),
    "slice": lambda x, n: x[..., 1:],
}


@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 5)), min_size=1, max_size=7))
@settings(max_examples=150, deadline=None)
def test_any_program_is_the_same_deferred(steps: list[tuple[str, int]]) -> None:
    def program(x: Any) -> Any:
        x = up(x)
        for name, n in steps:
            if min(x.shape[2:]) < 4:
                break
            x = STEPS[name](x, n)
        return x

    same(*both(program, tensor(1, 2, 4, 5)))
