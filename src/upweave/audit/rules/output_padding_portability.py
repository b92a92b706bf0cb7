"""UW602 output-padding-portability."""

from __future__ import annotations

from collections.abc import Iterator

from ...graph.ir import TransposedConvolution
from ..axes import axes_of, code_of, say, widened_spec
from ..context import Context
from ..finding import Finding, Fix, Level
from ..rule import Rule

RUNTIMES = (
    (
        "ExecuTorch XNNPACK before March 2026",
        "left the layer to slower kernels",
        "https://github.com/pytorch/executorch/pull/18185",
    ),
    ("ExecuTorch Core ML (2025)", "failed to lower it", "https://github.com/pytorch/executorch/issues/11705"),
    ("Torch-TensorRT before 2025", "failed to convert it", "https://github.com/pytorch/TensorRT/issues/3344"),
    ("RTen before August 2025", "did not support it", "https://github.com/robertknight/rten/pull/853"),
    ("MACE", "does not support it", "https://github.com/XiaoMi/mace/issues/441"),
)


class OutputPaddingPortability(Rule):
    """A transposed convolution with output padding, which some runtimes cannot run.

    ## What it finds
    `output_padding` above 0. One note for the whole model, with the layers and, where it is simple, a layer without
    output padding that gives the same outputs.

    ## Why it is bad
    Several converters and mobile runtimes refuse the layer or hand it to a slow fallback, some to this day.

    ## Example
    ```python
    nn.ConvTranspose2d(64, 32, kernel_size=3, stride=2, padding=1, output_padding=1)
    ```

    ## Use instead
    ```python
    nn.ConvTranspose2d(64, 32, kernel_size=4, stride=2, padding=1)
    ```

    ## Fix safety
    Safe where a widened kernel (zero taps appended) absorbs the output padding: the same outputs.

    ## References
    - pytorch/executorch pull request 18185 and issue 11705; pytorch/TensorRT issue 3344
    - robertknight/rten pull request 853; XiaoMi/mace issue 441
    """

    code = "UW602"
    name = "output-padding-portability"
    level = Level.NOTE
    summary = "output padding, which some runtimes lack"

    def check(self, context: Context) -> Iterator[Finding]:
        """All transposed convolutions with output padding together."""
        found = []
        for layer in context.layers:
            op = layer.resampler.node.op
            if isinstance(op, TransposedConvolution) and any(a.output_padding for a in axes_of(op.spec, layer.rank)):
                found.append((layer, op.spec))
        if not found:
            return
        layer, spec = found[0]
        wide = widened_spec(layer)
        fix = Fix("display", "choose a kernel and padding that give the size without output padding")
        if wide is not None and not any(a.output_padding for a in axes_of(wide, layer.rank)):
            line = code_of(layer, wide, context.graph.framework)
            fix = Fix("safe", f"a kernel widened with zero taps needs none: {say(wide)}", line)
        paths = list(dict.fromkeys(x.path for x, _ in found))
        many = f"{len(paths)} layers have" if len(paths) > 1 else "the layer has"
        names = ", ".join(r for r, _, _ in RUNTIMES[:3])
        message = f"{many} output padding ({say(spec)}), which some runtimes lack: {names} and others"
        evidence = {"layers": paths, "runtimes": [{"runtime": r, "does": d, "source": s} for r, d, s in RUNTIMES]}
        yield self.finding(layer.path, message, evidence=evidence, fix=fix, where=layer.where, node=layer.node)
