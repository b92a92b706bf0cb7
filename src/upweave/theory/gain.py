"""What a constant input becomes: the DC gain of each phase, and how far the phases are apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..bank import Array, PhaseBank
from ..convert.forward import phase_bank
from ..errors import SpecError
from ..spec import Spec


@dataclass(frozen=True, eq=False)
class GainImbalance:
    """How unequal the phases' gains are.

    Attributes:
        per_phase: shape (s…), dB; the gain of a phase over all channels against the root mean square of the phases.
        per_channel: shape (C_out,), dB; the strongest phase of an output channel over its weakest.
        max: the greatest of `per_channel`; 0 for equal phases and for channels of zeros, inf for a dead phase.
        deviation: share in [0, 1] of the gains' RMS that differs between phases, signs and input channels included:
            √(Σ‖g_r − ḡ‖² / Σ‖g_r‖²). 0 means that no constant input makes a checkerboard.
    """

    per_phase: Array
    per_channel: Array
    max: float
    deviation: float


def dc_gain(what: Spec | PhaseBank, weight: Any = None) -> Array:
    """The gain of each phase for a constant input: shape (s₁…s_d, C_out, C_in/g), Σ of the phase's taps.

    Arguments and errors as for `phase_bank`. Equal gains over the phases mean that a constant makes no checkerboard.
    """
    bank = _bank(what, weight)
    return np.asarray(bank.weights.sum(axis=tuple(range(bank.rank + 2, 2 * bank.rank + 2))))


def gain_imbalance(what: Spec | PhaseBank, weight: Any = None) -> GainImbalance:
    """How unequal the DC gains of the phases are, in dB.

    The size of a phase's gain at an output channel is its Euclidean norm over the input channels; norms under 1e-12 of
    the layer's greatest count as zero. Arguments and errors as for `phase_bank`.
    """
    bank = _bank(what, weight)
    gains = dc_gain(bank).astype(np.float64)
    g = gains.reshape(-1, bank.out_channels, gains.shape[-1])
    norms = np.sqrt((g * g).sum(axis=-1))  # (phases, C_out)
    norms[norms <= 1e-12 * norms.max(initial=0.0)] = 0.0
    strong, weak = norms.max(axis=0), norms.min(axis=0)
    per_channel = _db(np.where(strong == 0, 1.0, strong), np.where(strong == 0, 1.0, weak))
    total: Array = np.sqrt((norms * norms).sum(axis=-1))
    rms = float(np.sqrt(np.mean(total * total)))
    per_phase = _db(total, np.full_like(total, rms)) if rms else np.zeros_like(total)
    power = float((g * g).sum())
    apart = g - g.mean(axis=0)
    deviation = float(np.sqrt((apart * apart).sum() / power)) if power else 0.0
    return GainImbalance(per_phase.reshape(bank.stride), per_channel, float(per_channel.max(initial=0.0)), deviation)


def is_dc_flat(what: Spec | PhaseBank, weight: Any = None, *, tolerance: float = 1e-6) -> bool:
    """True if every phase has the same DC gain, that is if the kernel's transform is zero at 2πm/s, m ≠ 0.

    `tolerance` is the share of the gains' RMS that may differ. Arguments and errors as for `phase_bank`.
    """
    return gain_imbalance(what, weight).deviation <= tolerance


def _bank(what: Spec | PhaseBank, weight: Any) -> PhaseBank:
    if not isinstance(what, PhaseBank):
        return phase_bank(what, weight)
    if weight is not None:
        raise SpecError("a PhaseBank has weights of its own; pass no weight beside it")
    return what


def _db(above: Array, below: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(20 * np.log10(above) - 20 * np.log10(below))
