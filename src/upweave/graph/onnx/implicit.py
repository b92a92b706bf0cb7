"""What ConvTranspose's `auto_pad` and `output_shape` leave to the runtime, and how runtimes differ.

Both attributes let the runtime compute the crop: total = s(H−1) + o + d(k−1) + 1 − out, shared out between the two
sides. Where the total is odd, one side gets a sample more, and which one it is shifts the whole output by a pixel.

Verified by running ONNX 1.23.2 (shape inference, reference implementation) and ONNX Runtime 1.32.0 (CPU), k = 3,
s = 2, H = 5, so total = 1:

    attributes                        ONNX Runtime        reference           shape inference
    SAME_UPPER, every opset           10, crop at end     10, crop at end     10
    SAME_LOWER, every opset           10, crop at begin   10, crop at begin   10
    SAME_UPPER and output_padding 1   10, crop 1 and 1    10, crop 1 and 1    11
    SAME_UPPER, k = 2, s = 3          14 (no padding)     15 (a zero before)  14
    output_shape 10, no auto_pad      10, crop at begin   fails               10
    output_shape 12 (full is 11)      12, zero at end     12, zero at end     12
    output_shape 13 (full is 11)      refused             fails               13

Read in sources and threads:

* The operator's text contradicted itself up to opset 10 (the formula put the odd sample at the beginning for
  SAME_UPPER, the attribute's text at the end): https://github.com/onnx/onnx/issues/1609, fixed in opset 11.
* ONNX Runtime had the two modes exchanged against that text:
  https://github.com/microsoft/onnxruntime/issues/9370, https://github.com/microsoft/onnxruntime/pull/8769; before
  1.5 it ignored auto_pad: https://github.com/microsoft/onnxruntime/issues/4698 (reported on 1.4).
* auto_pad together with output_padding is undecided: https://github.com/onnx/onnx/issues/4299,
  https://github.com/microsoft/onnxruntime/issues/11927.
* OpenVINO took auto_pad without output_shape as no padding until late 2025:
  https://github.com/openvinotoolkit/openvino/pull/32608.
* TVM's Relax importer dropped auto_pad until April 2026 and still drops output_shape:
  https://github.com/apache/tvm/pull/19450.
* MIGraphX learned auto_pad in 2026: https://github.com/ROCm/AMDMIGraphX/pull/4638.
* torch-mlir (IREE) refuses the asymmetric crop that an odd total needs: https://github.com/llvm/torch-mlir/pull/3797.
* Barracuda (Unity) ignores output_shape: https://github.com/Unity-Technologies/barracuda-release/issues/244.
* Ascend CANN supports neither SAME mode, and no output_shape beyond the natural size:
  https://www.hiascend.com/document/detail/zh/canncommercial/601/oplist/fwoperator/atlasoxol_09_0033.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Disagreement(NamedTuple):
    """One runtime that may compute something else: its name, what it does, and where that is written."""

    runtime: str
    does: str
    source: str


_ORT = "https://github.com/microsoft/onnxruntime/"


def runtime_disagreements(implicit: Mapping[str, Any]) -> list[Disagreement]:
    """The runtimes that read a ConvTranspose differently, given its `TransposedConvolution.implicit`.

    `implicit` may hold auto_pad; output_shape (if the node sets it); total_padding, the crop on each axis (negative
    where the output is longer than the taps reach); short, by how much k < s leaves SAME outputs short of s·H; and
    output_padding. Empty if nothing is left to the runtime, or if all agree (auto_pad VALID).
    """
    mode = str(implicit.get("auto_pad", "NOTSET"))
    sized = "output_shape" in implicit
    same = mode.startswith("SAME")
    if not same and not sized:
        return []
    totals: tuple[int, ...] = tuple(implicit.get("total_padding", ()))
    odd = any(t > 0 and t % 2 for t in totals)
    cropped = any(t > 0 for t in totals)
    found: list[Disagreement] = []
    if odd and same:
        side, other = ("end", "beginning") if mode == "SAME_UPPER" else ("beginning", "end")
        found.append(
            Disagreement(
                "older ONNX Runtime",
                f"crops the odd sample at the {other}, newer ones at the {side}: a shift by one pixel",
                _ORT + "issues/9370",
            )
        )
        found.append(
            Disagreement(
                "ONNX before opset 11",
                "has a formula and an attribute text that name opposite sides",
                "https://github.com/onnx/onnx/issues/1609",
            )
        )
    if odd:
        found.append(Disagreement("torch-mlir / IREE", "refuses a crop that differs between the two sides", _MLIR))
    if odd and not same:
        found.append(
            Disagreement(
                "ONNX reference implementation",
                "fails on output_shape without pads (ONNX Runtime crops the odd sample at the beginning)",
                "onnx 1.23.2, onnx/reference/ops/op_conv_transpose.py, run",
            )
        )
    if same and not sized and cropped:
        found += [
            Disagreement("ONNX Runtime up to 1.4", "ignores auto_pad: a larger output", _ORT + "issues/4698"),
            Disagreement("OpenVINO before late 2025", "takes auto_pad as no padding: a larger output", _OPENVINO),
            Disagreement("TVM before April 2026", "drops auto_pad: a larger output", _TVM),
        ]
    if same:
        found.append(Disagreement("MIGraphX before 2026", "does not support auto_pad", _MIGRAPHX))
        found.append(Disagreement("Ascend CANN 6", "does not support SAME_UPPER and SAME_LOWER", _CANN))
    if same and any(implicit.get("output_padding", ())):
        found.append(
            Disagreement(
                "ONNX shape inference",
                "adds output_padding to s·H, while ONNX Runtime keeps s·H and crops more",
                "https://github.com/onnx/onnx/issues/4299",
            )
        )
    if same and any(implicit.get("short", ())):
        found.append(
            Disagreement(
                "ONNX reference implementation",
                "pads to s·H, while ONNX Runtime leaves the output short, since the kernel is shorter than the stride",
                "onnx 1.23.2 and onnxruntime 1.32.0, run",
            )
        )
    if sized:
        found.append(Disagreement("TVM (Relax)", "ignores output_shape", _TVM))
        found.append(Disagreement("Unity Barracuda", "ignores output_shape", _BARRACUDA))
    if any(t < 0 for t in totals):
        found.append(
            Disagreement(
                "ONNX Runtime",
                "refuses an output_shape that is max(stride, dilation) or more longer than the taps reach",
                "onnxruntime 1.32.0, run",
            )
        )
        found.append(Disagreement("Ascend CANN 6", "refuses an output_shape beyond the natural size", _CANN))
    return found


_MLIR = "https://github.com/llvm/torch-mlir/pull/3797"
_OPENVINO = "https://github.com/openvinotoolkit/openvino/pull/32608"
_TVM = "https://github.com/apache/tvm/pull/19450"
_MIGRAPHX = "https://github.com/ROCm/AMDMIGraphX/pull/4638"
_BARRACUDA = "https://github.com/Unity-Technologies/barracuda-release/issues/244"
_CANN = "https://www.hiascend.com/document/detail/zh/canncommercial/601/oplist/fwoperator/atlasoxol_09_0033.html"
