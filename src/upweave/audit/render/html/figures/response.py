"""The frequency response of a layer's kernel, with the images that zero insertion makes."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from .. import svg
from . import Figure

FLOOR = -60.0


def power_along(h: Any, axis: int, n: int = 181) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Σ over channel pairs of |H|² for ω in [0, π] on one axis, the other frequencies at 0; h is (C_out, C_in, U…).

    Through the Gram matrix of the taps: the response of every channel pair is never formed.
    """
    h = np.asarray(h, dtype=np.float64)
    others = tuple(a for a in range(2, h.ndim) if a != 2 + axis)
    taps = h.sum(axis=others).reshape(-1, h.shape[2 + axis])
    gram = taps.T @ taps
    waves = np.exp(-1j * np.outer(np.linspace(0, np.pi, n), np.arange(gram.shape[0])))
    return np.maximum(np.einsum("wu,uv,wv->w", waves.conj(), gram, waves).real, 0.0)


def response_figure(powers: list[Any], strides: list[int], weighted: bool, rejection: tuple[float, float] | None) -> Figure:
    """Magnitude in dB against the strongest point for ω from 0 to π, one line an axis; images stand at 2πm/s."""
    width, height, left, bottom = 320.0, 190.0, 34.0, 30.0
    peak = max((float(np.max(p)) for p in powers), default=1.0) or 1.0
    top = 10.0

    def x_of(share: float) -> float:
        return left + (width - left - 8) * share

    def y_of(db: float) -> float:
        return 8 + (height - bottom - 8) * (top - max(db, FLOOR)) / (top - FLOOR)

    s = max(strides)
    body: list[Markup] = [svg.rect(x_of(0), y_of(top), x_of(1 / s) - x_of(0), y_of(FLOOR) - y_of(top), "band")]
    for db in (0, -20, -40, -60):
        body += [svg.line(left, y_of(db), width - 8, y_of(db), "axis"), svg.text(left - 4, y_of(db) + 4, f"{db}".replace("-", "−"), "t", "end")]
    for share, label in ((0.0, "0"), (0.5, "π/2"), (1.0, "π")):
        body.append(svg.text(x_of(share), height - 14, label, "t", "end" if share == 1.0 else "middle"))
    body.append(svg.text(x_of(0.5), height - 1, "frequency in the output, rad/sample · level, dB", "t"))
    images = [2 * m / s for m in range(1, s // 2 + 1)]
    for i, share in enumerate(images):
        body.append(svg.line(x_of(share), y_of(top), x_of(share), y_of(FLOOR), "image"))
        if i == 0 or len(images) <= 4:
            anchor = "end" if share > 0.8 else "middle"
            body.append(svg.text(x_of(share) - (3 if anchor == "end" else 0), y_of(top) + 10, f"image {i + 1}", "t image-t", anchor))
    ideal = [(x_of(0), y_of(0)), (x_of(1 / s), y_of(0)), (x_of(1 / s), y_of(FLOOR))]
    body.append(svg.path(ideal, "ideal"))
    for i, p in enumerate(powers):
        with np.errstate(divide="ignore"):
            db = 10 * np.log10(np.asarray(p) / peak)
        points = [(x_of(j / (len(db) - 1)), y_of(float(v))) for j, v in enumerate(db)]
        body.append(svg.path(points, f"curve c{i}"))
    whose = "" if weighted else " The weights are not known: they are taken as all equal."
    axes = f" One line an axis ({', '.join(f'axis {i}' for i in range(len(powers)))})." if len(powers) > 1 else ""
    said = ""
    if rejection is not None and np.isfinite(rejection[0]):
        said = f" Image rejection {rejection[0]:.1f} dB, {rejection[1]:.1f} dB in the worst channel."
    return Figure(
        "Frequency response",
        svg.svg(width, height, body, f"frequency response; images at {len(images)} frequencies"),
        "Upsampling repeats the input's spectrum at the dashed lines; the kernel should let the shaded band through and "
        f"be quiet elsewhere. What is left at a dashed line shows as a periodic pattern.{said}{axes}{whose}",
    )
