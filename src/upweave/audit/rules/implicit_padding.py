"""UW601 implicit-padding."""

from __future__ import annotations

from collections.abc import Iterator

from ...graph.ir import TransposedConvolution
from ..context import Context
from ..finding import Finding, Fix, Level
from ..plain import plain
from ..rule import Rule


class ImplicitPadding(Rule):
    """An ONNX ConvTranspose that leaves its padding to the runtime.

    ## What it finds
    `auto_pad` other than NOTSET, and `output_shape`, where runtimes are known to compute something else: they shift an
    odd crop by a sample, ignore the attribute, or refuse the node. The finding names them with their sources. A warning
    where the crop cannot be shared out evenly between the two sides, or output padding stands beside `auto_pad`; else a
    note.

    ## Why it is bad
    The same file gives another picture, or none, on another machine.

    ## Example
    `ConvTranspose(auto_pad="SAME_UPPER", kernel_shape=[3, 3], strides=[2, 2])`

    ## Use instead
    Write the paddings out: `pads=[0, 0, 1, 1]`.

    ## Fix safety
    Safe for the runtime whose reading is written down: outputs there stay the same.

    ## References
    - ONNX operators: ConvTranspose (auto_pad, output_shape, pads)
    - onnx/onnx issue 1609, microsoft/onnxruntime issues 4698 and 9370
    """

    code = "UW601"
    name = "implicit-padding"
    summary = "padding that runtimes compute differently"

    def check(self, context: Context) -> Iterator[Finding]:
        """Every transposed convolution whose file left something open."""
        for layer in context.layers:
            op = layer.resampler.node.op
            if not isinstance(op, TransposedConvolution) or not op.implicit:
                continue
            from ...graph.onnx.implicit import runtime_disagreements

            found = runtime_disagreements(op.implicit)
            if not found:
                continue
            said = ", ".join(f"{k} = {plain(op.implicit[k])}" for k in ("auto_pad", "output_shape") if k in op.implicit)
            first = "; ".join(f"{d.runtime} {d.does}" for d in found[:3])
            more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
            axes = op.spec.per_axis(layer.rank)
            pads = [a.begin for a in axes] + [a.end for a in axes]
            message = f"{said} leaves the padding to the runtime, and they differ: {first}{more}"
            moves = any(word in d.does for d in found for word in ("shift", "crop", "sides"))
            evidence = {
                "implicit": {k: plain(v) for k, v in op.implicit.items()},
                "pads": pads,
                "runtimes": [{"runtime": d.runtime, "does": d.does, "source": d.source} for d in found],
            }
            fix = Fix("safe", "write the resolved paddings out", f"pads={pads}")
            level = self.level if moves else Level.NOTE
            yield self.finding(
                layer.path, message, evidence=evidence, fix=fix, level=level, where=layer.where, node=layer.node
            )
