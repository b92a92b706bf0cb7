"""Exercises: a question in both languages, and a check that computes the truth and says why an answer is wrong.

    def check(n: float) -> Verdict:
        truth = upweave.output_size(layer, 8)
        return right(...) if n == truth else wrong(Text("…", "…"))

    exercise("size", Text("How long is the output?", "输出有多长？"), check)

No answer is stored: the check gets what the reader typed, already read as a number (exactly: 1/4 and 0.25 are one
number), a list of numbers or the name of an option.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import traitlets

from ...errors import UpweaveError
from ..text import Text
from .widget import Widget, in_page, module
from .words import both, marked

Kind = Literal["number", "numbers", "choice"]


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, and why."""

    right: bool
    why: Text


def right(en: str, zh: str) -> Verdict:
    """The answer holds; Markdown says why."""
    return Verdict(True, Text(en, zh))


def wrong(en: str, zh: str) -> Verdict:
    """The answer does not hold; Markdown says what shows it, without giving the answer away if that can be helped."""
    return Verdict(False, Text(en, zh))


class Exercise(Widget):
    """The widget behind `exercise`. `given` is what the reader sent, with a count so that the same can be sent again."""

    _esm = module("exercise.js")
    name = traitlets.Unicode().tag(sync=True)
    kind = traitlets.Unicode().tag(sync=True)
    prompt = traitlets.List().tag(sync=True)
    options = traitlets.List().tag(sync=True)
    hint = traitlets.List().tag(sync=True)
    given = traitlets.Dict().tag(sync=True)
    verdict = traitlets.Dict().tag(sync=True)

    def __init__(self, check: Callable[[Any], Verdict], **traits: Any) -> None:
        super().__init__(**traits)
        self._check = check
        self.observe(self._answered, "given")

    def _answered(self, change: Any) -> None:
        verdict = self.judge(str(change["new"].get("text", "")))
        why = marked(verdict.why)
        self.verdict = {"right": verdict.right, "why": why.pair, "count": change["new"].get("count", 0)}

    def judge(self, text: str) -> Verdict:
        """The verdict on what the reader typed, or on the name of the option chosen."""
        if not text.strip():
            return wrong("Nothing is filled in yet.", "还没有填写答案。")
        if self.kind == "choice":
            return self._check(text)
        try:
            numbers = read_numbers(text)
        except ValueError:
            return wrong(
                "This does not read as a number. Write 3, −0.5, 1/4, or several with spaces between them.",
                "这里需要填数字，例如 3、−0.5、1/4；多个数字之间用空格隔开。",
            )
        if self.kind == "numbers":
            return self._check(numbers)
        if len(numbers) != 1:
            return wrong(
                f"One number is asked for; here are {len(numbers)}.", f"只需要一个数，这里有 {len(numbers)} 个。"
            )
        return self._check(numbers[0])


def exercise(
    name: str,
    prompt: Text,
    check: Callable[[Any], Verdict],
    *,
    kind: Kind = "number",
    options: Mapping[str, Text] | None = None,
    hint: Text | None = None,
) -> Any:
    """An exercise as an element of the page.

    `prompt` and `hint` are Markdown. `kind` says how the answer is read: "number" gives `check` a Fraction, "numbers" a
    list of them, "choice" the key of one of `options`. Raises `UpweaveError` for options without choice, or the reverse.
    """
    if (kind == "choice") != bool(options):
        raise UpweaveError(f"exercise {name}: kind {kind!r} with {len(options or {})} options")
    return in_page(
        Exercise(
            check,
            name=name,
            kind=kind,
            prompt=marked(prompt).pair,
            options=[[key, text.pair] for key, text in (options or {}).items()],
            hint=marked(hint).pair if hint else [],
        )
    )


def practice(*, paper: bool = False) -> Any:
    """The heading over a lab's exercises; `paper` says that paper helps."""
    return both(
        f"## Exercises\n\n{'Paper helps. ' if paper else ''}The answers are computed when you ask, not looked up.",
        f"## 练习\n\n{'可以动笔算一算。' if paper else ''}答案是在您提交时当场计算的，不是事先存好的。",
    )


def read_numbers(text: str) -> list[Fraction]:
    """The numbers in a line, exactly: whole, decimal or a/b, with any minus sign and any brackets, commas or spaces
    around them. Raises `ValueError` for anything else."""
    plain = re.sub(r"[()\[\]{}（）【】]", " ", text.translate({ord("−"): "-", ord("－"): "-", ord("／"): "/"}))
    try:
        return [Fraction(part) for part in re.split(r"[\s,;，；、×x]+", plain.strip()) if part]
    except ZeroDivisionError as e:
        raise ValueError(str(e)) from e
