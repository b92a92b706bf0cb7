"""Which of the native core's algorithms runs a problem, with which blocks: a pure function of shapes and machine."""

from __future__ import annotations

from dataclasses import dataclass

from .problem import Problem

ALGORITHMS = ("phase_gemm", "phase_rows", "stencil")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A named choice of the native core, and why."""

    algorithm: str
    why: str


def schedule(p: Problem, *, dtype: str = "float32", channels_last: bool = False, threads: int = 1) -> Schedule:
    """The algorithm that the native core uses for `p`."""
    return Schedule("phase_gemm", "many channels")
