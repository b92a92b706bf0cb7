"""Weights that a layer of one channel would learn: those that enlarge given pictures with the least square error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...ops.conv_transpose import conv_transpose
from ...spec import ConvTranspose
from .picture import Array


def enlarged(spec: ConvTranspose, weight: Array, picture: Array) -> Array:
    """The output of a one-channel layer in the plane, weight (k, k), for a picture (H, W)."""
    (a, _) = spec.per_axis(2)
    x, w = (np.ascontiguousarray(v, dtype=np.float64)[None, None] for v in (picture, weight))
    return np.asarray(
        conv_transpose(
            x, w, stride=a.stride, padding=a.begin, output_padding=a.output_padding, dilation=a.dilation
        )[0, 0]
    )  # fmt: skip


def fitted(spec: ConvTranspose, pairs: Sequence[tuple[Array, Array]], ridge: float = 1e-3) -> Array:
    """The weight (k, k) that takes the first picture of each pair nearest to the second; least squares, with a slight
    pull to zero (`ridge`) that decides where the pictures do not.

    The layer is linear in its weight, so that the columns of the problem are its outputs for the single taps. Raises
    `SpecError` where a picture is too small, `ValueError` where a target has not the output's size.
    """
    (a, _) = spec.per_axis(2)
    taps = np.eye(a.kernel**2).reshape(-1, a.kernel, a.kernel)
    columns = np.concatenate([np.stack([enlarged(spec, t, x).ravel() for t in taps], 1) for x, _ in pairs])
    target = np.concatenate([np.asarray(y).ravel() for _, y in pairs])
    gram = columns.T @ columns + ridge * len(target) * np.eye(len(taps))
    return np.asarray(np.linalg.solve(gram, columns.T @ target).reshape(a.kernel, a.kernel))
