"""The bridge to the native core: is it there, and run it on memory.

Everything here takes addresses (ints) of memory that is contiguous in its layout; shapes were checked by `problem`.
No torch is imported. Set `UPWEAVE_NATIVE=0` to do without the core, `UPWEAVE_ISA=avx2` (or `baseline`, `avx512`, …) to
choose its instruction set.
"""

from __future__ import annotations

from .problem import Problem

DTYPES = ("float32", "bfloat16", "float64")
"""Element types the core computes with; bfloat16 is storage alone, sums are float32."""


def available() -> bool:
    """True if the native core was built, loads, and is not turned off."""
    return False


def why_not() -> str:
    """Why the native core is not available, in a sentence; empty if it is."""
    return "not built yet"


def forward(
    p: Problem,
    dtype: str,
    channels_last: bool,
    x: int,
    weight: int,
    bias: int,
    y: int,
    activation: str = "none",
    slope: float = 0.01,
    threads: int = 0,
    packed: object | None = None,
) -> None:
    """y = activation(conv_transpose(x, weight) + bias); x and y in the same layout, weight in PyTorch's; bias may be 0.

    `threads` 0 asks torch, if it is loaded, or the machine. `packed`: what `pack` returned for this weight, or None;
    with it, `weight` is not read and may be 0.
    """
    raise RuntimeError(why_not())


def pack(p: Problem, dtype: str, channels_last: bool, weight: int, threads: int = 0) -> object:
    """The weight in the order in which the kernel for this problem reads it; fits every batch and every size of the
    same `pack_key`."""
    raise RuntimeError(why_not())


def pack_key(p: Problem, dtype: str, channels_last: bool) -> object:
    """Hashable; problems with the same key read the same packed form of one weight."""
    raise RuntimeError(why_not())


def fingerprint(address: int, nbytes: int) -> int:
    """A number made of about 32 values spread over the memory: what changes them changes it."""
    raise RuntimeError(why_not())


def grad_input(p: Problem, dtype: str, gy: int, weight: int, gx: int, threads: int = 0) -> None:
    """gx = the gradient of the input (the strided convolution of gy), batch and channels first."""
    raise RuntimeError(why_not())


def grad_weight(p: Problem, dtype: str, x: int, gy: int, gw: int, threads: int = 0) -> None:
    """gw = the gradient of the weight in PyTorch's layout, ∂L/∂w[ci, co, t] = Σ x[ci, i] · gy[co, s·i + d·t − p]."""
    raise RuntimeError(why_not())
