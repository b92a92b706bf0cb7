"""Half-pixel interpolation by an integer factor: which samples an output reads, and with which weights.

Output m of a resize by s stands at input position (m + ½)/s − ½ = c + f, with c whole and 0 ≤ f < 1:

    nearest   x[⌊m/s⌋]
    linear    (1−f)·x[c] + f·x[c+1]
    cubic     Keys' kernel on x[c−1] … x[c+2]

Indices outside the signal are clamped to its edge, as PyTorch and ONNX do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .spec import Mode


def samples_read(mode: Mode) -> int:
    """How many samples an output of this interpolator reads: 1, 2 or 4."""
    return {"nearest": 1, "linear": 2, "cubic": 4}[mode]


def interpolation(mode: Mode, stride: int, output: int, cubic_a: float = -0.75) -> list[tuple[int, float, int]]:
    """The reads of one output: (input index, weight, paths), indices not clamped yet.

    Where the output falls on a sample exactly (f = 0: the middle phase of an odd stride) only that sample is read, and
    all of the interpolator's paths are counted on it, so that every output has the same number of them.
    """
    if mode == "nearest" or stride == 1:
        return [(output // stride, 1.0, samples_read(mode) if stride > 1 else 1)]
    c, rest = divmod(2 * output - (stride - 1), 2 * stride)
    f = rest / (2 * stride)
    if not rest:
        return [(c, 1.0, samples_read(mode))]
    if mode == "linear":
        return [(c, 1.0 - f, 1), (c + 1, f, 1)]
    return [(c + j, float(keys(f - j, cubic_a)), 1) for j in (-1, 0, 1, 2)]


def keys(x: Any, a: float) -> Any:
    """Keys' cubic convolution kernel at distances x (IEEE ASSP-29, 1981), with PyTorch's a = −0.75 or Keys' own −0.5.

    (a+2)|x|³ − (a+3)|x|² + 1 up to 1, then a|x|³ − 5a|x|² + 8a|x| − 4a up to 2, zero beyond. Number in, number out;
    array in, array out.
    """
    t = np.abs(x)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))[()]
