"""Peer `onnxruntime`: ONNX Runtime's CPU provider."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..case import Case
from ..contender import CannotRun, Contender, peer


@peer(
    "onnxruntime",
    package="onnxruntime",
    fresh_output="a new NumPy array is bound as the output before every call; inner buffers stay in its arena",
)
def contenders(case: Case, threads: int) -> list[Contender]:
    """One ConvTranspose node, all graph optimisations, sequential, IO binding; threads that spin, as by default."""
    from .onnx_model import model

    try:
        made = session(model(case), threads)
    except Exception as error:  # its errors are of pybind11 classes without a public base
        raise CannotRun(str(error).splitlines()[0]) from error
    binding = made.io_binding()
    x = np.ascontiguousarray(case.x.numpy())
    binding.bind_input("x", "cpu", 0, np.float32, x.shape, x.ctypes.data)
    shape = case.problem.output_shape

    def call(x: np.ndarray = x) -> np.ndarray:  # the default holds the input's memory, which the binding only points to
        y = np.empty(shape, np.float32)
        binding.bind_output("y", "cpu", 0, np.float32, shape, y.ctypes.data)
        made.run_with_iobinding(binding)
        return y

    return [Contender("onnxruntime", "NCHW", True, call, lambda y: (torch.from_numpy(y),))]


def session(model: Any, threads: int) -> Any:
    """A session on a model with the settings that every measurement here uses."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
