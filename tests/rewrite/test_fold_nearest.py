"""Folding a nearest resize into a convolution, against PyTorch doing one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tests.ops.close import assert_close
from upweave.errors import NotRepresentable, SpecError
from upweave.rewrite.weights.fold_nearest import fold_nearest, fold_nearest_extended
from upweave.spec import Conv, ConvTranspose

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
CONV_T = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def upsample(x: torch.Tensor, scale: tuple[int, ...]) -> torch.Tensor:
    for a, s in enumerate(scale):
        x = x.repeat_interleave(s, dim=2 + a)
    return x


def transposed(x: torch.Tensor, spec: ConvTranspose, weight: np.ndarray) -> torch.Tensor:
    """PyTorch's layer without padding, cropped: pairs of paddings are crops."""
    axes = spec.per_axis(x.ndim - 2)
    y = CONV_T[x.ndim - 2](
        x,
        torch.from_numpy(weight),
        None,
        tuple(a.stride for a in axes),
        0,
        0,
        spec.groups,
        tuple(a.dilation for a in axes),
    )
    y = F.pad(y, [n for a in reversed(axes) for n in (0, a.output_padding)])
    for n, a in enumerate(axes):
        y = y.narrow(2 + n, a.begin, y.shape[2 + n] - a.begin - a.end)
    return y


@st.composite
def cases(draw: st.DrawFn, with_dilation: bool = True) -> tuple[Conv, Any, tuple[int, ...], torch.Tensor]:
    rank = draw(st.sampled_from([1, 2, 2, 3]))
    most = 2 if rank == 3 else 4
    groups = draw(st.sampled_from([1, 1, 2]))
    kernel = tuple(draw(st.integers(1, most)) for _ in range(rank))
    dilation = tuple(draw(st.integers(1, 2)) if with_dilation else 1 for _ in range(rank))
    pads = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(rank))
    scale = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    least = [-(-d * (k - 1) // s) + 1 for k, d, s in zip(kernel, dilation, scale, strict=True)]
    size = tuple(draw(st.integers(n, n + 3)) for n in least)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    weight = rng.standard_normal((2 * groups, 3, *kernel))
    x = torch.from_numpy(rng.standard_normal((2, 3 * groups, *size)))
    return Conv(kernel, 1, pads, dilation, groups), weight, scale, x


def dilation_of(conv: Conv, rank: int) -> tuple[int, ...]:
    return tuple(a.dilation for a in conv.per_axis(rank))


@given(cases(), st.booleans())
def test_the_fold_is_resize_then_convolution(case: Any, symmetric: bool) -> None:
    conv, weight, scale, x = case
    axes = conv.per_axis()
    padded = F.pad(upsample(x, scale), [n for a in reversed(axes) for n in (a.begin, a.end)])
    want = CONV[len(scale)](padded, torch.from_numpy(weight), None, 1, 0, dilation_of(conv, len(scale)), conv.groups)
    spec, folded = fold_nearest(conv, weight, scale, symmetric=symmetric)
    assert_close(transposed(x, spec, folded), want)
    assert not symmetric or all(a.begin == a.end for a in spec.per_axis())


@given(cases(with_dilation=False), st.sampled_from(["replicate", "reflect", "circular"]), st.booleans())
def test_the_fold_with_an_extension_is_exact_at_the_border(case: Any, extension: Any, symmetric: bool) -> None:
    conv, weight, scale, x = case
    axes = conv.per_axis()
    mode = {"replicate": "edge", "reflect": "reflect", "circular": "wrap"}[extension]
    up = upsample(x, scale).numpy()
    pads = [(0, 0), (0, 0), *((a.begin, a.end) for a in axes)]
    if extension == "reflect" and any(max(a.begin, a.end) > s - 1 for a, s in zip(axes, scale, strict=True)):
        with pytest.raises(NotRepresentable, match="reflection"):
            fold_nearest_extended(conv, weight, scale, extension)
        return
    want = CONV[len(scale)](torch.from_numpy(np.pad(up, pads, mode)), torch.from_numpy(weight), groups=conv.groups)
    spec, folded, extend = fold_nearest_extended(conv, weight, scale, extension, symmetric=symmetric)
    small = np.pad(x.numpy(), [(0, 0), (0, 0), *extend], "wrap" if extension == "circular" else "edge")
    assert_close(transposed(torch.from_numpy(small), spec, folded), want)
    assert not symmetric or all(a.begin == a.end for a in spec.per_axis())


def test_three_by_three_becomes_four_by_four() -> None:
    weight = np.arange(9.0).reshape(1, 1, 3, 3)
    spec, folded = fold_nearest(Conv(3, 1, 1), weight, 2)
    assert spec == ConvTranspose((4, 4), (2, 2), (1, 1), (0, 0), (1, 1))
    column = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]])
    assert (folded[0, 0] == column @ weight[0, 0, ::-1, ::-1] @ column.T).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_sums_are_rounded_once_to_the_weights_own_dtype(dtype: Any) -> None:
    weight = np.random.default_rng(0).standard_normal((4, 4, 3, 3)).astype(dtype)
    _, exact = fold_nearest(Conv(3, 1, 1), weight.astype(np.float64), 2)
    _, folded = fold_nearest(Conv(3, 1, 1), weight, 2)
    assert folded.dtype == dtype
    assert (folded == exact.astype(dtype)).all()


def test_what_does_not_fold_says_why() -> None:
    weight = np.ones((1, 1, 3, 3))
    with pytest.raises(NotRepresentable, match="stride 2"):
        fold_nearest(Conv(3, 2, 1), weight, 2)
    with pytest.raises(SpecError, match="integer scale"):
        fold_nearest(Conv(3, 1, 1), weight, 1.5)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="does not fit"):
        fold_nearest(Conv((3,), 1, 1), weight, 2)
