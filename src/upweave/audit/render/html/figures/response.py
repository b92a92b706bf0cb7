"""The frequency response of a layer's kernel, with the images that zero insertion makes."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from ...words import number
from .. import svg
from . import Figure

Line: TypeAlias = npt.NDArray[np.float64]

FLOOR = -60.0


def power_along(h: Any, axis: int, n: int = 181) -> Line:
    """Σ over channel pairs of |H|² for ω in [0, π] on one axis, the other frequencies at 0; h is (C_out, C_in, U…).

    Through the Gram matrix of the taps: the response of every channel pair is never formed.
    """
    h = np.asarray(h, dtype=np.float64)
    others = tuple(a for a in range(2, h.ndim) if a != 2 + axis)
    taps = h.sum(axis=others).reshape(-1, h.shape[2 + axis])
    gram = taps.T @ taps
    waves = np.exp(-1j * np.outer(np.linspace(0, np.pi, n), np.arange(gram.shape[0])))
    power: Line = np.maximum(np.einsum("wu,uv,wv->w", waves.conj(), gram, waves).real, 0.0)
    return power


def levels(power: Any) -> Line:
    """Power in dB against its value at frequency 0, or against its peak where there is next to nothing at 0."""
    values = np.asarray(power, dtype=np.float64)
    peak = float(values.max()) or 1.0
    reference = float(values[0]) if values[0] > 1e-3 * peak else peak
    with np.errstate(divide="ignore"):
        return 10 * np.log10(values / reference)


def response_figure(
    powers: list[Any], plain: list[Any], strides: list[int], rejection: tuple[float, float] | None
) -> Figure:
    """Level in dB for ω from 0 to π, one line for each distinct axis; images stand at 2πm/s.

    `powers` belong to the layer's weights (empty if there are none), `plain` to weights that are all equal.
    """
    width, height, left, bottom = 320.0, 196.0, 34.0, 32.0
    top = 10.0

    def x_of(share: float) -> float:
        return left + (width - left - 8) * share

    def y_of(db: float) -> float:
        return 8 + (height - bottom - 8) * (top - min(max(db, FLOOR), top)) / (top - FLOOR)

    def curve(db: Any, class_: str) -> Markup:
        return svg.path([(x_of(j / (len(db) - 1)), y_of(float(v))) for j, v in enumerate(db)], class_)

    s = max(strides)
    body: list[Markup] = [svg.rect(x_of(0), y_of(top), x_of(1 / s) - x_of(0), y_of(FLOOR) - y_of(top), "band")]
    for db in (0, -20, -40, -60):
        body.append(svg.line(left, y_of(db), width - 8, y_of(db), "axis"))
        body.append(svg.text(left - 4, y_of(db) + 4, number(db), "t", "end"))
    for share, label in ((0.0, "0"), (0.5, "π/2"), (1.0, "π")):
        body.append(svg.text(x_of(share), height - 16, label, "t", "end" if share == 1.0 else "middle"))
    body.append(svg.text(x_of(0.5), height - 2, "frequency in the output, rad/sample · level, dB", "t"))
    images = [2 * m / s for m in range(1, s // 2 + 1)]
    for i, share in enumerate(images):
        body.append(svg.line(x_of(share), y_of(top), x_of(share), y_of(FLOOR), "image"))
        if i == 0 or len(images) <= 8:
            end = share > 0.8
            body.append(
                svg.text(
                    x_of(share) - (4 if end else 0),
                    y_of(FLOOR) - 5,
                    f"image {i + 1}" if i == 0 or len(images) == 2 else str(i + 1),
                    "t image-t",
                    "end" if end else "middle",
                )
            )
    body.append(svg.path([(x_of(0), y_of(0)), (x_of(1 / s), y_of(0)), (x_of(1 / s), y_of(FLOOR))], "ideal"))
    lines = _distinct([levels(p) for p in powers])
    body += [curve(db, "curve equal") for db in _distinct([levels(p) for p in plain])[:1]]
    body += [curve(db, f"curve c{i}") for i, db in enumerate(lines)]
    axes = " Each axis has its own line." if len(lines) > 1 else ""
    said = "Solid: these weights, averaged over the channels; dotted: equal weights; fine dashes: the ideal."
    if not powers:
        said = "Dotted: as if all weights were equal, for these are not known; fine dashes: the ideal."
    if rejection is not None and np.isfinite(rejection[0]):
        typical, worst = (number(round(r, 1)) for r in rejection)
        said += f" Image rejection {typical} dB, {worst} dB in the worst channel."
    return Figure(
        "Frequency response",
        svg.svg(width, height, body, f"frequency response, with images at {len(images)} frequencies"),
        "Upsampling repeats the input's spectrum around the orange lines; the kernel should pass the shaded band and "
        f"be quiet elsewhere. What is left on an orange line shows as a periodic pattern. {said}{axes}",
    )


def _distinct(lines: list[Any], tolerance: float = 1.5) -> list[Any]:
    """The lines without those that lie on another, within the tolerance in dB above the floor."""
    out: list[Any] = []
    for db in lines:
        shown = np.maximum(db, FLOOR)
        if not any(np.abs(shown - np.maximum(o, FLOOR)).max() < tolerance for o in out):
            out.append(db)
    return out
