"""The bridge to the native core: is it there, and run it on memory.

Everything here takes addresses (ints) of memory that is contiguous in its layout; shapes were checked by `problem`.
No torch is imported. Set `UPWEAVE_NATIVE=0` to do without the core, `UPWEAVE_ISA` to one of `targets()` to choose its
instruction set, `UPWEAVE_WINOGRAD=0` to have every product of the definition made; they are read once, when the core is
first asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from .activation import ACTIVATIONS
from .choice import choose, one_sample
from .depthwise import Depthwise
from .problem import Problem
from .schedule import Schedule, schedule
from .winograd import Winograd

DTYPES = ("float32", "bfloat16", "float64")
"""Element types the core computes with, by its own numbers; bfloat16 is storage alone, sums are float32."""

FORWARD, GRAD_INPUT = 0, 1


class _Core(NamedTuple):
    module: Any
    isa: str
    why_not: str
    winograd: bool = True


@lru_cache(maxsize=1)
def _core() -> _Core:
    if os.environ.get("UPWEAVE_NATIVE", "") == "0":
        return _Core(None, "", "turned off by UPWEAVE_NATIVE=0")
    try:
        from upweave import _native
    except ImportError as error:
        return _Core(None, "", f"it was not built, or does not load ({error})")
    here = tuple(_native.targets())
    if not here:
        return _Core(None, "", "this processor is older than x86-64-v2")
    isa = os.environ.get("UPWEAVE_ISA", "") or here[0]
    if isa not in here:
        return _Core(None, "", f"UPWEAVE_ISA={isa} is not among this build's and processor's: {', '.join(here)}")
    return _Core(_native, isa, "", os.environ.get("UPWEAVE_WINOGRAD", "") != "0")


def available() -> bool:
    """True if the native core was built, loads, and is not turned off."""
    return _core().module is not None


def why_not() -> str:
    """Why the native core is not available, to stand behind "native core not available: "; empty if it is."""
    return _core().why_not


def targets() -> tuple[str, ...]:
    """The instruction sets that were compiled in and that this processor has, best first; empty without a core."""
    core = _core()
    return () if core.module is None else tuple(core.module.targets())


def isa() -> str:
    """The instruction set in use; empty without a core."""
    return _core().isa


def pool() -> str:
    """Whose threads the core uses: "torch" where torch is loaded, else "OpenMP", else "none"."""
    core = _core()
    return "" if core.module is None else str(core.module.pool())


def default_threads() -> int:
    """The number of threads that 0 stands for: torch's where torch is loaded, else OpenMP's; 1 without a core."""
    core = _core()
    return 1 if core.module is None else int(core.module.default_threads())


class Compiled(NamedTuple):
    """A kernel for one problem, and the key of the weights it reads."""

    kernel: Any
    layout: str


@lru_cache(maxsize=2048)
def chosen(
    p: Problem,
    dtype: str,
    channels_last: bool = False,
    activation: str = "none",
    slope: float = 0.01,
    threads: int = 1,
    isa: str = "",
    precise: bool = True,
    packs: bool = False,
) -> Compiled:
    """The kernel that is expected to be the fastest, kept: the direct loops', a depthwise one, or of Winograd's way.

    `precise=False` allows tiles that lose up to a digit of float32 (see `winograd`); `packs`: the weight is new in
    every call. Where the kernel's `run` returns False, the one of `compiled` takes every number.
    """
    core = _core()
    if core.module is None:
        raise RuntimeError(f"native core not available: {core.why_not}")
    isa = isa or core.isa
    p = one_sample(p)
    found = choose(
        p, dtype=dtype, channels_last=channels_last, threads=threads, tile=tile(isa, dtype), precise=precise,
        packs=packs,
    )  # fmt: skip
    if isinstance(found, Schedule) or not (core.winograd or isinstance(found, Depthwise)):
        return compiled(p, dtype, channels_last, activation, slope, FORWARD, threads, isa)
    geometry = _geometry(p, dtype, channels_last, FORWARD, activation, slope)
    if isinstance(found, Depthwise):
        kernel = core.module.DepthwiseKernel(isa, geometry)
    elif isinstance(found, Winograd):
        kernel = core.module.WinogradKernel(
            isa, geometry, found.cells, found.tile_rows, found.tiles, found.shares, found.strassen
        )  # fmt: skip
    else:
        kernel = core.module.WinogradRowKernel(
            isa, geometry, *found.cells, found.tile_rows, found.tile, found.channels
        )  # fmt: skip
    return Compiled(kernel, kernel.layout)


def saved(p: Problem, dtype: str, channels_last: bool = False, precise: bool = True) -> float:
    """Products of the definition for each one that `forward` makes, of a packed weight: 1 for the direct loops."""
    way = choose(
        one_sample(p), dtype=dtype, channels_last=channels_last, threads=default_threads(), tile=tile(isa(), dtype),
        precise=precise,
    )  # fmt: skip
    return 1.0 if isinstance(way, Schedule) or not _core().winograd else way.saved


@lru_cache(maxsize=1024)
def compiled(
    p: Problem,
    dtype: str,
    channels_last: bool = False,
    activation: str = "none",
    slope: float = 0.01,
    direction: int = FORWARD,
    threads: int = 1,
    isa: str = "",
) -> Compiled:
    """The direct loops' kernel for a problem, kept; building one takes tens of microseconds and looks at no data."""
    core = _core()
    if core.module is None:
        raise RuntimeError(f"native core not available: {core.why_not}")
    isa = isa or core.isa
    found = schedule(
        p, dtype=dtype, channels_last=channels_last, threads=threads, tile=tile(isa, dtype),
        direction="forward" if direction == FORWARD else "grad_input",
    )  # fmt: skip
    kernel = core.module.Kernel(
        isa, _geometry(p, dtype, channels_last, direction, activation, slope),
        found.images, found.rows, found.tile_rows, found.tile, found.channels, found.chunk,
    )  # fmt: skip
    return Compiled(kernel, kernel.layout)


@lru_cache(maxsize=64)
def tile(isa: str, dtype: str) -> tuple[int, int]:
    """What the micro-kernel of an instruction set covers: (lanes of a vector, rows)."""
    single, double, height = _core().module.tile(isa)
    return (double if dtype == "float64" else single), height


@lru_cache(maxsize=1024)
def _geometry(p: Problem, dtype: str, channels_last: bool, direction: int, activation: str, slope: float) -> Any:
    def three(values: tuple[int, ...], lead: int) -> tuple[int, ...]:
        return (lead,) * (3 - len(values)) + values

    return _core().module.Geometry(
        p.batch, p.groups, p.c_in // p.groups, p.c_out // p.groups,
        three(p.size, 1), three(p.out, 1), three(p.kernel, 1),
        three(p.stride, 1), three(p.padding, 0), three(p.dilation, 1),
        DTYPES.index(dtype), channels_last, direction, ACTIVATIONS.index(activation), slope,
    )  # fmt: skip


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
    packed: Any = None,
    precise: bool = True,
) -> bool:
    """y = activation(conv_transpose(x, weight) + bias); x and y in the same layout, weight in PyTorch's; bias may be 0.

    `threads` 0 asks torch, if it is loaded, or the machine. `packed`: what `pack` returned for this weight, or None;
    with it, `weight` may be 0. It is read then only if there are numbers that are not finite, in the weight or, for
    Winograd's way, in the input: False says that it would have to be read and is 0.
    """
    threads = threads or default_threads()
    kernel = chosen(p, dtype, channels_last, activation, slope, threads, "", precise, packed is None).kernel
    if kernel.run(x, weight, kernel.pack(weight, threads) if packed is None else packed, bias, y, threads):
        return True
    if not weight:
        return False
    direct = compiled(p, dtype, channels_last, activation, slope, FORWARD, threads).kernel
    return bool(direct.run(x, weight, direct.pack(weight, threads), bias, y, threads))


def pack(
    p: Problem, dtype: str, channels_last: bool, weight: int, threads: int = 0, precise: bool = True
) -> Any:  # fmt: skip
    """The weight in the order in which the kernel reads it, with its size in `nbytes`.

    It fits every problem with the same `pack_key`: another batch or another size mostly has the same.
    """
    threads = threads or default_threads()
    return chosen(p, dtype, channels_last, "none", 0.01, threads, "", precise, False).kernel.pack(weight, threads)


def pack_key(p: Problem, dtype: str, channels_last: bool, threads: int = 0, precise: bool = True) -> str:
    """Problems with equal keys read equally packed weights."""
    # the very arguments by which `forward` asks for it, where there is no activation: the kernel is built once
    return chosen(p, dtype, channels_last, "none", 0.01, threads or default_threads(), "", precise, False).layout


class Prepared(NamedTuple):
    """A kernel for many calls: run(x, weight, packed, bias, y, threads), as `forward` runs it.

    `pack(weight, threads)` packs; `threads` are those it was chosen for, `thread_count` says what 0 stands for now.
    `run` returns False where `forward` has more to do.
    """

    run: Callable[[int, int, Any, int, int, int], bool]
    pack: Callable[[int, int], Any]
    threads: int
    thread_count: Callable[[], int]


def prepared(
    p: Problem, dtype: str, channels_last: bool, activation: str = "none", slope: float = 0.01, precise: bool = True,
    packs: bool = False,
) -> Prepared:  # fmt: skip
    """What `forward` runs for a packed weight, or where it `packs` at each call."""
    threads = default_threads()
    kernel = chosen(p, dtype, channels_last, activation, slope, threads, "", precise, packs).kernel
    return Prepared(kernel.run, kernel.pack, threads, _core().module.default_threads)


def grad_input(p: Problem, dtype: str, gy: int, weight: int, gx: int, threads: int = 0) -> None:
    """gx = the gradient of the input (the strided convolution of gy), batch and channels first."""
    kernel = compiled(p, dtype, direction=GRAD_INPUT, threads=threads or default_threads()).kernel
    kernel.run(gy, weight, kernel.pack(weight, threads), 0, gx, threads)


def grad_weight(p: Problem, dtype: str, x: int, gy: int, gw: int, threads: int = 0) -> None:
    """gw = the gradient of the weight in PyTorch's layout, ∂L/∂w[ci, co, t] = Σ x[ci, i] · gy[co, s·i + d·t − p]."""
    core = _core()
    if core.module is None:
        raise RuntimeError(f"native core not available: {core.why_not}")
    core.module.weight_gradient(core.isa, _geometry(p, dtype, False, FORWARD, "none", 0.0), x, gy, gw, threads)


def fingerprint(address: int, nbytes: int) -> int:
    """A number that changes almost surely when the memory does: a hash of 32 words spread over it."""
    return int(_core().module.fingerprint(address, nbytes))
