"""What a GPU can do at most, as far as a choice of blocks and a prediction need to know it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gpu:
    """Peaks in operations a second (a multiply-add is two) and bytes a second, from the data sheet.

    `matrix` maps what is multiplied ("bfloat16", "float16", "tf32") to the peak of the matrix units without sparsity;
    `vector` is fp32 without them. `launch` is the least time of a kernel, from launch to end, in seconds.
    """

    name: str
    units: int
    matrix: dict[str, float]
    vector: float
    bandwidth: float
    launch: float = 3e-6


H100 = Gpu(
    "H100 SXM", 132, {"bfloat16": 989e12, "float16": 989e12, "tf32": 495e12}, 67e12, 3.35e12
)  # fmt: skip
"""NVIDIA H100 SXM: the machine that plans are priced for unless another is named."""
