"""What a GPU can do at most, as far as a choice of blocks and a prediction need to know it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gpu:
    """Peaks in operations a second (a multiply-add is two) and bytes a second, from the data sheet.

    `half` and `tf32` are those of the matrix units, without sparsity, for bfloat16 and float16 and for TF32; `vector`
    is fp32 without them. `launch` is the least time of a kernel, from launch to end, in seconds.
    """

    name: str
    units: int
    half: float
    tf32: float
    vector: float
    bandwidth: float
    launch: float = 3e-6

    def peak(self, dtype: str, tf32: bool) -> float:
        """Operations a second on values of a dtype; what matrix units do not take runs on the vector units."""
        if dtype in ("bfloat16", "float16"):
            return self.half
        if dtype == "float32" and tf32:
            return self.tf32
        return self.vector / (2 if dtype == "float64" else 1)


H100 = Gpu("H100 SXM", 132, 989e12, 495e12, 67e12, 3.35e12)
"""NVIDIA H100 SXM: the machine that plans are priced for unless another is named."""
