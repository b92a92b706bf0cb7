"""The parts that labs are made of."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

pytest.importorskip("marimo")

import upweave
from upweave.errors import SpecError, UpweaveError
from upweave.labs.kit import (
    Choice,
    Panel,
    Slider,
    Text,
    both,
    controls,
    exercise,
    facts,
    figure,
    number,
    paths,
    right,
    same,
    show,
    wrong,
)
from upweave.labs.kit.exercise import read_numbers
from upweave.labs.kit.links import find
from upweave.labs.kit.page import index_page, theory_page


def test_a_missing_translation_is_an_error() -> None:
    with pytest.raises(UpweaveError, match="no Chinese"):
        Text("words", " ")
    with pytest.raises(UpweaveError, match="no English"):
        both("", "字")
    with pytest.raises(TypeError):
        both("words")  # type: ignore[call-arg]


def test_numbers_lead_to_their_function() -> None:
    text = number(np.array([5, 4]), "upweave.coverage")
    assert ">[5, 4]<" in text
    assert 'href="../theory/upweave.coverage.html"' in text
    for name in ("upweave.nothing", "upweave.theory", "numpy.sum", "upweave.cli.main._x"):
        with pytest.raises(UpweaveError):
            number(1, name)
    assert find("upweave.theory.adjoint.adjoint")(upweave.ConvTranspose(3, 2)) == upweave.Conv(3, 2)
    assert "taps t with d·t" in theory_page("upweave.coverage")
    assert "matrix/index.html" in index_page()


@pytest.mark.parametrize(
    ("value", "text"),
    [(-1, "−1"), (0.25, "0.25"), (1e-16, "0"), (float("inf"), "∞"), ((3, 5), "(3, 5)"), (1234567.0, "1.235·10^6")],
)
def test_show(value: object, text: str) -> None:
    assert show(value) == text


def test_read_numbers() -> None:
    assert read_numbers("(3, −5) 1/4 0.25，2") == [3, -5, Fraction(1, 4), Fraction(1, 4), 2]
    for bad in ("three", "1//2", "1/0"):
        with pytest.raises(ValueError, match="Fraction"):
            read_numbers(bad)


def test_controls_refuse_what_they_cannot_show() -> None:
    with pytest.raises(UpweaveError, match="is not between"):
        controls(Slider("k", same("k"), 1, 4, 9))
    with pytest.raises(UpweaveError, match="none of"):
        controls(Choice("m", same("m"), {"a": same("a")}, "b"))
    with pytest.raises(UpweaveError, match="same name"):
        controls(Slider("k", same("k"), 1, 4, 2), Slider("k", same("k"), 1, 4, 2))


def test_exercises_judge() -> None:
    def check(n: Fraction):
        return right("yes", "对") if n == 3 else wrong("no", "不对")

    asked = exercise("three", Text("Three?", "三？"), check)
    asked.widget.given = {"text": "3", "count": 1}
    assert asked.widget.verdict["right"] is True
    asked.widget.given = {"text": "6/2", "count": 2}
    assert asked.widget.verdict["right"] is True
    asked.widget.given = {"text": "2", "count": 3}
    assert asked.widget.verdict == {"right": False, "why": ["<p>no</p>", "<p>不对</p>"], "count": 3}
    for text in ("1/0", "3 3", "x", ""):
        assert not asked.widget.judge(text).right
    with pytest.raises(UpweaveError, match="options"):
        exercise("none", Text("?", "？"), check, kind="choice")


@given(k=st.integers(1, 6), s=st.integers(1, 4), p=st.integers(0, 3), d=st.integers(1, 3), h=st.integers(1, 8))
def test_paths_are_the_definition(k: int, s: int, p: int, d: int, h: int) -> None:
    layer = upweave.ConvTranspose(k, s, p, 0, d)
    try:
        out = upweave.output_size(layer, h)
    except SpecError:
        assume(False)
    found = paths(layer, h)
    wanted = {(i, t, s * i + d * t - p) for i in range(h) for t in range(k) if 0 <= s * i + d * t - p < out}
    assert set(zip(found.inputs, found.taps, found.outputs, strict=True)) == wanted
    assert len(found.inputs) == len(wanted)
    assert found.shape == (out, h)
    for i, t, n in wanted:
        (j,) = found.entry(n, i)
        assert found.taps[j] == t
        assert j in found.of_input(i) and j in found.of_tap(t) and j in found.of_output(n)  # noqa: PT018


def test_a_figure_is_drawn_where_it_differs() -> None:
    drawn: list[int] = []

    def draw(n: int) -> list[Panel]:
        drawn.append(n)
        panel = Panel(same(f"panel {n}"), 10, 10)
        panel.rect(0, 0, np.float64(1 / 3), 1, on=[n], name="a")
        return [panel]

    made = figure().widget
    for n in (1, 1, 2, 2):
        made.show_of(("value", n), lambda n=n: draw(n))
    assert drawn == [1, 2]
    (panel,) = (json.loads(p) for p in made.panels)
    assert panel["title"] == ["panel 2", "panel 2"]
    assert panel["marks"] == [{"m": "rect", "x": 0, "y": 0, "w": 0.33, "h": 1, "on": [[2]], "name": "a"}]
    # where there is a problem nothing is made, and what was there is made again afterwards
    made.show_unless(Text("no", "不行"), lambda: draw(3))
    assert (made.panels, made.message) == ([], ["no", "不行"])
    made.show_of(("value", 2), lambda: draw(2))
    made.show_unless(None, lambda: draw(4))
    made.show_of(("value", 2), lambda: draw(2))
    assert drawn == [1, 2, 2, 4, 2]
    assert made.message == []


def test_facts_stand_in_both_languages() -> None:
    rows = [(Text("size <", "尺寸"), number(7, "upweave.coverage")), (Text("ways", "路径"), Text("1 to 2", "1 至 2"))]
    text = facts(rows, Text("below", "下方")).text
    en, zh = text.split('<div class="zh"')
    assert "size &lt;</td><td><a" in en
    assert "<td>1 to 2</td>" in en
    assert "<p>below</p>" in en
    assert "路径</td><td>1 至 2</td>" in zh
    assert zh.count('data-number="upweave.coverage">7<') == en.count('data-number="upweave.coverage">7<') == 1


@given(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2), st.integers(1, 5))
def test_paths_are_found_by_either_end(k: int, s: int, p: int, d: int, size: int) -> None:
    spec = upweave.ConvTranspose(k, s, p, 0, d)
    assume(s * (size - 1) - 2 * p + d * (k - 1) >= 0)
    table = paths(spec, size)
    for of, values in ((table.of_input, table.inputs), (table.of_tap, table.taps), (table.of_output, table.outputs)):
        for v in {*values, 99}:
            assert of(v) == [j for j, other in enumerate(values) if other == v]
    for j, (n, i) in enumerate(zip(table.outputs, table.inputs, strict=True)):
        assert table.entry(n, i) == [j]
