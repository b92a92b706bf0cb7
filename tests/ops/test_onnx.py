"""The ConvTranspose node tests that ship inside the onnx package, run by the operator itself."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
import pytest

import upweave
from tests.ops.close import assert_close
from upweave.ops.backends import REGISTRY, available_backends


def _cases() -> list[Any]:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [c for c in collect_testcases("ConvTranspose") if c.model.graph.node[0].op_type == "ConvTranspose"]


CASES = _cases()


def run(node: onnx.NodeProto, inputs: list[np.ndarray], backend: str) -> np.ndarray:
    """A ConvTranspose node: ONNX's attributes as the operator's arguments, and a crop where its pads are unequal."""
    at = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    x, weight = inputs[:2]
    d = x.ndim - 2
    ones, none = [1] * d, [0] * d
    stride, dilation = at.get("strides", ones), at.get("dilations", ones)
    more = at.get("output_padding", none)
    full = [
        s * (h - 1) + g * (k - 1) + 1 + o
        for s, h, g, k, o in zip(stride, x.shape[2:], dilation, weight.shape[2:], more, strict=True)
    ]
    auto = at.get("auto_pad", b"NOTSET").decode()
    if "output_shape" in at or auto.startswith("SAME"):
        wanted = at.get("output_shape") or [h * s for h, s in zip(x.shape[2:], stride, strict=True)]
        # an output longer than the full one ends in zeros, as with output padding
        more = [o + max(0, w - n) for o, w, n in zip(more, wanted[-d:], full, strict=True)]
        full = [max(n, w) for n, w in zip(full, wanted[-d:], strict=True)]
        total = [n - w for n, w in zip(full, wanted[-d:], strict=True)]
        half = [t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in total]
        pads = [*half, *(t - b for t, b in zip(total, half, strict=True))]
    else:
        pads = at.get("pads", [*none, *none])
    both = [min(b, e) for b, e in zip(pads[:d], pads[d:], strict=True)]
    y = upweave.conv_transpose(
        x, weight, *inputs[2:],
        stride=tuple(stride), padding=tuple(both), output_padding=tuple(more), dilation=tuple(dilation),
        groups=at.get("group", 1), backend=backend,
    )  # fmt: skip
    cut = (slice(b - m, n - m - e) for b, e, m, n in zip(pads[:d], pads[d:], both, full, strict=True))
    return y[(..., *cut)]


def test_every_case_is_here() -> None:
    """The count of onnx 1.23; a later package may have more, never fewer."""
    assert len(CASES) >= 11
    assert {c.data_sets[0][0][0].ndim for c in CASES} == {3, 4, 5}


@pytest.mark.parametrize("backend", ["auto", *REGISTRY])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_node(case: Any, backend: str) -> None:
    if why_not := available_backends().get(backend):
        pytest.skip(f"backend {backend}: {why_not}")
    inputs, outputs = case.data_sets[0]
    got = run(case.model.graph.node[0], list(inputs), backend)
    assert_close(got, outputs[0])
