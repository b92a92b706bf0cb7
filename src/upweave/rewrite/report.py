"""What was rewritten, what was not, and what it comes to: the same report for files and for modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .certify import Certificate
from .cost import Price
from .identity import Refusal


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
            "before": _price(self.before),
            "after": _price(self.after),
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
class RewriteReport:
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
            "before": _price(self.before),
            "after": _price(self.after),
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

    def __str__(self) -> str:
        return to_text(self)


def to_text(report: RewriteReport) -> str:
    """The report as plain text: a table of before and after, the rewrites, the refusals, the certificate."""
    lines = [f"{report.model}: {headline(report)}"]
    if report.applied:
        lines += ["", *_table(report)]
        lines += ["", "applied"]
        for a in report.applied:
            lines.append(f"  {a.path}: {a.identity}{'' if a.safety == 'safe' else ' (unsafe)'}, {a.reason}")
            lines += [f"      {name}: {effect(value)}" for name, value in a.effects.items()]
    if report.refused:
        lines += ["", "left alone"]
        lines += [f"  {r.path}: {r.identity}: {r.reason}" for r in report.refused]
    lines += [""] if report.certificate or report.notes or report.warnings else []
    if report.certificate is not None:
        lines.append(f"certificate: {report.certificate}")
    lines += [f"note: {n}" for n in report.notes]
    lines += [f"warning: {w}" for w in report.warnings]
    return "\n".join(lines) + "\n"


def headline(report: RewriteReport) -> str:
    """What happened, in a few words."""
    n = len(report.applied)
    if not n:
        return "nothing to rewrite" if not report.refused else "nothing rewritten"
    said = f"{n} rewrite{'s' if n > 1 else ''}"
    if report.timing is not None:
        return f"{said}, {report.timing.ratio:.2f}× the speed in {report.timing.runtime}"
    return said


def rows(report: RewriteReport) -> list[tuple[str, str, str, str]]:
    """What is compared: name, before, after, ratio."""
    before, after = report.before, report.after
    found = [
        _row("multiplications", count, before.multiplies, after.multiplies),
        _row("memory traffic", size, before.bytes, after.bytes),
        _row("weights", size, before.weights, after.weights),
    ]
    kind = "estimated" if report.measured else "counted"
    found.append(_row(f"time, {kind} for {report.target}", seconds, before.seconds, after.seconds))
    t = report.timing
    if t is not None:
        found.append(_row(f"time, measured in {t.runtime}, {t.inputs}", seconds, t.before, t.after))
    return found


def _table(report: RewriteReport) -> list[str]:
    cells = [("", "before", "after", "ratio"), *rows(report)]
    widths = [max(len(r[k]) for r in cells) for k in range(4)]
    lines = [
        "  " + "  ".join([r[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(r[1:], widths[1:], strict=True))])
        for r in cells
    ]
    return [*(line.rstrip() for line in lines), f"  upsampling was {report.share:.0%} of the estimated time"]


def _row(what: str, say: Callable[[float], str], before: float, after: float) -> tuple[str, str, str, str]:
    return what, say(before), say(after), _ratio(before, after)


def count(n: float) -> str:
    """A count with a unit: "1.2 G"."""
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= limit:
            return f"{n / limit:.3g} {unit}"
    return f"{n:.0f}"


def size(n: float) -> str:
    """Bytes with a unit: "1.2 MB"."""
    text = count(n)
    return f"{text}B" if text[-1].isalpha() else f"{text} B"


def seconds(t: float) -> str:
    """A time with a unit: "12.3 ms"."""
    if t >= 1:
        return f"{t:.3g} s"
    return f"{t * 1e3:.3g} ms" if t >= 1e-3 else f"{t * 1e6:.3g} µs"


def _ratio(before: float, after: float) -> str:
    return f"{before / after:.2f}×" if after else ""


def effect(value: Any) -> str:
    """A number, or a pair of them, before and after."""
    if isinstance(value, (list, tuple)):
        return " → ".join(f"{v:.3g}" for v in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _price(p: Price) -> dict[str, Any]:
    return {"seconds": p.seconds, "multiplies": p.multiplies, "bytes": p.bytes, "weights": p.weights}
