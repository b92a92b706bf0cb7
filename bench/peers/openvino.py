"""Peer `openvino`: OpenVINO's CPU plugin."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..case import Case
from ..contender import CannotRun, Contender, peer

LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}


@peer(
    "openvino",
    package="openvino",
    fresh_output="a new NumPy array is set as the request's output tensor before every call",
)
def contenders(case: Case, threads: int) -> list[Contender]:
    """The ONNX model compiled for latency, one stream, precision f32; tensors in NCHW or NHWC."""
    import openvino as ov

    from .onnx_model import model

    found, trouble = [], []
    read = ov.Core().read_model(model(case).SerializeToString())
    for channels_last in (False, True):
        try:
            found.append(_compiled(ov, read, case, threads, channels_last))
        except RuntimeError as error:
            trouble.append(str(error).strip().splitlines()[-1])
    if not found:
        raise CannotRun("; ".join(trouble))
    return found


def _compiled(ov: Any, read: Any, case: Case, threads: int, channels_last: bool) -> Contender:
    first, last = LAYOUTS[case.problem.rank]
    network = read.clone()
    x, shape = case.x.numpy(), case.problem.output_shape
    if channels_last:
        steps = ov.preprocess.PrePostProcessor(network)
        for end in (steps.input(), steps.output()):
            end.tensor().set_layout(ov.Layout(last))
            end.model().set_layout(ov.Layout(first))
        network = steps.build()
        x, shape = np.ascontiguousarray(np.moveaxis(x, 1, -1)), (shape[0], *shape[2:], shape[1])
    compiled = ov.Core().compile_model(network, "CPU", settings(threads))
    request = compiled.create_infer_request()
    request.set_input_tensor(ov.Tensor(x, shared_memory=True))

    def call(x: np.ndarray = x) -> np.ndarray:  # the default holds the input's memory
        y = np.empty(shape, np.float32)
        request.set_output_tensor(ov.Tensor(y, shared_memory=True))
        request.infer()
        return y

    def tensors(y: np.ndarray) -> tuple[torch.Tensor, ...]:
        found = torch.from_numpy(y)
        return (found.movedim(-1, 1) if channels_last else found,)

    return Contender("openvino", last if channels_last else first, not channels_last, call, tensors)


def settings(threads: int) -> dict[str, Any]:
    """The settings that every measurement here uses."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",  # else a machine with AMX or AVX512_BF16 computes in bf16
        "ENABLE_CPU_PINNING": False,  # pinning would bind the calling thread too, and with it every other peer
    }
