"""A named kernel with its blocks, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["forward", "grad_input", "grad_weight"]

DIRECTIONS: tuple[Direction, ...] = ("forward", "grad_input", "grad_weight")

ALGORITHMS: dict[Direction, tuple[str, ...]] = {
    "forward": ("phase_gemm", "shuffle_gemm", "stencil", "few_outputs", "long_kernel"),
    "grad_input": ("strided_gemm", "strided_stencil"),
    "grad_weight": ("split_k", "split_stencil"),
}

DTYPES = ("float32", "bfloat16", "float16")
"""Element types of the kernels; sums are in float32."""

ITEM = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True)
class Choice:
    """A named kernel, why, and how its work is cut.

    A program has `m` rows (positions; for split_k input channels) and `n` columns, of which `phases` are phases of the
    last axis (for split_stencil: taps), `k` steps of the sum at a time. `input_last`, `tap_major`: the input (or the
    output's gradient) is first copied with its channels last, the weight with its taps first. `splits` parts of the
    sum are added by a second kernel. `seconds` is the prediction: the longer of computing, with padding, and moving.
    """

    algorithm: str
    why: str
    m: int
    n: int
    k: int
    phases: int = 1
    warps: int = 4
    stages: int = 3
    splits: int = 1
    input_last: bool = False
    tap_major: bool = False
    programs: int = 1
    seconds: float = 0.0

    @property
    def blocks(self) -> str:
        """The blocks in one word, by which measurements know this choice.

        Not in it is what follows from a problem's size: measurements serve sizes that are near."""
        name = f"{self.algorithm}:{self.m}x{self.n}x{self.k}:f{self.phases}:w{self.warps}:s{self.stages}"
        return name + (":last" if self.input_last else "")
