"""Small problems for which the schedule names each of its algorithms, and the fast truth in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from upweave.ops import native
from upweave.ops.activation import activate
from upweave.ops.problem import Problem, problem
from upweave.ops.schedule import ALGORITHMS, schedule
from upweave.ops.vectorised import vectorised

NUMPY = {"float32": np.float32, "float64": np.float64, "bfloat16": np.uint16}
"""The memory of each of the core's dtypes; NumPy has no bfloat16, so its bits are kept as integers."""
LIMITS = {"float32": 1e-6, "float64": 1e-12, "bfloat16": 1e-2}

SHAPES: tuple[Problem, ...] = (
    problem((2, 5, 7), (5, 3, 4), stride=2, padding=1),
    problem((1, 24, 9), (24, 17, 16), stride=8, padding=4),
    problem((1, 3, 130), (3, 1, 9), stride=3, padding=4, output_padding=2),
    problem((2, 6, 40), (6, 1, 4), stride=2, padding=1, groups=6),
    problem((1, 4, 33), (4, 2, 2), stride=5),
    problem((1, 4, 33), (4, 2, 3), stride=4, dilation=2, groups=2),
    problem((3, 20, 4, 4), (20, 33, 4, 4), stride=2, padding=1),
    problem((1, 8, 19, 37), (8, 3, 4, 4), stride=2, padding=1),
    problem((1, 8, 19, 37), (8, 3, 3, 3), stride=2, padding=1, output_padding=1),
    problem((1, 5, 9, 35), (5, 1, 9, 9), stride=3, padding=4, output_padding=2),
    problem((2, 6, 11, 21), (6, 1, 4, 4), stride=2, padding=1, groups=6),
    problem((1, 16, 10, 10), (16, 12, 2, 2), stride=2),
    problem((1, 4, 6, 7), (4, 5, 3, 2), stride=(1, 3), padding=(1, 0), dilation=(2, 1), groups=2),
    problem((1, 6, 3, 5, 6), (6, 5, 4, 4, 4), stride=2, padding=1),
    problem((1, 3, 3, 6, 34), (3, 1, 3, 3, 3), stride=2, padding=1, output_padding=1),
    problem((2, 4, 3, 5, 20), (4, 1, 2, 3, 4), stride=(1, 2, 2), padding=(0, 1, 1), groups=4),
    problem((7, 64, 1, 1), (64, 19, 4, 4), stride=2, padding=1),
    problem((2, 40, 3, 3, 3), (40, 37, 4, 4, 4), stride=2, padding=1),
    problem((16, 64, 4, 4), (64, 64, 4, 4), stride=2, padding=1),
    problem((17, 24, 3, 5), (24, 9, 4, 4), stride=2, padding=1),
    problem((37, 12, 4, 4), (12, 5, 3, 3), stride=2, padding=1, output_padding=1),
    problem((19, 16, 2, 3, 3), (16, 5, 3, 3, 3), stride=2, padding=1, groups=2),
    problem((33, 32, 6), (32, 6, 5), stride=3, padding=4, groups=2),
    problem((20, 16, 4), (16, 6, 4), stride=3, padding=1, dilation=2),
    problem((0, 4, 6), (4, 2, 3), stride=2),
)


@dataclass(frozen=True)
class Run:
    """One call of the core, by its own names."""

    p: Problem
    dtype: str
    channels_last: bool
    isa: str
    threads: int = 1

    @property
    def algorithm(self) -> str:
        """What `schedule` names for it."""
        return schedule(
            self.p, dtype=self.dtype, channels_last=self.channels_last, threads=self.threads,
            tile=native.tile(self.isa, self.dtype),
        ).algorithm  # fmt: skip


def runs(isa: str, dtype: str, channels_last: bool) -> dict[str, list[Run]]:
    """The runs of `SHAPES` by the algorithm that is chosen for them; every algorithm has one."""
    found: dict[str, list[Run]] = {name: [] for name in ALGORITHMS}
    for p in SHAPES:
        run = Run(p, dtype, channels_last, isa)
        found[run.algorithm].append(run)
    return found


def to_bits(a: np.ndarray) -> np.ndarray:
    """float32 to the nearest bfloat16, ties to even, as bits; the values must be finite."""
    raw = np.ascontiguousarray(a, np.float32).view(np.uint32)
    return ((raw + 0x7FFF + ((raw >> 16) & 1)) >> 16).astype(np.uint16)


def from_bits(a: np.ndarray) -> np.ndarray:
    """bfloat16's bits as float32."""
    return (a.astype(np.uint32) << 16).view(np.float32)


def stored(a: np.ndarray, dtype: str) -> np.ndarray:
    """The memory of `a` in one of the core's dtypes."""
    return to_bits(a) if dtype == "bfloat16" else np.ascontiguousarray(a, NUMPY[dtype])


def value(a: np.ndarray, dtype: str) -> np.ndarray:
    """What that memory stands for, in float64."""
    return (from_bits(a) if dtype == "bfloat16" else a).astype(np.float64)


class Operands:
    """Random memory for a run, and the exact output in float64."""

    def __init__(self, run: Run, bias: bool = True, seed: int = 0) -> None:
        rng, p = np.random.default_rng(seed), run.p
        self.run = run
        made = [rng.standard_normal(s) for s in (p.input_shape, p.weight_shape, (p.c_out,))]
        self.x, self.weight, self.bias = (stored(a, run.dtype) for a in made)
        if run.channels_last:
            self.x = np.ascontiguousarray(np.moveaxis(self.x, 1, -1))
        self.with_bias = bias

    @property
    def image(self) -> np.ndarray:
        """The input's values, channels first."""
        x = value(self.x, self.run.dtype)
        return np.moveaxis(x, -1, 1) if self.run.channels_last else x

    def expected(self, activation: str = "none", slope: float = 0.01) -> np.ndarray:
        """The output by NumPy in float64."""
        bias = value(self.bias, self.run.dtype) if self.with_bias else None
        y = vectorised(self.image, value(self.weight, self.run.dtype), bias, self.run.p)
        activate(y, activation, slope)
        return y

    def compute(self, activation: str = "none", slope: float = 0.01, guard: int = 64) -> np.ndarray:
        """The output by the core in float64, channels first; what lies around it must stay as it was."""
        run, p = self.run, self.run.p
        shape = (p.batch, *p.out, p.c_out) if run.channels_last else p.output_shape
        count = int(np.prod(shape))
        room = np.full(count + 2 * guard, 17, NUMPY[run.dtype])
        y = room[guard : guard + count].reshape(shape)
        arguments: tuple[Any, ...] = (p, run.dtype, run.channels_last, activation, slope, native.FORWARD, run.threads)
        kernel = native.compiled(*arguments, isa=run.isa).kernel
        packed = kernel.pack(self.weight.ctypes.data, run.threads)
        kernel.run(
            self.x.ctypes.data, self.weight.ctypes.data, packed, self.bias.ctypes.data if self.with_bias else 0,
            y.ctypes.data, run.threads,
        )  # fmt: skip
        if not ((room[:guard] == 17).all() and (room[guard + count :] == 17).all()):
            raise AssertionError("the core wrote outside of its output")
        got = value(y, run.dtype)
        return np.moveaxis(got, -1, 1) if run.channels_last else got
