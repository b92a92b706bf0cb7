"""The contenders of the GPU benchmark, their outputs checked, their times taken in turns."""

from __future__ import annotations

import importlib.metadata
import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

import upweave
from upweave.ops.problem import Problem, problem
from upweave.ops.triton import run as triton_run
from upweave.ops.triton.choose import choose

from . import case as cases
from .gpu_table import Outcome, Row
from .layers import Layer
from .stats import spread

LIMITS = {"float32": 2e-3, "bfloat16": 1e-2, "float16": 2e-3}
"""The relative error that an output may have; float32 is rounded to TF32 where PyTorch's setting allows it."""

FOLDS = ((128, 256), (256, 128), (512, 64))
"""(channels, size of a side) of nearest resizes followed by a 3×3 convolution, as in image decoders."""

ROUNDS = 9
Call = Callable[[], Sequence[torch.Tensor]]


@dataclass(frozen=True)
class Setting:
    """Where it runs, when it must have ended, and what takes part."""

    device: str
    budget: float
    start: float
    compile: bool
    tiny: bool

    def late(self) -> bool:
        """True if the time is over."""
        return time.perf_counter() - self.start > self.budget


@dataclass
class Contender:
    """A way to compute a row: `call` returns what is compared and is what is timed."""

    name: str
    layout: str
    call: Call


def machine(device: str) -> dict[str, Any]:
    """What it runs on."""
    if device == "cpu":
        return {"gpu": None, "interpreter": True, "system": platform.platform()}
    free, total = torch.cuda.mem_get_info()
    capability = torch.cuda.get_device_capability()
    return {
        "gpu": torch.cuda.get_device_name(),
        "capability": f"{capability[0]}.{capability[1]}",
        "units": torch.cuda.get_device_properties(0).multi_processor_count,
        "memory_gib": round(total / 2**30, 1),
        "free_gib": round(free / 2**30, 1),
        "cudnn": torch.backends.cudnn.version(),
        "tf32": triton_run.tf32(),
        "system": platform.platform(),
    }


def versions() -> dict[str, str | None]:
    """Of everything that matters."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "triton": importlib.metadata.version("triton"),
        "upweave": upweave.__version__,
    }


def ceilings(setting: Setting) -> dict[str, float]:
    """Best of several: Tflop/s of a matrix product in each dtype, GB/s of a copy, bytes read and written."""
    n, elements = (256, 1 << 20) if setting.tiny else (8192, 1 << 28)
    found = {}
    for dtype in ("bfloat16", "float32"):
        a, b = (torch.randn(n, n, device=setting.device).to(getattr(torch, dtype)) for _ in range(2))
        # as PyTorch's convolutions multiply: a 1×1 convolution follows their setting for TF32, a matmul another
        x, w = a.T.reshape(1, n, n, 1), b[:, :, None, None]
        calls: tuple[Call, ...] = (partial(_product, a, b), partial(_convolution, x, w))
        best = min(_time(call, setting, 20) for call in calls)
        found[f"{dtype}_tflops"] = 2 * n**3 / best / 1e9
    source = torch.zeros(elements, device=setting.device)
    target = torch.empty_like(source)
    found["copy_gb_s"] = 2 * 4 * elements / _time(lambda: (target.copy_(source),), setting, 20) / 1e6
    return {name: round(value, 3) for name, value in found.items()}


def _product(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor]:
    return (a @ b,)


def _convolution(x: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor]:
    return (F.conv2d(x, w),)


def _time(call: Call, setting: Setting, calls: int) -> float:
    """Milliseconds a call, the best of five bursts."""
    call()
    return min(_burst(call, setting, calls if setting.device == "cuda" else 1) for _ in range(5))


def _burst(call: Call, setting: Setting, calls: int) -> float:
    """Milliseconds a call of one burst."""
    if setting.device == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(calls):
            call()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / calls
    begun = time.perf_counter()
    for _ in range(calls):
        call()
    return 1e3 * (time.perf_counter() - begun) / calls


def floor_ms(multiplies: int, moved: int, dtype: str, found: dict[str, float]) -> float:
    """The least time by the measured ceilings."""
    return max(2 * multiplies / (found[f"{dtype}_tflops"] * 1e9), moved / (found["copy_gb_s"] * 1e6))


def row(layer: Layer, mode: str, dtype: str, setting: Setting) -> Callable[[dict[str, float]], Row]:
    """What measures a layer in a mode ("forward", "train") and a dtype."""

    def measured(found: dict[str, float]) -> Row:
        p = shrunken(layer.problem) if setting.tiny else layer.problem
        item = torch.empty((), dtype=getattr(torch, dtype)).element_size()
        moved = item * sum(math.prod(s) for s in (p.input_shape, p.weight_shape, p.output_shape))
        times = 1 if mode == "forward" else 3
        return Row(
            layer.name, mode, dtype,
            {"input": list(p.input_shape), "weight": list(p.weight_shape), "output": list(p.output_shape)},
            times * p.multiplies, times * moved, floor_ms(times * p.multiplies, times * moved, dtype, found),
            _kernel(p, dtype),
            _outcomes(*_layer_contenders(p, mode, dtype, setting), dtype, setting),
        )  # fmt: skip

    return measured


def _kernel(p: Problem, dtype: str) -> str:
    """The kernel that Triton runs for contiguous tensors."""
    return choose(p, dtype=dtype, tf32=triton_run.tf32()).algorithm


def shrunken(p: Problem) -> Problem:
    """A problem of the same kind, small enough for the interpreter."""
    kernel = tuple(k if k <= 4 else 4 + k % 2 for k in p.kernel)
    stride = tuple(k if k_ == s else min(s, 3) for k, k_, s in zip(kernel, p.kernel, p.stride, strict=True))
    padding = tuple(min(q, k // 2) for q, k in zip(p.padding, kernel, strict=True))
    output_padding = tuple(
        min(o, max(s, d) - 1) for o, s, d in zip(p.output_padding, stride, p.dilation, strict=True)
    )  # fmt: skip
    per_in, per_out = min(6, p.c_in // p.groups), min(6, p.c_out // p.groups)
    groups = min(p.groups, 3)
    return problem(
        (min(p.batch, 2), per_in * groups, *(min(3, h) for h in p.size)), (per_in * groups, per_out, *kernel),
        stride=stride, padding=padding, output_padding=output_padding, dilation=p.dilation, groups=groups,
    )  # fmt: skip


def _in_layout(t: torch.Tensor, layout: str) -> torch.Tensor:
    if layout == "first":
        return t.contiguous()
    return t.contiguous(memory_format=torch.channels_last if t.dim() == 4 else torch.channels_last_3d)


def _layer_contenders(
    p: Problem, mode: str, dtype: str, setting: Setting
) -> tuple[list[Contender], Callable[[], list[torch.Tensor]]]:
    """All that compute the layer, and what computes it in fp64."""
    torch.manual_seed(torch.seed() % 2**31)  # fresh inputs at every run
    case = cases.make(p, seed=int(torch.randint(2**31, ()).item()))
    typed = [t.to(setting.device, getattr(torch, dtype)) for t in (case.x, case.weight, case.bias)]
    gy = torch.randn(p.output_shape).to(setting.device, getattr(torch, dtype))
    keywords = case.keywords

    def exact() -> list[torch.Tensor]:
        x, w, b = (t.double() for t in typed)
        if mode == "forward":
            return [cases.aten(replace(case, x=x, weight=w, bias=b))]
        leaves = [t.requires_grad_() for t in (x, w, b)]
        y = cases.aten(replace(case, x=leaves[0], weight=leaves[1], bias=leaves[2]))
        return [y.detach(), *torch.autograd.grad(y, leaves, gy.double())]

    def theirs(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return cases.ATEN[p.rank](x, w, b, **keywords)

    def by(backend: str) -> Callable[..., torch.Tensor]:
        return lambda x, w, b: upweave.conv_transpose(x, w, b, **keywords, backend=backend)

    functions: dict[str, Callable[..., torch.Tensor]] = {"upweave": by("auto"), "triton": by("triton"), "cudnn": theirs}
    if setting.compile and mode == "forward":
        functions["compile"] = torch.compile(theirs, dynamic=False)
    found = []
    for layout in ("first", "last")[: 1 if p.rank == 1 else 2]:
        x, w, g = _in_layout(typed[0], layout), typed[1], _in_layout(gy, layout)
        for name, function in functions.items():
            weight = _in_layout(w, layout) if name in ("cudnn", "compile") else w
            found.append(Contender(name, layout, _bound(function, mode, x, weight, typed[2], g)))
    return found, exact


def _bound(function: Callable[..., torch.Tensor], mode: str, *operands: torch.Tensor) -> Call:
    x, w, b, gy = operands
    if mode == "forward":

        def forward() -> list[torch.Tensor]:
            with torch.no_grad():
                return [function(x, w, b)]

        return forward

    def train() -> list[torch.Tensor]:
        leaves = [t.detach().requires_grad_() for t in (x, w, b)]
        y = function(*leaves)
        return [y.detach(), *torch.autograd.grad(y, leaves, gy)]

    return train


def fold(channels: int, size: int, dtype: str, setting: Setting) -> Callable[[dict[str, float]], Row]:
    """What measures a nearest resize with a convolution, and its fold."""

    def measured(found: dict[str, float]) -> Row:
        c, n = (6, 3) if setting.tiny else (channels, size)
        x = torch.randn(1, c, n, n).to(setting.device, getattr(torch, dtype))
        w = (torch.randn(c, c, 3, 3) / math.sqrt(9 * c)).to(setting.device, getattr(torch, dtype))
        b = torch.randn(c).to(setting.device, getattr(torch, dtype))
        folded = folded_weight(w.double(), 2).to(w.dtype)
        p = problem(tuple(x.shape), tuple(folded.shape), stride=2, padding=1)

        def resized(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), w, b, padding=1)

        contenders = []
        functions: dict[str, Callable[..., torch.Tensor]] = {"cudnn": resized}
        if setting.compile:
            functions["compile"] = torch.compile(resized, dynamic=False)
        for layout in ("first", "last"):
            laid = _in_layout(x, layout)
            for name, function in functions.items():
                contenders.append(
                    Contender(name, layout, _bound(function, "forward", laid, _in_layout(w, layout), b, x))
                )
            for name, backend in (("upweave", "auto"), ("triton", "triton")):

                def ours(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor, backend: str = backend) -> torch.Tensor:
                    return upweave.conv_transpose(x, w, b, stride=2, padding=1, backend=backend)  # type: ignore[no-any-return]

                contenders.append(Contender(name, layout, _bound(ours, "forward", laid, folded, b, x)))
        item = x.element_size()
        moved = item * sum(math.prod(s) for s in (p.input_shape, p.weight_shape, p.output_shape))
        return Row(
            f"nearest_{channels}_{size}", "fold", dtype,
            {"input": list(p.input_shape), "weight": list(w.shape), "output": list(p.output_shape)},
            p.multiplies, moved, floor_ms(p.multiplies, moved, dtype, found),
            _kernel(p, dtype),
            _outcomes(contenders, lambda: [resized(x.double(), w.double(), b.double())], dtype, setting),
        )  # fmt: skip

    return measured


def folded_weight(w: torch.Tensor, s: int) -> torch.Tensor:
    """The transposed convolution's weight: flip(w) ∗ ones(s), (C_in, C_out, k + s − 1, k + s − 1)."""
    c_out, c_in, k, _ = w.shape
    found = w.new_zeros(c_in, c_out, k + s - 1, k + s - 1)
    turned = w.flip(2, 3).transpose(0, 1)
    for i in range(s):
        for j in range(s):
            found[:, :, i : i + k, j : j + k] += turned
    return found


def _outcomes(
    contenders: Sequence[Contender], exact: Callable[[], list[torch.Tensor]], dtype: str, setting: Setting
) -> tuple[Outcome, ...]:
    """Every contender checked, then those that are right timed in turns."""
    expected = exact()
    checked = [_checked(c, expected, dtype) for c in contenders]
    sound = [c for c, o in zip(contenders, checked, strict=True) if o is None]
    samples: dict[int, list[float]] = {id(c): [] for c in sound}
    calls: dict[int, int] = {}
    for c in sound:
        c.call()
        once = _burst(c.call, setting, 1)
        calls[id(c)] = max(1, min(50, math.ceil(2.0 / max(once, 1e-3)))) if setting.device == "cuda" else 1
    for _ in range(2 if setting.tiny else ROUNDS):
        for c in sound:
            samples[id(c)].append(_burst(c.call, setting, calls[id(c)]))
    found = []
    for c, outcome in zip(contenders, checked, strict=True):
        if outcome is None:
            s = spread(samples[id(c)])
            error = cases.relative_error(c.call(), expected)
            outcome = Outcome(
                c.name, c.layout, "ok", "", error, s.median, s.q1, s.q3, s.count * calls[id(c)]
            )  # fmt: skip
        found.append(outcome)
    return tuple(found)


def _checked(c: Contender, expected: list[torch.Tensor], dtype: str) -> Outcome | None:
    """None if the contender is right, else what is wrong with it."""
    limit = LIMITS[dtype]
    try:
        for t in expected:  # what is freed is given out again: an output that is not written whole shows NaN
            torch.full(t.shape, math.nan, dtype=getattr(torch, dtype), device=t.device)
        error = cases.relative_error(c.call(), expected)
    except Exception as problem:  # a contender's trouble is a result
        status = "cannot" if isinstance(problem, upweave.BackendError) else "failed"
        return Outcome(c.name, c.layout, status, f"{type(problem).__name__}: {problem}"[:300])
    if error <= limit:
        return None
    return Outcome(c.name, c.layout, "wrong", f"error {error:.3g}, limit {limit:g}", None if error != error else error)
