"""What the guides say of the study in their own words, with its numbers, is what the results say."""

from __future__ import annotations

import re
import statistics
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("scipy")

from bench import results
from bench.remedies import phrase, study
from bench.remedies.claim import PATTERN_END, PATTERN_START
from bench.remedies.paired import at_end, difference, level, of
from bench.remedies.study import Study

DOCS = Path(__file__).resolve().parents[2] / "docs"
SR, AE, GAN = study.TASKS
PLAIN = ("k3s2", "k4s2", "k3s2-widened", "shuffle")
"""What the page on the evidence repairs after training."""


@pytest.fixture(scope="module")
def found() -> Study:
    return study.load(results.FOLDER / study.FILE)


def section(page: str, heading: str) -> str:
    """A section of a page, in one line."""
    text = (DOCS / page).read_text(encoding="utf-8")
    (body,) = re.findall(rf"^## {heading}\n(.*?)^## ", text, re.DOTALL | re.MULTILINE)
    return re.sub(r"\s+", " ", body)


def left(found: Study, task: str, part: str) -> float:
    """What is left of the pattern's power when one upsampler, or all, are made equal: the median over networks."""
    return statistics.median(1 - c.shares[part] for r in PLAIN for c in found.of(task, r).values())


def quoted(found: Study) -> list[str]:
    """The sentences of docs/nn/remedies.md that hold numbers, as far as they hold them."""

    def ends(task: str, remedy: str) -> str:
        return f"{phrase.level(of(found, task, remedy, PATTERN_END))} dB"

    def gap(task: str, remedy: str, other: str, key: str) -> str:
        value = PATTERN_END if key == "pattern" else at_end(key)
        return phrase.gap(difference(found, task, remedy, other, value), 2 if key == "psnr" else 1)

    def gains(task: str, remedy: str) -> str:
        return phrase.percent(of(found, task, remedy, at_end("gains")).mean)

    early = min(n for n in next(iter(found.of(GAN, "shuffle-icnr").values())).states if n)
    at_first = of(found, GAN, "shuffle-icnr", level(lambda c: c.states[early]["pattern"]))
    one, two, three, every = (phrase.small(left(found, AE, k)) for k in ("0", "1", "2", "together"))
    return [
        f"with kernel 4 the autoencoder ends at {ends(AE, 'k4s2-equal')} against {ends(AE, 'k4s2')} without, the "
        f"generator at {ends(GAN, 'k4s2-equal')} against {ends(GAN, 'k4s2')}",
        f"with kernel 3 in super-resolution: {gap(SR, 'k3s2-equal', 'k3s2', 'psnr')} dB of PSNR",
        f"for the worse, {gap(GAN, 'k4s2', 'k3s2', 'pattern')} dB in the generator",
        f"gave {gap(SR, 'k3s2-widened', 'k3s2', 'psnr').removeprefix('+')} dB of PSNR in super-resolution",
        f"at {phrase.level(of(found, GAN, 'shuffle-icnr', PATTERN_START))} dB before training, at "
        f"{phrase.level(at_first)} dB after {early} steps, and at {ends(GAN, 'shuffle-icnr')} in the end",
        f"an advantage of {gap(AE, 'shuffle-icnr', 'shuffle', 'pattern').removeprefix('−')} dB",
        f"{gains(AE, 'k4s2-penalty')} of the gains' size differs between phases in the autoencoder and "
        f"{gains(GAN, 'k4s2-penalty')} in the generator; without, {gains(AE, 'k4s2')} and {gains(GAN, 'k4s2')}",
        f"lowest of all, {ends(GAN, 'bilinear-conv')} in the generator, nearest at {ends(GAN, 'nearest-conv')}",
        f"and detail: {gap(SR, 'bilinear-conv', 'nearest-conv', 'psnr').removeprefix('−')} dB of PSNR",
        f"multiplied the power of the pattern by {one}, {two} or {three} (first, second, last; medians), in all three "
        f"at once by {every}",
        f"the first alone left {phrase.small(left(found, GAN, '0'))} of it, and all at once "
        f"{phrase.small(left(found, GAN, 'together'))}",
    ]


def test_the_page_on_remedies_quotes_the_results(found: Study) -> None:
    text = section("nn/remedies.md", "In trained networks")
    expected = quoted(found)
    for sentence in expected:
        assert sentence in text
    # and nothing else: every decimal of the section is in one of them
    assert set(re.findall(r"\d+\.\d+", text)) <= set(re.findall(r"\d+\.\d+", " ".join(expected)))


def test_what_is_said_without_numbers_holds(found: Study) -> None:
    """Of docs/nn/remedies.md, docs/howto/*.md, and the explanations of UW101, UW401, UW502 and equal-phase-gain."""
    for task in (SR, AE, GAN):
        for remedy in ("k3s2-equal", "k4s2-equal", "shuffle-equal"):
            assert of(found, task, remedy, at_end("flat")).mean < 1e-3  # constants are clear
        assert difference(found, task, "k4s2", "k3s2", PATTERN_END).sign >= 0  # an even kernel has no weaker pattern
        assert difference(found, task, "k3s2-widened", "k3s2", PATTERN_END).sign == 0
        assert difference(found, task, "k4s2-penalty", "k4s2-equal", PATTERN_END).mean > 0  # a penalty leaves more
        lowest = of(found, task, "bilinear-conv", PATTERN_END).mean
        others = [r for r in dict.fromkeys(c.remedy for c in found.cells) if r != "bilinear-conv"]
        assert all(lowest <= of(found, task, r, PATTERN_END).mean + 1e-6 for r in others)
        assert of(found, task, "shuffle-icnr", at_end("gains")).mean > 0.1  # training moves the phases apart again
    assert of(found, SR, "k4s2-equal", PATTERN_END).mean < -59.9
    for task in (AE, GAN):
        for remedy in ("k4s2", "shuffle"):
            assert difference(found, task, f"{remedy}-equal", remedy, PATTERN_END).sign < 0  # a weaker one, ...
            assert of(found, task, f"{remedy}-equal", at_end("found")).mean > 0.5  # ... not none
    assert min(left(found, AE, k) for k in ("0", "1", "2")) > 5  # one layer alone: many times stronger
    assert 0.5 < left(found, AE, "together") < 2  # all: about as strong
    assert left(found, GAN, "together") < 0.05  # in generators little is left
    for remedy in ("k4s2", "shuffle"):
        for task in (SR, AE):
            psnr = difference(found, task, f"{remedy}-equal", remedy, at_end("psnr"))
            assert psnr.sign >= 0
    gap = difference(found, GAN, "shuffle-icnr", "shuffle", PATTERN_END)
    assert abs(gap.mean) < 1
    assert gap.sign == 0
