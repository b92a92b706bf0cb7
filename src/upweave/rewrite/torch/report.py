"""What was done to a model, what was not, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from ..certify import Certificate
from ..cost import Price
from ..page import Entry, Page, Row, Shown, count, price_facts, price_json, price_rows, row, seconds, size
from .choose import Choice
from .decisions import Decisions
from .inputs import Call
from .observe import Observation
from .work import Work, work_of


@dataclass(frozen=True)
class ModelReport(Shown):
    """Attributes:
    chosen: "channels-last" or "contiguous", or empty where the model runs as it is.
    choices: every layer that could be rewritten, with its times and the reason for what became of it.
    resized: for each module that resizes, the functions that need its output in full.
    times: median seconds of the model on the example inputs, "original" and each candidate.
    parameters, owned: how many parameters the model has, and bytes of those that it does not share with the original.
    certificate: the comparison of the two.
    notes: what else there is to know.
    model: the name of its class.
    before, after: what one run on the example inputs does (`upweave.rewrite.torch.work`), and its measured seconds.
    prices: the same of each choice, before and after; a resize is counted with the first layer that it is folded into.
    products: multiplications that are made, before and after: fewer where Winograd's way runs.
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
    model: str
    before: Price
    after: Price
    prices: tuple[tuple[Price, Price], ...]
    products: tuple[int, int]

    @classmethod
    def of(
        cls,
        model: nn.Module,
        new: nn.Module,
        call: Call,
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
        before = work_of(model, call)
        after = work_of(new, call) if chosen else before
        prices = _prices(choices, before, after, times.get("original", 0.0), chosen)
        old_total = replace(before.total, seconds=times.get("original", 0.0))
        new_total = replace(after.total, seconds=times.get(chosen or "original", 0.0))
        return cls(
            chosen, decisions, tuple(choices), resized, times, numbers, owned, certificate, tuple(notes),
            type(model).__name__, old_total, new_total, prices, (before.products, after.products),
        )  # fmt: skip

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
        """The upsamplers' share of the original's time, measured inside its runs: the ceiling of what rewriting them
        can gain. None where nothing was measured, or there is none."""
        found = [c.share for c in self.choices if c.rewrite != "conv"]
        return sum(found) if found and self.times.get("original") else None

    def page(self) -> Page:
        """What the report shows."""
        kind = f"PyTorch module, accelerated{'' if self.times.get('original') else ' (counted, not measured)'}"
        applied, refused = [], []
        for choice, prices in zip(self.choices, self.prices, strict=True):
            if self.chosen and choice.applies:
                facts = price_facts(*prices, f"time, {choice.share:.1%} of the whole")
                applied.append(Entry(_called(choice), choice.rewrite, f"{choice.way}; {choice.reason}", facts=facts))
            else:
                but = ", but the model as a whole gains nothing by it" if choice.applies else ""
                refused.append(Entry(_called(choice), choice.rewrite, choice.reason + but))
        for site, why in self.resized.items():
            refused.append(Entry(_named(site), "the resize", f"its output is needed in full by {', '.join(why)}"))
        remark = "" if self.share is None else (
            f"upsampling was {self.share:.0%} of the original's time"
        )  # fmt: skip
        return Page(
            self.model, kind, self._headline(len(applied)), self._rows() if self.chosen else (), remark,
            tuple(applied), tuple(refused), self.certificate, (*self.notes, *self._memory()),
        )  # fmt: skip

    def _headline(self, applied: int) -> str:
        if not self.chosen:
            return "as it was" if self.choices else "nothing to rewrite"
        said = f"{applied} rewrite{'' if applied == 1 else 's'}, {self.chosen}"
        return f"{said}, {self.speedup:.2f}× the speed" if self.speedup else said

    def _rows(self) -> tuple[Row, ...]:
        first, *rest = price_rows(self.before, self.after)
        rows = [first]
        if self.products != (self.before.multiplies, self.after.multiplies):
            rows.append(row("products made", count, *self.products))
        rows += rest
        if self.before.seconds:
            rows.append(row("time, measured on the example inputs", seconds, self.before.seconds, self.after.seconds))
        return tuple(rows)

    def _memory(self) -> tuple[str, ...]:
        if not self.owned:
            return ()
        return (f"{size(self.owned)} of weights are its own, in another order than the original's",)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "model": self.model,
            "chosen": self.chosen,
            "layers": [
                {
                    "path": c.path, "rewrite": c.rewrite, "way": c.way, "applied": bool(self.chosen) and c.applies,
                    "milliseconds": {way: 1e3 * t for way, t in c.within(self.before.seconds).items()},
                    "share": c.share if self.before.seconds else None,
                    "multiplies": c.multiplies, "multiplies_after": c.folded, "sites": list(c.sites),
                    "function": None if c.route is None else c.route.name,
                    "reason": c.reason, "before": price_json(before), "after": price_json(after),
                }
                for c, (before, after) in zip(self.choices, self.prices, strict=True)
            ],
            "resized": {site: list(why) for site, why in self.resized.items()},
            "milliseconds": {name: 1e3 * t for name, t in self.times.items()},
            "speedup": self.speedup,
            "share": self.share,
            "before": price_json(self.before),
            "after": price_json(self.after),
            "products": {"before": self.products[0], "after": self.products[1]},
            "parameters": self.parameters,
            "own_weight_bytes": self.owned,
            "certificate": self.certificate.as_json(),
            "notes": list(self.notes),
        }  # fmt: skip


def _called(choice: Choice) -> str:
    """The layer; of a function also its name and its weight."""
    return f"{_named(choice.path)}: {choice.route.name}" if choice.route is not None else _named(choice.path)


def _named(path: str) -> str:
    return path or "(the model itself)"


def _prices(
    choices: list[Choice], before: Work, after: Work, whole: float, chosen: str
) -> tuple[tuple[Price, Price], ...]:
    """What each layer did, and does; where a convolution is in several choices, in the first of them."""
    seen: set[tuple[str, str]] = set()
    found = []
    for choice in choices:
        names = [*(("convolution", w) for w in choice.weights), *(("resize", s) for s in choice.sites)]
        parts = [p for p in names if p not in seen]
        seen.update(parts)
        old, new = (sum((w.of(path, kind) for kind, path in parts), Price()) for w in (before, after))  # type: ignore[arg-type]
        spent = choice.share * whole
        takes = choice.within(whole).get(choice.way, 0.0) if chosen and choice.applies else spent
        found.append((replace(old, seconds=spent), replace(new, seconds=takes)))
    return tuple(found)
