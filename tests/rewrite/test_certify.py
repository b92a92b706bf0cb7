"""The comparison behind every rewrite: it must find what is wrong, and say where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from upweave.errors import SpecError
from upweave.rewrite.certify import Certificate, certify, difference


def picture(**changes: float) -> dict[str, Any]:
    y = np.ones((1, 2, 64, 64), np.float32)
    for where, value in changes.items():
        y[0, 1, *{"corner": (0, 63), "middle": (31, 32)}[where]] = value
    return {"y": y}


def test_equal_outputs_are_equal_nan_and_infinity_included() -> None:
    a = {"y": np.array([1.0, np.nan, np.inf, -np.inf])}
    found = difference(a, {"y": a["y"].copy()})
    assert (found.relative, found.max_abs) == (0, 0)


@pytest.mark.parametrize(("where", "place"), [("corner", "border"), ("middle", "interior")])
def test_the_largest_difference_is_placed(where: str, place: str) -> None:
    found = difference(picture(), picture(**{where: 1.5}))
    assert found.max_abs == 0.5
    assert found.relative == pytest.approx(0.5 / np.sqrt(2 * 64 * 64))
    assert (found.output, found.place) == ("y", place)
    assert found.index == (0, 1, *((0, 63) if where == "corner" else (31, 32)))


@pytest.mark.parametrize(
    ("got", "reason"),
    [
        ({"y": np.ones((1, 2, 64, 63))}, "shape"),
        ({"z": np.ones((1, 2, 64, 64))}, "missing"),
        (picture(corner=np.nan), "nan"),
        (picture(middle=-np.inf), "-inf"),
    ],
)
def test_what_cannot_be_compared_has_failed(got: Any, reason: str) -> None:
    found = difference(picture(), got)
    assert found.relative == np.inf
    assert reason in found.reason


def test_a_certificate_passes_only_if_something_was_compared_and_all_agreed() -> None:
    def old(x: Any) -> dict[str, Any]:
        if len(x) % 2:
            raise ValueError("odd sizes are not for this model")
        return {"y": np.asarray(x, np.float32)}

    even = [("two", [1.0, 2.0]), ("three", [1.0, 2.0, 3.0]), ("four", [1.0] * 4)]
    same = certify(old, old, even)
    assert same.passed
    assert [t.inputs for t in same.trials] == ["two", "four"]  # what the original refuses is no trial
    assert not certify(old, old, [("three", [1.0] * 3)]).passed
    assert not Certificate(()).passed
    near = certify(old, lambda x: {"y": np.asarray(x) * (1 + 5e-6)}, even)
    assert near.passed
    assert near.worst is not None
    assert near.worst.difference.relative == pytest.approx(5e-6, rel=0.1)
    far = certify(old, lambda x: {"y": np.asarray(x) * (1 + 5e-5)}, even)
    assert not far.passed
    assert "2 of 2 comparisons failed" in str(far)
    assert not far.as_json()["trials"][0]["passed"]


def test_a_rewritten_model_that_fails_to_run_has_failed() -> None:
    def broken(_: Any) -> dict[str, Any]:
        raise RuntimeError("no kernel\nand more")

    found = certify(lambda x: {"y": x}, broken, [("x", np.ones(3))])
    assert not found.passed
    assert "no kernel" in str(found)
    assert "and more" not in str(found)


def test_an_unknown_dtype_needs_a_limit() -> None:
    with pytest.raises(SpecError, match="int8"):
        certify(lambda x: x, lambda x: x, [], "int8")
