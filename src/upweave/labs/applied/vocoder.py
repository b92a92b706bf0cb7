"""The last layer of a vocoder, alone: a tune at 2 kHz becomes sound at 16 kHz through one transposed convolution, s = 8.

What enters is the tune plus a constant, as behind a ReLU, where no channel has the mean 0. Every frequency f of the
input comes back as images at 2000·m ± f Hz, and the constant, an input of 0 Hz, as whistles at exactly 2000·m Hz.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from ...ops.conv_transpose import conv_transpose
from ...spec import ConvTranspose
from ...theory.spectrum import frequency_response, sinc_kernel
from ..text import Text
from .gains import equal_gains

Array = npt.NDArray[np.float64]

STRIDE, LOW, RATE = 8, 2000, 16000
NOTES = (392.0, 440.0, 493.9, 587.3, 493.9, 392.0)  # Hz: g a b d b g
NOTE, REST = 0.28, 0.12  # seconds of sound and of silence

KINDS: Mapping[str, tuple[Text, ConvTranspose]] = {
    "sinc": (Text("windowed sinc, k = 96", "加窗 sinc，k = 96"), ConvTranspose(96, 8, 44)),
    "linear": (Text("triangle, k = 16", "三角形核，k = 16"), ConvTranspose(16, 8, 4)),
    "nearest": (Text("nearest, k = 8", "最近邻，k = 8"), ConvTranspose(8, 8)),
    "trained": (
        Text("k = 16, a little off (as after training)", "k = 16，略有偏差（如同训练之后）"),
        ConvTranspose(16, 8, 4),
    ),
    "equal": (Text("the same, equal gains", "同上，各相位增益相等"), ConvTranspose(16, 8, 4)),
    "random": (Text("k = 16, random (before training)", "k = 16，随机（训练之前）"), ConvTranspose(16, 8, 4)),
    "uneven": (Text("k = 20, random: not a multiple of 8", "k = 20，随机：不是 8 的倍数"), ConvTranspose(20, 8, 6)),
}
"""Layers by name; HiFi-GAN's first is the k = 16 one."""


@cache
def tune() -> Array:
    """Six notes of four harmonics each below 1 kHz, with silence between them, at 2000 samples a second, within ±0.5."""
    t = np.arange(int(NOTE * LOW)) / LOW
    envelope = np.minimum(1, t / 0.02) * np.minimum(1, (NOTE - t) / 0.05)
    parts = []
    for pitch in NOTES:
        harmonics = [h for h in (1, 2) if h * pitch < 0.95 * LOW / 2]
        parts += [envelope * sum(np.sin(2 * np.pi * h * pitch * t) / h for h in harmonics), np.zeros(int(REST * LOW))]
    line = np.concatenate(parts)
    out: Array = 0.5 * line / np.abs(line).max()
    out.flags.writeable = False
    return out


@cache
def weight(kind: str) -> Array:
    """The kernel, (1, 1, k), scaled so that the mean gain of the phases is 1."""
    k = int(KINDS[kind][1].per_axis(1)[0].kernel)
    at = np.arange(k) - (k - 1) / 2
    rng = np.random.default_rng(3)
    triangle = np.maximum(0, 1 - np.abs(at) / STRIDE)
    if kind == "sinc":
        line = np.asarray(sinc_kernel(STRIDE, at)) * np.kaiser(k, 6.0)
    elif kind == "nearest":
        line = np.ones(k)
    elif kind in ("random", "uneven"):
        line = rng.uniform(-1, 1, k)
    else:
        line = triangle + (0 if kind == "linear" else 0.06 * rng.standard_normal(k))
    out: Array = np.asarray(line * STRIDE / line.sum()).reshape(1, 1, k)
    return equal_gains(out, STRIDE) if kind == "equal" else out


def rendered(kind: str, offset: float) -> Array:
    """The layer's output for the tune plus a constant, without its mean, at 16000 samples a second.

    The first and last samples, where the layer reads zeros instead of the constant, are left out.
    """
    spec = KINDS[kind][1]
    x = (tune() + offset)[None, None]
    y = conv_transpose(x, weight(kind), stride=STRIDE, padding=spec.per_axis(1)[0].begin)[0, 0]
    y = np.asarray(y)[8 * STRIDE : -8 * STRIDE]
    return np.asarray(y - y.mean())


def whistles(kind: str, offset: float) -> Array:
    """The amplitudes of the whistles at 2, 4, 6 and 8 kHz that a constant input of this size makes: offset·|H(2πm/s)|/s,
    twice for a frequency that stands for two (that at half the rate stands for one)."""
    spec = KINDS[kind][1]
    response = np.abs(frequency_response(spec, weight(kind), n=STRIDE)[0, 0]) / STRIDE
    return np.asarray([offset * response[m] * (2 if 2 * m < STRIDE else 1) for m in range(1, STRIDE // 2 + 1)])


def measured_whistles(sound: Array) -> Array:
    """The amplitudes at 2, 4, 6 and 8 kHz in a sound's silences."""
    found = []
    y = silence(sound)
    n = np.arange(len(y))
    for m in range(1, STRIDE // 2 + 1):
        amplitude = 2 * abs(np.mean(y * np.exp(-2j * np.pi * m * n / STRIDE)))
        found.append(amplitude if 2 * m < STRIDE else amplitude / 2)
    return np.asarray(found)


def silence(sound: Array) -> Array:
    """The middle of the first rest of `rendered`, a whole number of periods."""
    first = int((NOTE + 0.3 * REST) * LOW) * STRIDE - 8 * STRIDE
    return sound[first : first + int(0.4 * REST * LOW) * STRIDE]


def levels(sound: Array, window: int = 512) -> Array:
    """The mean power spectrum in dB, at window/2 + 1 frequencies from 0 to 8 kHz; a full sine has about −9 dB."""
    return np.asarray(10 * np.log10(np.mean(_frames(sound, window), axis=0) + 1e-12))


def spectrogram(sound: Array, window: int = 256) -> Array:
    """Loudness in [0, 1] over 70 dB: row 0 is 8 kHz, the last 0 Hz; a column a hop of window/2 samples."""
    power = 10 * np.log10(_frames(sound, window) + 1e-12)
    return np.asarray(np.clip(1 + (power - power.max()) / 70, 0, 1).T[::-1])


def _frames(sound: Array, window: int) -> Array:
    view = np.lib.stride_tricks.sliding_window_view(sound, window)[:: window // 2]
    shape = np.hanning(window)
    return np.asarray(np.abs(np.fft.rfft(view * shape, axis=1)) ** 2 / shape.sum() ** 2)
