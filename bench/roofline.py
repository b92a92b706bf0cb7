"""What the machine can do at most: fp32 multiply-adds, bytes moved, and the time that a layer needs for them at least.

    floor = max(2 · multiplies / GEMM peak,  bytes of input, weight and output / copy bandwidth)

The multiplies are those of the definition, batch · C_in · C_out/g · ∏k · ∏H, also those whose output is cropped away.
Both ceilings are measured in the same run as the layers. They are what this machine reached, not what its data sheet
says, and no law: a layer whose tensors stay in the last cache moves them faster than a copy through memory, so that
small layers can come out above 1. The other way round, outputs of fresh memory also pay for their page faults, of
which the floor knows nothing: a layer with a large output stays below 1 however good its kernel is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .layers import Layer

SHAPES = ((2048, 2048, 2048), (1024, 1024, 4096), (512, 2048, 2048))
"""(M, K, N) of the GEMMs that are tried: which is fastest depends on the library and on the caches."""

COPY = 1 << 26
"""Floats that are copied: 256 MiB read and as many written, more than any cache holds."""


@dataclass(frozen=True)
class Roofline:
    """Peak of fp32 GEMM in Gflop/s, a multiply-add being two, and of a copy in GB/s, bytes read and written."""

    gflops: float
    gb_s: float

    def floor_ms(self, layer: Layer) -> float:
        """The least time of one forward pass, in ms."""
        return 1e3 * max(2 * layer.problem.multiplies / (self.gflops * 1e9), layer.bytes / (self.gb_s * 1e9))

    def best(self, other: Roofline) -> Roofline:
        """The higher of two measurements, ceiling by ceiling: on a shared machine the lower one was disturbed."""
        return Roofline(max(self.gflops, other.gflops), max(self.gb_s, other.gb_s))


def measure(seconds: float = 1.0) -> Roofline:
    """Both ceilings, with the threads that torch is set to; each the best of as many tries as fit into `seconds`."""
    with torch.no_grad():
        gflops = max(_gemm(m, k, n, seconds / len(SHAPES)) for m, k, n in SHAPES)
        source = torch.ones(COPY)
        target = torch.zeros(COPY)
        copy = _best(lambda: target.copy_(source), seconds)
    return Roofline(gflops, 2 * 4 * COPY / copy / 1e9)


def _gemm(m: int, k: int, n: int, seconds: float) -> float:
    """Gflop/s of the fastest of three libraries: on some processors one of them is held back."""
    a, b, c = torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)
    x, w = b.T.reshape(1, 1, n, k).permute(0, 3, 1, 2), a[:, :, None, None]  # the same as a 1×1 convolution, NHWC
    calls = (
        lambda: torch.mm(a, b, out=c),                           # torch's BLAS
        lambda: np.matmul(a.numpy(), b.numpy(), out=c.numpy()),  # NumPy's
        lambda: F.conv2d(x, w),                                  # oneDNN
    )  # fmt: skip
    return 2 * m * k * n / min(_best(call, seconds / len(calls)) for call in calls) / 1e9


def _best(call: Callable[[], object], seconds: float) -> float:
    """The shortest of at least three calls, after one that is not timed."""
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)
