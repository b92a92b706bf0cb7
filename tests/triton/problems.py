"""A problem for each kernel and each branch of the choice, and how to force a kernel onto a problem."""

from __future__ import annotations

from upweave.ops.problem import Problem, problem
from upweave.ops.triton.choice import ALGORITHMS, Choice, Direction
from upweave.ops.triton.tables import power

P = problem
CHOSEN: dict[str, tuple[Problem, dict[Direction, str]]] = {
    name: (p, {"forward": a, "grad_input": b, "grad_weight": c})  # type: ignore[dict-item]
    for name, (p, a, b, c) in {
        "1d": (P((2, 5, 7), (5, 6, 4), stride=2, padding=1), "phase_gemm", "strided_gemm", "split_k"),
        "2d": (P((2, 20, 4, 5), (20, 6, 4, 4), stride=2, padding=1), "phase_gemm", "strided_gemm", "split_k"),
        "2d k3": (
            P((1, 20, 4, 5), (20, 18, 3, 3), stride=2, padding=1, output_padding=1),
            "phase_gemm", "strided_gemm", "split_k",
        ),
        "3d": (P((1, 5, 2, 3, 4), (5, 6, 3, 3, 4), stride=2, padding=1), "phase_gemm", "strided_gemm", "split_k"),
        "dilated": (
            P((1, 5, 6, 5), (5, 6, 3, 5), stride=(3, 4), padding=1, dilation=(2, 3), output_padding=2),
            "phase_gemm", "strided_gemm", "split_k",
        ),
        "gaps": (P((1, 5, 4), (5, 6, 2), stride=5, output_padding=3), "phase_gemm", "strided_gemm", "split_k"),
        "groups": (
            P((1, 10, 3, 4), (10, 6, 4, 3), stride=2, padding=1, groups=2), "phase_gemm", "strided_gemm", "split_k",
        ),
        "stride 1": (P((1, 10, 6, 5), (10, 7, 3, 3), padding=1), "phase_gemm", "strided_gemm", "split_k"),
        "k = s": (P((2, 8, 3, 4), (8, 5, 2, 2), stride=2), "shuffle_gemm", "strided_gemm", "split_k"),
        "k = s = 3": (P((2, 8, 3, 4), (8, 5, 3, 3), stride=3), "shuffle_gemm", "strided_gemm", "split_k"),
        "k = s in groups": (
            P((1, 8, 3, 4), (8, 5, 2, 4), stride=(2, 4), groups=2), "shuffle_gemm", "strided_gemm", "split_k",
        ),
        "rgb": (P((1, 20, 5, 4), (20, 3, 4, 4), stride=2, padding=1), "few_outputs", "strided_gemm", "split_k"),
        "grey": (P((1, 18, 3, 2), (18, 1, 5, 3), stride=(4, 2), padding=1),
            "few_outputs", "strided_stencil", "split_k",
       ),
        "few, odd stride": (
            P((1, 20, 5, 4), (20, 3, 5, 5), stride=3, padding=2), "few_outputs", "strided_gemm", "split_k",
        ),
        "inverse STFT": (P((2, 10, 6), (10, 3, 70), stride=32, padding=11), "long_kernel", "strided_gemm", "split_k"),
        "depthwise": (
            P((2, 6, 5, 4), (6, 1, 4, 4), stride=2, padding=1, groups=6),
            "stencil", "strided_stencil", "split_stencil",
        ),
        "narrow groups": (
            P((1, 6, 3, 3, 2), (6, 2, 3, 3, 3), stride=(2, 1, 2), padding=1, groups=3),
            "stencil", "strided_stencil", "split_stencil",
        ),
        "one channel in": (P((1, 1, 9), (1, 20, 4), stride=2), "stencil", "strided_gemm", "split_k"),
    }.items()
}  # fmt: skip
"""Name → problem and the kernel that each direction takes."""


def applies(p: Problem, algorithm: str) -> bool:
    """Whether a kernel can run a problem at all, chosen for it or not."""
    if algorithm == "shuffle_gemm":
        return p.kernel == p.stride and not any(p.padding + p.output_padding) and set(p.dilation) == {1}
    if algorithm == "few_outputs":
        return set(p.dilation) == {1}
    if algorithm == "long_kernel":
        return p.rank == 1 and p.dilation == (1,)
    return True


def forced(p: Problem, algorithm: str, channels_last: bool, *, more: int, copies: bool) -> Choice:
    """The kernel with small blocks, so that small problems have several programs, remainders and splits."""
    line = power(p.stride[-1])
    phases = {
        "shuffle_gemm": p.kernel[-1] if p.kernel[-1] == power(p.kernel[-1]) and not channels_last else 1,
        "few_outputs": line,
        "phase_gemm": 1 if channels_last else min(line, 4),
        "stencil": 1 if channels_last else min(line, 4),
        "split_stencil": 1 if channels_last else 8,
        "long_kernel": 16,
    }.get(algorithm, 1)
    n = max(16, phases)
    if "stencil" in algorithm:
        n = 8 if channels_last else phases
    k = 1 if algorithm in ("stencil", "strided_stencil") else 16
    m = 1 if algorithm == "split_stencil" else 16 * more
    return Choice(
        algorithm, "forced", m, n, k, phases, splits=more if "split" in algorithm else 1,
        input_last=copies and algorithm in ("phase_gemm", "strided_gemm", "long_kernel"),
        tap_major=copies and algorithm in ("phase_gemm", "strided_gemm"),
    )  # fmt: skip


def direction_of(algorithm: str) -> Direction:
    """The direction that has this kernel."""
    return next(d for d, names in ALGORITHMS.items() if algorithm in names)
