"""A case as an ONNX model of one node, for the peers that read ONNX."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper, numpy_helper

from ..case import Case


def model(case: Case) -> onnx.ModelProto:
    """One ConvTranspose node, weight and bias as initialisers, shapes fixed; opset 17."""
    p = case.problem
    node = helper.make_node(
        "ConvTranspose", ["x", "weight", "bias"], ["y"],
        kernel_shape=p.kernel, strides=p.stride, pads=(*p.padding, *p.padding), output_padding=p.output_padding,
        dilations=p.dilation, group=p.groups,
    )  # fmt: skip
    graph = helper.make_graph(
        [node], "case",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, p.input_shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, p.output_shape)],
        [numpy_helper.from_array(t.numpy(), n) for n, t in (("weight", case.weight), ("bias", case.bias))],
    )  # fmt: skip
    # Opset and IR of 2022: every runtime reads them, and ConvTranspose did not change since.
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made
