"""Which backend runs a transposed convolution, by which algorithm, and why: pure functions of what they are told.

Nothing is probed here. Whether the native core was built, how many threads there are and how fast the machine is are
arguments; `upweave.explain_plan` fills them in for the machine it runs on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..errors import BackendError
from . import choice, vectorised
from .native import DTYPES
from .problem import Problem
from .triton import choose as triton
from .triton.choice import DTYPES as TRITON_DTYPES
from .triton.machine import H100, Gpu

Kind: TypeAlias = Literal["numpy", "torch"]
"""What the operands are: NumPy arrays or torch tensors."""

BACKENDS = ("native", "triton", "numpy", "torch", "reference")

PREFERENCE: dict[Kind, tuple[str, ...]] = {"numpy": ("native", "numpy"), "torch": ("native", "torch")}
"""What "auto" tries on the CPU, in this order; the last takes whatever is left. The reference is slow and never
automatic."""

PREFERENCE_ON_GPU = ("triton", "torch")
"""The same for tensors on a GPU; a plan or a measurement may still find that the second is faster."""

GPUS = ("cuda",)
"""PyTorch's device types of the GPUs that Triton's kernels run on: NVIDIA's and, under the same name, AMD's."""

INTERPRETER = "cpu, in Triton's interpreter"
"""The device of tensors on the CPU for backend "triton" where `TRITON_INTERPRET=1`."""

TAKES = {
    "native": DTYPES,
    "triton": TRITON_DTYPES,
    "numpy": ("float32", "float64"),
    "reference": ("float32", "float64", "bfloat16", "float16"),
}
"""The dtypes of each backend; PyTorch takes what it takes."""

PEAK = 100e9
"""Nominal float32 operations a second of one thread: an AVX-512 core of a server, a multiply-add counted as two."""

BANDWIDTH = 16e9
"""Nominal bytes a second to and from memory, all threads together: what a copy reaches on two such cores."""

TILE = (16, 14)
"""What a micro-kernel covers if not said: AVX-512's lanes of float32 and rows."""


@dataclass(frozen=True)
class Plan:
    """What runs a problem: a named choice, its reason and its cost. `print(plan)` shows all of it.

    Attributes:
        backend: "native", "triton", "numpy", "torch" or "reference".
        algorithm: what that backend does with this problem: the native core's schedule, a kernel of Triton's
            (`upweave.ops.triton.choose`), "tap_gemm" or "tap_scale" (numpy), "aten" (torch), "loops" (reference).
        reason: why this backend, and why not the ones it would have preferred; for the native core and Triton also why
            this algorithm.
        problem, kind, dtype, device, channels_last, threads: what the plan was made for.
        multiplies: multiplications of the definition.
        bytes: input, weight and output, each moved once.
        seconds: a lower bound on a nominal machine: the longer of computing and moving. On a GPU that is an H100.
    """

    backend: str
    algorithm: str
    reason: str
    problem: Problem
    kind: Kind
    dtype: str
    device: str
    channels_last: bool
    threads: int
    multiplies: int
    bytes: int
    seconds: float

    def __str__(self) -> str:
        p = self.problem
        names = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1}
        set_ = [f"{n} {_short(getattr(p, n))}" for n, usual in names.items() if set(getattr(p, n)) != {usual}]
        set_ += [f"groups {p.groups}"] if p.groups > 1 else []
        layout = ", channels last" if self.channels_last else ""
        what = f"{'tensors' if self.kind == 'torch' else 'arrays'} of {self.dtype} on {self.device}{layout}"
        where = f"a nominal machine with {self.threads} thread{'s' * (self.threads != 1)}"
        if self.device in GPUS:
            where = f"a nominal GPU, {H100.name}"
        return "\n".join(
            [
                f"{self.backend}: {self.algorithm}",
                f"  why         {self.reason}",
                f"  input       {p.input_shape}, {what}",
                f"  weight      {p.weight_shape}{''.join(f', {s}' for s in set_)}",
                f"  output      {p.output_shape}",
                f"  multiplies  {self.multiplies:,}",
                f"  bytes       {self.bytes:,}",
                f"  at least    {self.seconds * 1e3:.3g} ms on {where}",
            ]
        )


def plan(
    problem: Problem,
    *,
    kind: Kind = "numpy",
    dtype: str = "float32",
    device: str = "cpu",
    channels_last: bool = False,
    backend: str = "auto",
    threads: int = 1,
    missing: Mapping[str, str] | None = None,
    tile: tuple[int, int] = TILE,
    peak: float = PEAK,
    bandwidth: float = BANDWIDTH,
    tf32: bool = True,
    gpu: Gpu = H100,
) -> Plan:
    """The plan of a problem under the given circumstances; a pure function.

    Args:
        problem: from `upweave.ops.problem.problem`.
        kind: "numpy" or "torch": what the operands are.
        dtype: theirs, by NumPy's or PyTorch's name.
        device: theirs; PyTorch's type of device, such as "cpu" or "cuda".
        channels_last: the input's memory has its channels last.
        backend: "auto", or a backend's name.
        threads: how many the computation may use.
        missing: why a backend is not there, by name, as from `upweave.available_backends()`; without it, all are.
        tile: what the native core's micro-kernel covers, (lanes of a vector, rows).
        peak: float32 operations a second of one thread, a multiply-add counted as two; float64 runs at half of it.
        bandwidth: bytes a second to and from memory, all threads together.
        tf32: on a GPU, whether PyTorch's setting for convolutions lets float32 be rounded to TF32.
        gpu: what the GPU can do, for tensors on one.

    seconds = max(2·multiplies / (peak·threads), bytes / bandwidth), the roofline. On a GPU "auto" is what a call goes
    by that may measure nothing; one that may takes whatever is faster on its GPU, cuDNN included. Raises
    `BackendError`, with the reason, if the backend asked for by name, or every automatic one, cannot run this.
    """
    name, reason = choose(kind, dtype, device, backend, missing or {})
    if name == "triton":
        name, reason = _on_gpu(problem, dtype, backend, reason, tf32)
    algorithm = {"numpy": vectorised.algorithm(problem), "torch": "aten", "reference": "loops"}.get(name, "")
    if name == "native":
        chosen = choice.choose(
            choice.one_sample(problem), dtype=dtype, channels_last=channels_last, threads=threads, tile=tile
        )
        algorithm, reason = chosen.algorithm, f"{reason}; {chosen.algorithm}: {chosen.why}"
    elif name == "triton":
        found = triton.choose(problem, dtype=dtype, channels_last=channels_last, tf32=tf32, gpu=gpu)
        algorithm, reason = found.algorithm, f"{reason}; {found.algorithm}: {found.why}"
    shapes = (problem.input_shape, problem.weight_shape, problem.output_shape)
    moved = sum(math.prod(shape) for shape in shapes) * itemsize(dtype)
    speed = peak * threads / (2 if dtype == "float64" else 1)
    if device in GPUS:
        speed, bandwidth = gpu.peak(dtype, tf32), gpu.bandwidth
    seconds = max(2 * problem.multiplies / speed, moved / bandwidth)
    return Plan(
        name, algorithm, reason, problem, kind, dtype, device, channels_last, threads,
        problem.multiplies, moved, seconds,
    )  # fmt: skip


def choose(kind: Kind, dtype: str, device: str, backend: str, missing: Mapping[str, str]) -> tuple[str, str]:
    """(backend, reason): the backend asked for if it can run, or the first of `PREFERENCE` that can.

    Raises `BackendError` with the reason where it cannot.
    """
    if backend != "auto":
        if backend not in BACKENDS:
            raise BackendError(f"no backend is called {backend!r}; there are {', '.join(BACKENDS)}, and auto")
        why_not = missing.get(backend) or refusal(backend, kind, dtype, device)
        if why_not:
            raise BackendError(f"backend {backend!r} cannot run this: {_said(backend, why_not, missing)}")
        return backend, "asked for by name"
    passed: list[str] = []
    for name in PREFERENCE_ON_GPU if device in GPUS else PREFERENCE[kind]:
        why_not = missing.get(name) or refusal(name, kind, dtype, device)
        if not why_not:
            if passed:
                return name, f"{'; '.join(passed)}; {name} runs instead"
            return name, f"{'' if name == 'triton' else 'the '}{_noun(name)} comes first, and can run this"
        passed.append(_said(name, why_not, missing))
    raise BackendError(f"no backend can run this: {'; '.join(passed)}")


def refusal(backend: str, kind: Kind, dtype: str, device: str) -> str:
    """Why a backend that is there does not run operands of this kind, dtype and device; empty if it does."""
    if backend == "torch":
        return ""
    if backend == "triton":
        if kind != "torch":
            return "Triton runs tensors on a GPU, not arrays"
        if device not in (*GPUS, INTERPRETER):
            return f"Triton runs on a GPU, and the tensors are on {device}"
        return "" if dtype in TAKES[backend] else f"Triton takes {', '.join(TAKES[backend])}, not {dtype}"
    if device != "cpu":
        return f"the {_noun(backend)} runs on the CPU, and the tensors are on {device}"
    takes = TAKES[backend]
    if dtype not in takes:
        return f"the {_noun(backend)} takes {', '.join(takes)}, not {dtype}"
    return ""


def _on_gpu(p: Problem, dtype: str, backend: str, reason: str, tf32: bool) -> tuple[str, str]:
    """(backend, reason) for a problem that Triton may run: whether it can, and for "auto" whether it should."""
    why_not = triton.refusal(p, dtype)
    if backend == "triton":
        if why_not:
            raise BackendError(f"backend 'triton' cannot run this: {why_not}")
        return backend, reason
    if why_not:
        return "torch", f"{why_not}; torch runs instead"
    expected = triton.expected_of(p, dtype, tf32)
    if not expected:
        return "torch", "cuDNN is expected to be faster than Triton here, unless measured otherwise; torch runs"
    return "triton", f"Triton is expected to be faster than cuDNN, unless measured otherwise: {expected}"


def itemsize(dtype: str) -> int:
    """Bytes of one element, from the number of bits in its dtype's name (bool has none and takes one byte)."""
    bits = re.search(r"\d+", dtype)
    return int(bits[0]) // 8 if bits else 1


def _said(backend: str, why_not: str, missing: Mapping[str, str]) -> str:
    return f"{_noun(backend)} not available: {why_not}" if missing.get(backend) else why_not


def _noun(backend: str) -> str:
    return {"native": "native core", "triton": "Triton", "numpy": "NumPy backend"}.get(backend, backend)


def _short(value: tuple[int, ...]) -> str:
    return str(value[0]) if len(set(value)) == 1 else str(value)
