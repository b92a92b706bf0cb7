"""What the weight rules ask of a layer's numbers: the gains of its phases, and whether anybody has trained it yet."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10, prod, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from ..convert import phase_bank
from ..graph.ir import PixelShuffle
from ..spec import ConvPixelShuffle, ConvTranspose
from .layer import Layer

Array = npt.NDArray[Any]

SIGMAS = 4.0
"""How many standard deviations of a random draw a statistic may wander before it means something."""


@dataclass(frozen=True, eq=False)
class PhaseGains:
    """The DC gain of every phase: what each of them makes of a constant input.

    Attributes:
        gains: shape (phases, channel pairs).
        reached: for each phase, whether it has any tap.
        noise: the relative standard deviation that a phase's power would have if its gains were independent draws; 0
        for a single pair of channels, which is judged as it is.
    """

    gains: Array
    reached: npt.NDArray[np.bool_]
    noise: float

    @property
    def power(self) -> Array:
        """The sum of squared gains of each phase."""
        power: Array = (self.gains**2).sum(axis=1)
        return power

    @property
    def imbalance(self) -> float:
        """Strongest phase over weakest, in dB, among the phases that have any gain."""
        live = self.power[self.reached & (self.power > 1e-12 * self.power.max(initial=0.0))]
        return 10 * log10(live.max() / live.min()) if len(live) > 1 else 0.0

    @property
    def rejection(self) -> float:
        """What a constant input keeps of its level over the strongest pattern it gets, in dB; inf if it gets none.

        The discrete Fourier transform over the phases: bin 0 is the mean, every other bin an image at 2πm/s.
        """
        bins = np.abs(np.fft.fft(self.gains, axis=0)) ** 2
        total = bins.sum(axis=1)
        image = total[1:].max(initial=0.0)
        if image <= 1e-12 * total.sum():
            return float("inf")
        return 10 * log10(total[0] / image) if total[0] > 0 else float("-inf")

    def beyond_chance(self, ratio_db: float) -> bool:
        """Whether a power ratio is larger than independent draws would make it."""
        q = SIGMAS * self.noise
        return q < 0.9 and abs(ratio_db) > 10 * log10((1 + q) / (1 - q))


def phase_gains(layer: Layer) -> PhaseGains | None:
    """The phase gains of a layer with weights; None without numbers, for one phase, or if they are all zero."""
    weight = phase_weights(layer)
    if weight is None or len(weight) < 2:
        return None
    gains = np.stack([w.sum(axis=2).ravel() for w in weight])
    reached = np.array([w.size > 0 for w in weight])
    if not np.isfinite(gains).all() or not gains.any():
        return None
    scale = np.sqrt((gains**2).mean(axis=1, keepdims=True))
    unit = gains[scale[:, 0] > 0] / scale[scale[:, 0] > 0]
    kurtosis = float((unit**4).mean())
    return PhaseGains(gains, reached, sqrt(max(kurtosis - 1, 0.0) / gains.shape[1]))


def phase_weights(layer: Layer) -> list[Array] | None:
    """The taps of each phase in row-major order, each of shape (C_out, C_in/g, taps); None without numbers."""
    numbers = layer.numbers()
    if numbers is None or not isinstance(layer.spec, (ConvTranspose, ConvPixelShuffle)):
        return None
    weight = np.asarray(numbers, dtype=np.float64)
    if isinstance(layer.spec, ConvPixelShuffle):
        weight = np.moveaxis(by_phase(layer, weight), 0, 1).reshape(weight.shape)
    bank = phase_bank(layer.spec, weight, rank=layer.rank)
    support = bank.support
    return [bank.weights[r][..., support[r] > 0] for r in np.ndindex(*bank.stride)]


def by_phase(layer: Layer, rows: Array) -> Array:
    """The rows (C_out·P, …) of a convolution in front of a pixel shuffle as (P, C_out, …)."""
    op = layer.resampler.node.op
    assert isinstance(op, PixelShuffle)
    phases = prod(op.factor)
    if op.order == "DCR":
        return rows.reshape(phases, -1, *rows.shape[1:])
    return np.moveaxis(rows.reshape(-1, phases, *rows.shape[1:]), 1, 0)


def is_default_draw(weight: Array, fan: int) -> bool:
    """Whether numbers look like PyTorch's default initialisation, U(−1/√fan, 1/√fan), or a normal of that variance.

    The variance must be 1/(3·fan) within four standard errors, the mean 0, and the shape of the distribution that of a
    uniform within its bound or of a normal. At least 64 numbers are needed to tell.
    """
    n = weight.size
    if n < 64 or fan < 1:
        return False
    flat = np.asarray(weight, dtype=np.float64).ravel()
    variance = float((flat**2).mean())
    if variance == 0 or abs(flat.mean()) > SIGMAS * sqrt(variance / n):
        return False
    kurtosis = float((flat**4).mean()) / variance**2
    spread = SIGMAS * sqrt(24 / n)
    bound = 1 / sqrt(fan)
    uniform = np.abs(flat).max() <= bound * (1 + 1e-3) and abs(kurtosis - 1.8) <= spread
    normal = abs(kurtosis - 3) <= spread
    error = SIGMAS * sqrt((kurtosis - 1) / n) + 1e-3
    return bool((uniform or normal) and abs(variance * 3 * fan - 1) <= error)
