"""What was rewritten in a file, what was not, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .certify import Certificate
from .cost import Price
from .identity import Refusal
from .page import Entry, Page, Row, Shown, effect, price_facts, price_json, price_rows, row, seconds


@dataclass(frozen=True)
class Applied:
    """One rewrite that was applied.

    Attributes:
        identity, path, reason: which rewrite, on which layer, and what it did.
        safety: "safe" or "unsafe".
        before, after: prices of the nodes that went and that came.
        certificate: of this rewrite alone, in float64; None where it was compared as part of the whole model only.
        effects: for repairs that change outputs: what changed, by name, (before, after) or one number.
    """

    identity: str
    path: str
    reason: str
    safety: str
    before: Price
    after: Price
    certificate: Certificate | None = None
    effects: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "identity": self.identity,
            "path": self.path,
            "reason": self.reason,
            "safety": self.safety,
            "before": price_json(self.before),
            "after": price_json(self.after),
            "certificate": None if self.certificate is None else self.certificate.as_json(),
            "effects": self.effects,
        }


@dataclass(frozen=True)
class Timing:
    """Medians of both models on one runtime, in turns."""

    runtime: str
    inputs: str
    before: float
    after: float

    @property
    def ratio(self) -> float:
        """Times faster."""
        return self.before / self.after


@dataclass(frozen=True)
class RewriteReport(Shown):
    """What came of a model.

    Attributes:
        model: how the user named it.
        target: the runtime that it was priced for, and whether its prices are measured.
        applied, refused: the rewrites.
        before, after: prices of the whole model.
        share: the upsamplers' part of the estimated time before: the ceiling of what any of this can gain.
        certificate: of the whole model; its trials name the runtime that ran it.
        timing: measured, where it was.
        notes, warnings: what else the reader should know.
    """

    model: str
    target: str
    measured: bool
    applied: tuple[Applied, ...]
    refused: tuple[Refusal, ...]
    before: Price
    after: Price
    share: float
    certificate: Certificate | None = None
    timing: Timing | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """True if anything was applied."""
        return bool(self.applied)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        timing = self.timing
        return {
            "model": self.model,
            "target": self.target,
            "prices_measured": self.measured,
            "applied": [a.as_json() for a in self.applied],
            "refused": [{"identity": r.identity, "path": r.path, "reason": r.reason} for r in self.refused],
            "before": price_json(self.before),
            "after": price_json(self.after),
            "upsampling_share": self.share,
            "certificate": None if self.certificate is None else self.certificate.as_json(),
            "timing": None
            if timing is None
            else {
                "runtime": timing.runtime,
                "inputs": timing.inputs,
                "seconds_before": timing.before,
                "seconds_after": timing.after,
                "ratio": timing.ratio,
            },
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }

    def page(self) -> Page:
        """What the report shows."""
        kind = f"Rewritten for {self.target}{'' if self.measured else ' (counted, not measured)'}"
        remark = f"upsampling was {self.share:.0%} of the estimated time"
        rows = _rows(self) if self.applied else ()
        refused = tuple(Entry(r.path, r.identity, r.reason) for r in self.refused)
        return Page(
            self.model, kind, _headline(self), rows, remark, tuple(map(_entry, self.applied)), refused,
            self.certificate, self.notes, self.warnings,
        )  # fmt: skip


def _headline(report: RewriteReport) -> str:
    """What happened, in a few words."""
    n = len(report.applied)
    if not n:
        return "nothing to rewrite" if not report.refused else "nothing rewritten"
    said = f"{n} rewrite{'s' if n > 1 else ''}"
    if report.timing is not None:
        return f"{said}, {report.timing.ratio:.2f}× the speed in {report.timing.runtime}"
    return said


def _rows(report: RewriteReport) -> tuple[Row, ...]:
    before, after = report.before, report.after
    kind = "estimated" if report.measured else "counted"
    found = [
        *price_rows(before, after),
        row(f"time, {kind} for {report.target}", seconds, before.seconds, after.seconds),
    ]
    t = report.timing
    if t is not None:
        found.append(row(f"time, measured in {t.runtime}, {t.inputs}", seconds, t.before, t.after))
    return tuple(found)


def _entry(a: Applied) -> Entry:
    facts = list(price_facts(a.before, a.after, "estimated time"))
    if a.certificate is not None and a.certificate.worst is not None:
        facts.append(("alone, in float64", f"{a.certificate.worst.difference.relative:.1e} relative"))
    effects = tuple((name, effect(value)) for name, value in a.effects.items())
    return Entry(a.path, a.identity, a.reason, a.safety, tuple(facts), effects)
