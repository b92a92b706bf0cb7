"""The parts that labs are made of."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

pytest.importorskip("marimo")

import upweave
from upweave.errors import SpecError, UpweaveError
from upweave.labs.kit import Choice, Slider, Text, both, controls, exercise, number, paths, right, same, show, wrong
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
