"""Tensors in, a launch, tensors out: the kernels on real memory.

Tensors of any strides are read in place. What is allocated is the output, for split sums their parts in fp32, and the
copies that a choice asks for. Launches go to the current stream of the tensors' device and wait for nothing, so that
they can be captured in a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..problem import Problem
from ..torch.layout import empty, is_channels_last
from .available import interpreted
from .choice import Choice, Direction
from .choose import choose
from .phases import Axis
from .tables import axes_of, long_tiles, rows_of, tiles

WIDE_FROM = 2**31 - 1
"""Tensors that span more elements than this are addressed with 64 bits."""

_NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}
_Three = tuple[int, int, int]


def tf32() -> bool:
    """True where PyTorch's own convolutions may round fp32 factors to TF32, by whichever setting it goes."""
    conv = getattr(torch.backends.cudnn, "conv", None)
    if conv is not None and hasattr(conv, "fp32_precision"):  # PyTorch 2.9 and later
        return str(conv.fp32_precision) == "tf32"
    return bool(torch.backends.cudnn.allow_tf32)


def default(p: Problem, direction: Direction, x: torch.Tensor) -> Choice:
    """The choice for tensors like `x`, the operand that positions belong to, without measuring."""
    return choose(p, direction, dtype=_NAMES[x.dtype], channels_last=is_channels_last(x), tf32=tf32())


def forward(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, p: Problem,
    activation: str = "none", slope: float = 0.01, choice: Choice | None = None, wide: bool = False,
) -> torch.Tensor:  # fmt: skip
    """activation(T(x, weight) + bias) in the memory format of x. `wide` forces 64-bit addresses."""
    y = empty(x, p.output_shape, is_channels_last(x))
    forward_into(y, x, weight, bias, p, activation, slope, choice, wide)
    return y


def forward_into(
    y: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, p: Problem,
    activation: str = "none", slope: float = 0.01, choice: Choice | None = None, wide: bool = False,
) -> None:  # fmt: skip
    """The same into `y`, of any strides."""
    if y.numel() == 0:
        return
    c = default(p, "forward", x) if choice is None else choice
    if bias is not None:
        bias = bias.contiguous()
    _KERNELS[c.algorithm](y, x, weight, bias, p, "forward", activation, float(slope), c, wide)


def grad_input(
    gy: torch.Tensor, weight: torch.Tensor, p: Problem, choice: Choice | None = None, wide: bool = False
) -> torch.Tensor:
    """G(gy, weight), the strided convolution, in the memory format of gy."""
    gx = empty(gy, p.input_shape, is_channels_last(gy))
    if gx.numel():
        c = default(p, "grad_input", gy) if choice is None else choice
        # the same kernels, the channels in exchanged roles
        _KERNELS[c.algorithm](gx, gy, weight.transpose(0, 1), None, p, "grad_input", "none", 0.0, c, wide)
    return gx


def grad_weight(
    x: torch.Tensor, gy: torch.Tensor, p: Problem, choice: Choice | None = None, wide: bool = False
) -> torch.Tensor:
    """W(x, gy), contiguous; bit for bit the same at every call with the same choice."""
    if p.batch == 0:
        return x.new_zeros(p.weight_shape)
    c = default(p, "grad_weight", x) if choice is None else choice
    gw = x.new_empty(p.weight_shape)
    rows, weights = rows_of(p, "grad_input"), gw.numel()
    steps = -(-rows // c.k)
    per_split = -(-steps // c.splits) * c.k  # whole steps
    splits = -(-rows // per_split)
    partial = gw if splits == 1 else torch.empty((splits, weights), dtype=torch.float32, device=x.device)
    wide = wide or _wide(x, gy, partial)
    last = is_channels_last(x)
    c_in, c_out = p.c_in // p.groups, p.c_out // p.groups
    taps = _volume(p.kernel)
    numbers: dict[str, Any] = {
        "CI": c_in, "CO": c_out, "K": _pad(p.kernel, 1), "S": _pad(p.stride, 1), "P": _pad(p.padding, 0),
        "D": _pad(p.dilation, 1), "WIDE": wide, "num_warps": c.warps, "num_stages": c.stages,
    }  # fmt: skip
    shared = (x, gy, partial, strides(x), strides(gy), _pad(p.size, 1), _pad(p.out, 1), rows, per_split, weights)
    if c.algorithm == "split_k":
        from .kernels.split_k import split_k

        tiles_m, tiles_n = -(-c_in // c.m), -(-c_out * taps // c.n)
        _launch(
            split_k, tiles_m * tiles_n * p.groups * splits, *shared, GROUPED=p.groups, TILES_M=tiles_m, TILES_N=tiles_n,
            BM=c.m, BN=c.n, BK=c.k, LAST=last, **_product(x), **numbers,
        )  # fmt: skip
    else:
        from .kernels.split_stencil import split_stencil

        pairs, wide_c = p.c_in * c_out, c.n // c.phases
        tiles_c, tiles_t = -(-pairs // wide_c), -(-taps // c.phases)
        _launch(
            split_stencil, tiles_c * tiles_t * splits, *shared, PAIRS=pairs, TILES_C=tiles_c, TILES_T=tiles_t,
            BC=wide_c, BT=c.phases, BK=c.k, **numbers,
        )  # fmt: skip
    if splits > 1:
        from .kernels.sum_partials import sum_partials

        _launch(sum_partials, -(-weights // 1024), partial, gw, weights, splits, B=1024, WIDE=wide)
    return gw


def _gemm(
    y: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, p: Problem,
    direction: Direction, activation: str, slope: float, c: Choice, wide: bool,
) -> None:  # fmt: skip
    from .kernels.phase_gemm import phase_gemm

    axes, writes = axes_of(p, direction), y.shape[1] // p.groups
    table = tiles(axes, writes, c.n // c.phases, c.phases)
    rows = rows_of(p, direction)
    x = _channels_last(x) if c.input_last else x
    w = _tap_major(weight) if c.tap_major else weight
    _launch(
        phase_gemm, table[-1][0] * p.groups * -(-rows // c.m),
        x, w, y if bias is None else bias, y, strides(x), _weight_strides(w, p, direction), strides(y),
        _pad(_spatial(x), 1), _pad(_spatial(y), 1), _positions(axes), rows, slope,
        CI=x.shape[1] // p.groups, CO=writes, GROUPED=p.groups, AXES=_numbers(axes), GROUPS=table[:-1],
        TILES=table[-1][0], BM=c.m, BO=c.n // c.phases, BF=c.phases, BK=c.k,
        XLAST=_last(x), YLAST=is_channels_last(y), WIDE=wide or _wide(x, w, y),
        **_epilogue(bias, activation), **_product(x), num_warps=c.warps, num_stages=c.stages,
    )  # fmt: skip


def _shuffle(
    y: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, p: Problem,
    direction: Direction, activation: str, slope: float, c: Choice, wide: bool,
) -> None:  # fmt: skip
    from .kernels.shuffle_gemm import shuffle_gemm

    last, rows, writes = is_channels_last(y), rows_of(p, direction), p.c_out // p.groups
    w = weight.movedim(1, -1).contiguous() if last else weight.contiguous()
    table = -(-writes * _volume(p.kernel) // c.n)
    _launch(
        shuffle_gemm, table * p.groups * -(-rows // c.m),
        x, w, y if bias is None else bias, y, strides(x), w.stride(0), strides(y), _pad(p.size, 1), rows, slope,
        CI=p.c_in // p.groups, CO=writes, GROUPED=p.groups, K=_pad(p.kernel, 1), TILES=table,
        LINE=1 if last else c.phases, BM=c.m, BN=c.n, BK=c.k, XLAST=_last(x), LAST=last, WIDE=wide or _wide(x, w, y),
        **_epilogue(bias, activation), **_product(x), num_warps=c.warps, num_stages=c.stages,
    )  # fmt: skip


def _few(
    y: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, p: Problem,
    direction: Direction, activation: str, slope: float, c: Choice, wide: bool,
) -> None:  # fmt: skip
    from .kernels.few_outputs import few_outputs

    axes, rows, writes = axes_of(p, direction), rows_of(p, direction), p.c_out // p.groups
    line = c.phases
    table = -(-writes * _volume(p.stride[:-1]) * line // c.n)
    _launch(
        few_outputs, table * p.groups * -(-rows // c.m),
        x, weight, y if bias is None else bias, y, strides(x), _weight_strides(weight, p, direction), strides(y),
        _pad(p.size, 1), _pad(p.out, 1), _positions(axes), rows, slope,
        CI=p.c_in // p.groups, CO=writes, GROUPED=p.groups, K=_pad(p.kernel, 1), S=_pad(p.stride, 1),
        P=_pad(p.padding, 0), TILES=table, LINE=line, BM=c.m, BN=c.n, BK=c.k, XLAST=_last(x),
        WIDE=wide or _wide(x, weight, y), **_epilogue(bias, activation), **_product(x),
        num_warps=c.warps, num_stages=c.stages,
    )  # fmt: skip


def _long(
    y: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, p: Problem,
    direction: Direction, activation: str, slope: float, c: Choice, wide: bool,
) -> None:  # fmt: skip
    from .kernels.long_kernel import long_kernel

    table, rows = long_tiles(p, c.n), rows_of(p, direction)
    x = _channels_last(x) if c.input_last else x
    _launch(
        long_kernel, table[-1][0] * p.groups * -(-rows // c.m),
        x, weight, y if bias is None else bias, y, x.stride(), weight.stride(), y.stride(),
        p.size[0], p.out[0], axes_of(p, direction)[2].positions, rows, slope,
        CI=p.c_in // p.groups, CO=p.c_out // p.groups, GROUPED=p.groups, S=p.stride[0], P=p.padding[0],
        GROUPS=table[:-1], TILES=table[-1][0], BM=c.m, BN=c.n, BK=c.k, XLAST=_last(x),
        WIDE=wide or _wide(x, weight, y), **_epilogue(bias, activation), **_product(x),
        num_warps=c.warps, num_stages=c.stages,
    )  # fmt: skip


def _stencil(
    y: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, p: Problem,
    direction: Direction, activation: str, slope: float, c: Choice, wide: bool,
) -> None:  # fmt: skip
    from .kernels.stencil import stencil

    axes, rows, channels = axes_of(p, direction), rows_of(p, direction), y.shape[1]
    table = tiles(axes, channels, c.n // c.phases, c.phases)
    _launch(
        stencil, table[-1][0] * -(-rows // c.m),
        x, weight, y if bias is None else bias, y, strides(x), _weight_strides(weight, p, direction), strides(y),
        _pad(_spatial(x), 1), _pad(_spatial(y), 1), _positions(axes), rows, slope,
        CI=x.shape[1] // p.groups, CO=channels // p.groups, CHANNELS=channels, AXES=_numbers(axes),
        GROUPS=table[:-1], TILES=table[-1][0], BM=c.m, BC=c.n // c.phases, BF=c.phases,
        WIDE=wide or _wide(x, weight, y), **_epilogue(bias, activation), num_warps=c.warps, num_stages=c.stages,
    )  # fmt: skip


_KERNELS: dict[str, Callable[..., None]] = {
    "phase_gemm": _gemm,
    "strided_gemm": _gemm,
    "shuffle_gemm": _shuffle,
    "few_outputs": _few,
    "long_kernel": _long,
    "stencil": _stencil,
    "strided_stencil": _stencil,
}


def _launch(kernel: Any, programs: int, *args: Any, **constants: Any) -> None:
    """Run the kernel on the device of its first tensor and that device's current stream."""
    x: torch.Tensor = args[0]
    if x.is_cuda:
        with torch.cuda.device(x.device):
            kernel[(programs,)](*args, **constants)
    else:
        kernel[(programs,)](*args, **constants)


def _product(x: torch.Tensor) -> dict[str, Any]:
    """How factors are multiplied. The interpreter knows neither TF32 nor products of bfloat16."""
    return {
        "PREC": "tf32" if x.dtype is torch.float32 and tf32() and not interpreted() else "ieee",
        "UPCAST": interpreted() and x.dtype is not torch.float32,
    }


def _epilogue(bias: torch.Tensor | None, activation: str) -> dict[str, Any]:
    return {"BIAS": bias is not None, "ACT": activation}


def strides(t: torch.Tensor) -> tuple[int, ...]:
    """(batch, channel, axis 1, axis 2, axis 3); axes that are not there have stride 0."""
    batch, channel, *spatial = t.stride()
    return (batch, channel, *_pad(tuple(spatial), 0))


def _weight_strides(w: torch.Tensor, p: Problem, direction: Direction) -> tuple[int, ...]:
    """(channel read, channel written, tap 1, tap 2, tap 3, group): the weight's groups lie along its input channels."""
    along = w.stride(0 if direction == "forward" else 1)
    return (*strides(w), p.c_in // p.groups * along)


def _channels_last(x: torch.Tensor) -> torch.Tensor:
    """A copy with the channels last in memory, unless they are."""
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


def _tap_major(w: torch.Tensor) -> torch.Tensor:
    """(C_read, C_written, k…) ordered in memory as (k…, C_read, C_written): a tile of a tap is whole lines."""
    rank = w.dim() - 2
    return w.permute(*range(2, rank + 2), 0, 1).contiguous().permute(rank, rank + 1, *range(rank))


def _last(x: torch.Tensor) -> bool:
    """True if neighbouring channels are neighbours in memory."""
    return x.stride(1) == 1 and x.stride(-1) != 1


def _spatial(t: torch.Tensor) -> tuple[int, ...]:
    return tuple(t.shape[2:])


def _pad(values: tuple[int, ...], unit: int) -> _Three:
    """The last axes' values with `unit` in front, three in all."""
    a, b, c = (unit,) * (3 - len(values)) + tuple(values)
    return a, b, c


def _positions(axes: tuple[Axis, Axis, Axis]) -> _Three:
    return axes[0].positions, axes[1].positions, axes[2].positions


def _numbers(axes: tuple[Axis, Axis, Axis]) -> tuple[tuple[int, ...], ...]:
    return tuple(a.numbers for a in axes)


def _volume(values: tuple[int, ...]) -> int:
    found = 1
    for v in values:
        found *= v
    return found


def _wide(*tensors: torch.Tensor) -> bool:
    """True if an offset into one of the tensors may need more than 32 bits."""
    return any(
        sum((n - 1) * abs(s) for n, s in zip(t.shape, t.stride(), strict=True)) >= WIDE_FROM or t.numel() >= WIDE_FROM
        for t in tensors
    )
