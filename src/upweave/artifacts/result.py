"""What the score of one picture, or of a batch of them, says."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from . import arrays
from .arrays import Tensorlike


@dataclass(frozen=True, eq=False)
class ArtifactScore:
    """The periodic artifacts of a picture, or of each of a batch: each number has the batch's shape, () or (N,).

    NumPy arrays, or tensors where tensors were scored; those of `imbalance` and `energy` carry gradients. Fractions are
    shares of the variance, over all channels together; an estimate without a pattern is 0 in the mean, and so may fall
    below it.

    Attributes:
        stride: the period that was asked for, one entry an axis.
        harmonics: the frequencies, in cycles a sample and axis, of which −f goes with f.
        imbalance: what of the variance is a pattern that repeats all over, p(n mod s): the variance of the means of
            the phases, less what it is by chance.
        energy: what of the variance stands out at the harmonics, block by block, over their spectral neighbourhoods: a
            pattern too that comes and goes, or changes its sign.
        imbalance_by_harmonic, energy_by_harmonic: the same for each harmonic, shape (…, harmonics); they add up.
        low, high: limits of the imbalance at the level of `confidence`; `low` is 0 unless it is significant.
        significance: probability that an imbalance as marked at some harmonic arises by chance.
        energy_significance: the same for the energy, in noise whose spectrum is flat around each harmonic.
        variance: of the samples, the mean over channels.
        confidence: the level that was asked for.
    """

    stride: tuple[int, ...]
    harmonics: tuple[tuple[Fraction, ...], ...]
    imbalance: Tensorlike
    energy: Tensorlike
    imbalance_by_harmonic: Tensorlike
    energy_by_harmonic: Tensorlike
    low: Tensorlike
    high: Tensorlike
    significance: Tensorlike
    energy_significance: Tensorlike
    variance: Tensorlike
    confidence: float

    @property
    def found(self) -> Any:
        """True where the imbalance is not chance, at the level of confidence."""
        return self.significance < 1 - self.confidence

    @property
    def fraction(self) -> Tensorlike:
        """The score: the imbalance where one is found, else 0."""
        return self.imbalance * ((self.imbalance > 0) & self.found) + 0.0  # no −0

    @property
    def decibels(self) -> Tensorlike:
        """The score in dB below the variance; −inf where there is none."""
        return _decibels(self.fraction)

    @property
    def energy_decibels(self) -> Tensorlike:
        """The energy in dB below the variance where it is significant, else −inf."""
        found = (self.energy > 0) & (self.energy_significance < 1 - self.confidence)
        return _decibels(self.energy * found + 0.0)

    @property
    def amplitude(self) -> Tensorlike:
        """Root mean square of the pattern that was found, in the units of the samples."""
        return (self.fraction * self.variance) ** 0.5

    def __str__(self) -> str:
        if np.ndim(arrays.numbers(self.imbalance)):
            return f"scores of {len(self.imbalance)} items: " + ", ".join(f"{v:.1f} dB" for v in self.decibels)
        level = f"{100 * self.confidence:g} %"
        if not self.found:
            below = 10 * np.log10(max(float(self.high), 1e-30))
            return f"no pattern of period {_times(self.stride)} found; at {level} any is below {below:.1f} dB"
        low, high = (10 * np.log10(max(float(v), 1e-30)) for v in (self.low, self.high))
        return (
            f"a pattern of period {_times(self.stride)} at {float(self.decibels):.1f} dB of the variance "
            f"({low:.1f} to {high:.1f} dB at {level}), amplitude {float(self.amplitude):.3g}"
        )


def _decibels(fraction: Tensorlike) -> Tensorlike:
    if arrays.is_tensor(fraction):
        return 10 * fraction.log10()
    with np.errstate(divide="ignore"):
        return 10 * np.log10(fraction)


def _times(stride: tuple[int, ...]) -> str:
    return "×".join(map(str, stride))
