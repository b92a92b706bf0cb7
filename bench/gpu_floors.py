"""`docs/performance-gpu.md`: the floor of every core row on a GPU, the kernel that runs it, what that should take.

From the data sheet of an H100 and from nothing else: predictions, which measurements will prove wrong or right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from upweave.ops.triton.choice import ITEM, Choice
from upweave.ops.triton.choose import choose, expected_of
from upweave.ops.triton.machine import H100, Gpu

from .layers import Layer

DTYPES = ("bfloat16", "float32")

HEAD = """\
# How the Triton kernels should run

<!-- Written by `python -m bench report` from bench/gpu_floors.py. Change that, not this. -->

**No time has been measured on a GPU yet.** Every kernel is tested against fp64 in Triton's interpreter, and compiled for
compute capabilities 8.0 and 9.0 and for AMD's gfx942 without spilling registers; that says nothing about speed. This page
writes down what an {name} allows, what the kernels should take by their own arithmetic, and what to look at first when
they can be measured (`python bench/gpu.py`).

## The floor

    max( 2 · multiplies / peak,   bytes of x, weight and y / bandwidth,   launches · {launch:.0f} µs )

with the data sheet's peaks: {bf16:.0f} Tflop/s of dense bfloat16, {tf32:.0f} of TF32, {fp32:.0f} of fp32 without matrix units,
{bandwidth:.2f} TB/s. Nobody meets them: a good matrix product reaches some 70 % of the first, a copy 90 % of the last.
`bench/gpu.py` measures both and sets its rows against what it measured.

## What the kernels do beyond it

| | where | in the prediction |
|---|---|---|
| padding of tiles | few channels, few positions, phases that are no power of two | yes |
| partial waves | fewer programs than {units} units, or few more | yes |
| a copy of the input with its channels last | 16-bit values, channels first, more than one channel block | yes: read and written once more |
| a copy of the weight with its taps first | phase_gemm and strided_gemm with many positions | yes: read and written once more |
| partial sums of the weight's gradient | always, if it is split | yes: fp32, written and read |
| inputs that are loaded again, for each tap, by each tile of channels | everywhere | no: they should come from the second-level cache |
| half-empty sectors of channels-first stores | strides that are no power of two | no |

## Predictions

Forward, contiguous tensors, no activation; fp32 rounded to TF32 as PyTorch's convolutions do by default. *Share* is floor
over prediction; *auto* is what `backend="auto"` takes where it may not measure.

"""

TAIL = """
## What to look at first

- *Is a copy into channels-last order cheaper than unaligned loads?* For 16-bit values in channels-first order a row that
  is shifted by one sample is aligned to two bytes, and an asynchronous copy takes four. `input_last` decides it.
- *Are lines written whole?* phase_gemm turns its tile in shared memory so that all phases of a piece of a line leave in
  one store; the alternative, one phase at a time, leaves the merging to the second-level cache.
- *How much do the taps share?* Each tap loads its shifted rows anew. If the second-level cache is the limit, rows with a
  halo in shared memory are the next step; Triton cannot index shared memory, so that step needs another language.
- *Does the choice between cuDNN and these kernels hold?* `expected` in `ops/triton/choose.py` is a list of where cuDNN is
  known to be weak, not a measurement. Where a call may measure, cuDNN is one of the candidates and nothing is lost.
- *Does the first call stay under two seconds?* Compiling one kernel took 0.2 to 1.2 s on a server's core.

## Known limits

- An infinite or NaN *weight* makes NaN of border outputs that the definition keeps finite: masked inputs are zeros, and
  zero times infinity is NaN. Infinite or NaN inputs go where they should, but for the weight's gradient at borders.
- The weight is arranged anew at each call that wants it so. Keeping the copy would need to notice writes through
  `weight.data`, which cost a synchronisation on a GPU.
- Dilated layers with more than 64 combinations of phase groups are left to PyTorch.
- GPUs older than compute capability 8.0 are left to PyTorch. AMD's are compiled for, and have never run.
"""


@dataclass(frozen=True)
class Prediction:
    """One row in one dtype: the floor and what the chosen kernel should take, in µs."""

    layer: Layer
    dtype: str
    floor_us: float
    choice: Choice
    auto: str

    @property
    def share(self) -> float:
        """Floor over prediction."""
        return self.floor_us / (self.choice.seconds * 1e6)


def predict(layer: Layer, dtype: str, gpu: Gpu = H100) -> Prediction:
    """The floor of a layer in a dtype, the kernel for it, and its price."""
    p = layer.problem
    moved = ITEM[dtype] * sum(math.prod(s) for s in (p.input_shape, p.weight_shape, p.output_shape))
    seconds = max(2 * p.multiplies / gpu.peak(dtype, True), moved / gpu.bandwidth, gpu.launch)
    found = choose(p, dtype=dtype, tf32=True, gpu=gpu)
    auto = "triton" if expected_of(p, dtype, True) else "torch"
    return Prediction(layer, dtype, seconds * 1e6, found, auto)


def page(layers: tuple[Layer, ...], gpu: Gpu = H100) -> str:
    """The page's text."""
    lines = [
        "| row | Gflop | MB, bf16 | kernel | auto | floor µs, bf16 | predicted | share | floor µs, TF32 | predicted | share |",
        "|---|---:|---:|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for layer in layers:
        half, full = (predict(layer, dtype, gpu) for dtype in DTYPES)
        cells = [
            layer.name,
            f"{2e-9 * layer.problem.multiplies:.3g}",
            f"{layer.bytes / 2e6:.3g}",
            half.choice.algorithm,
        ]
        cells.append(half.auto)
        for p in (half, full):
            cells += [f"{p.floor_us:.3g}", f"{p.choice.seconds * 1e6:.3g}", f"{p.share:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    head = HEAD.format(
        name=gpu.name, launch=gpu.launch * 1e6, bf16=gpu.half / 1e12, tf32=gpu.tf32 / 1e12,
        fp32=gpu.vector / 1e12, bandwidth=gpu.bandwidth / 1e12, units=gpu.units,
    )  # fmt: skip
    return head + "\n".join(lines) + "\n" + TAIL
