"""Random problems of a size at which blocks, tiles and remainders occur, with tensors in any order in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from hypothesis import strategies as st

from upweave.ops.problem import Problem, problem

LAYOUTS = ("plain", "offset", "every other", "channels last", "axes swapped", "expanded")
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def laid_out(t: torch.Tensor, layout: str) -> torch.Tensor:
    """A tensor of the same values whose memory is ordered as the name says ("expanded": of the first row's values)."""
    if layout == "offset":
        room = torch.full((t.numel() + 3,), torch.nan, dtype=t.dtype)
        return room[3:].view(t.shape).copy_(t)
    if layout == "every other":
        room = torch.full((*t.shape[:-1], 2 * t.shape[-1]), torch.nan, dtype=t.dtype)
        return room[..., ::2].copy_(t)
    if layout == "channels last" and t.dim() in LAST:
        return t.contiguous(memory_format=LAST[t.dim()])
    if layout in ("axes swapped", "channels last"):
        return t.transpose(1, -1).contiguous().transpose(1, -1)
    if layout == "expanded":
        return t[..., :1].expand_as(t)
    return t.contiguous()


@dataclass(frozen=True)
class Shape:
    """A problem, how its operands lie in memory, and what to draw them from."""

    p: Problem
    layout: str
    weight_layout: str
    bias: bool
    seed: int

    @property
    def numbers(self) -> tuple:
        p = self.p
        return p.stride, p.padding, p.output_padding, p.groups, p.dilation

    def tensors(self, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """x, weight and bias."""
        generator = torch.Generator().manual_seed(self.seed)
        x, weight, bias = (
            torch.randn(s, generator=generator, dtype=torch.float64).to(dtype)
            for s in (self.p.input_shape, self.p.weight_shape, (self.p.c_out,))
        )
        return laid_out(x, self.layout), laid_out(weight, self.weight_layout), bias if self.bias else None


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Odd sizes, o ≥ p, p ≥ s, k < s, gcd(d, s) > 1, groups and depthwise, empty batches: all of it."""
    rank = draw(st.sampled_from((1, 2, 2, 3)))
    longest, widest = {1: (70, 17), 2: (19, 6), 3: (7, 4)}[rank]
    axes = []
    for _ in range(rank):
        h, k = draw(st.integers(1, longest)), draw(st.integers(1, widest))
        s, d = draw(st.integers(1, 5 if rank < 3 else 3)), draw(st.sampled_from((1, 1, 1, 2, 3, 4)))
        o = draw(st.integers(0, max(s, d) - 1))
        p = draw(st.integers(0, min((s * (h - 1) + d * (k - 1) + o) // 2, d * k + s)))
        axes.append((h, k, s, p, o, d))
    size, kernel, stride, padding, more, dilation = zip(*axes, strict=True)
    groups, c_in, c_out = draw(
        st.sampled_from(
            ((1, 1, 1), (1, 3, 2), (1, 5, 17), (1, 33, 3), (2, 4, 3), (3, 1, 1), (5, 1, 2), (1, 16, 16), (4, 3, 1))
        )
    )
    batches = (0, 1, 1, 2, 3, 18) if math.prod(size) <= 40 else (0, 1, 1, 2, 3)  # 18: small maps image by image
    found = problem(
        (draw(st.sampled_from(batches)), groups * c_in, *size), (groups * c_in, c_out, *kernel),
        stride=stride, padding=padding, output_padding=more, dilation=dilation, groups=groups,
    )  # fmt: skip
    # Not both expanded: a chain of equal products rounds in one direction, and that is another question than shapes.
    layout, weight_layout = draw(st.sampled_from(LAYOUTS)), draw(st.sampled_from(LAYOUTS[:-1]))
    return Shape(found, layout, weight_layout, draw(st.booleans()), draw(st.integers(0, 2**16)))
