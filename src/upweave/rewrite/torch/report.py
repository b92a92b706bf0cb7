"""What was done to a model, what was not, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from ..certify import Certificate
from ..report import count, size
from .choose import Choice
from .decisions import Decisions
from .observe import Observation


@dataclass(frozen=True)
class ModelReport:
    """Attributes:
    chosen: "channels-last" or "contiguous", or empty where the model runs as it is.
    choices: every layer that could be rewritten, with its times and the reason for what became of it.
    times: median seconds of the model on the example inputs, "original" and each candidate.
    parameters, owned: how many parameters the model has, and bytes of those that it does not share with the original.
    certificate: the comparison of the two.
    notes: what else there is to know.
    """

    chosen: str
    decisions: Decisions
    choices: tuple[Choice, ...]
    resized: dict[str, tuple[str, ...]]
    times: dict[str, float]
    parameters: int
    owned: int
    certificate: Certificate
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        model: nn.Module,
        new: nn.Module,
        decisions: Decisions,
        choices: list[Choice],
        found: Observation,
        times: dict[str, float],
        chosen: str,
        certificate: Certificate,
        notes: list[str],
    ) -> ModelReport:
        """The report of a rewritten model."""
        resized = {site: tuple(dict.fromkeys(why)) for site, why in found.resized.items()}
        numbers = sum(p.numel() for p in model.parameters())
        old = {p.data_ptr() for p in model.parameters()}
        owned = sum(p.numel() * p.element_size() for p in new.parameters() if p.data_ptr() not in old)
        return cls(chosen, decisions, tuple(choices), resized, times, numbers, owned, certificate, tuple(notes))

    @property
    def speedup(self) -> float | None:
        """Times faster than the original; None where nothing was measured."""
        if not self.chosen or self.chosen not in self.times or not self.times["original"]:
            return None
        return self.times["original"] / self.times[self.chosen]

    @property
    def multiplies(self) -> tuple[int, int]:
        """Multiplications of the listed layers before and after."""
        before = sum(c.multiplies for c in self.choices)
        return before, sum(c.folded if self.chosen and c.applies else c.multiplies for c in self.choices)

    @property
    def share(self) -> float | None:
        """The upsamplers' share of the original's time, each timed alone, in the chosen layout: the ceiling of what
        rewriting them can gain. None where nothing was measured."""
        spent = [c.times[c.original] for c in self.choices if c.times and c.rewrite != "conv"]
        return min(1.0, sum(spent) / self.times["original"]) if spent and self.times.get("original") else None

    def __str__(self) -> str:
        lines = []
        for c in self.choices:
            applied = bool(self.chosen) and c.applies
            lines.append(
                f"{'applied' if applied else 'left'}: {c.rewrite} {c.path or '(a function)'}: {c.way}; {c.reason}"
            )
        for site, why in self.resized.items():
            lines.append(f"resized: {site or '(the model itself)'}: for {', '.join(why)}")
        lines += [f"note: {note}" for note in self.notes]
        timed = ", ".join(f"{name} {1e3 * t:.4g} ms" for name, t in self.times.items())
        speed = f", {self.speedup:.2f} times faster" if self.speedup else ""
        share = f"; upsamplers took {self.share:.0%} of the original" if self.share is not None else ""
        lines.append(f"{self.chosen or 'as it was'}: {timed}{speed}{share}")
        before, after = self.multiplies
        lines.append(
            f"multiplications of these layers: {count(before)} → {count(after)}; own weights: {size(self.owned)}"
        )
        lines.append(f"certificate: {self.certificate}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "chosen": self.chosen,
            "layers": [
                {
                    "path": c.path, "rewrite": c.rewrite, "way": c.way, "applied": bool(self.chosen) and c.applies,
                    "milliseconds": {way: 1e3 * t for way, t in c.times.items()},
                    "multiplies": c.multiplies, "multiplies_after": c.folded, "sites": list(c.sites),
                    "reason": c.reason,
                }
                for c in self.choices
            ],
            "resized": {site: list(why) for site, why in self.resized.items()},
            "milliseconds": {name: 1e3 * t for name, t in self.times.items()},
            "speedup": self.speedup,
            "share": self.share,
            "parameters": self.parameters,
            "own_weight_bytes": self.owned,
            "certificate": self.certificate.as_json(),
            "notes": list(self.notes),
        }  # fmt: skip
