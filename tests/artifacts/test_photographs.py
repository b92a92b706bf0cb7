"""Natural pictures: clean ones and ones with a checkerboard 30 dB below their variance are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from tests.artifacts.signals import pattern, photographs, tiled
from upweave.artifacts import score

CROP = 192


def auc(clean: list[float], spoilt: list[float]) -> float:
    """The chance that a spoilt picture scores above a clean one, ties by halves."""
    a, b = np.array(clean)[:, None], np.array(spoilt)[None, :]
    return float(((b > a) + 0.5 * (b == a)).mean())


def test_the_area_is_what_it_says() -> None:
    assert auc([0, 1], [2, 3]) == 1
    assert auc([2, 3], [0, 1]) == 0
    assert auc([1, 1], [1, 1]) == 0.5


@pytest.mark.parametrize("stride", [2, 3, 4])
def test_checkerboards_at_30_dB_are_told_from_clean_photographs(stride: int) -> None:
    """Crops at places, and patterns, that nothing was tuned on; each crop's own variance is the 0 dB."""
    rng = np.random.default_rng(20240517)
    clean, spoilt, levels = [], [], []
    for name, picture in photographs().items():
        x = picture.astype(float)
        for _ in range(8):
            top, left = (int(rng.integers(0, n - CROP + 1)) for n in x.shape[-2:])
            crop = x[..., top : top + CROP, left : left + CROP]
            variance = crop.var(axis=(-1, -2)).mean()
            if variance < 1:  # an empty sky of one colour has no contrast for a pattern to be 30 dB below
                continue
            p = pattern((stride, stride), int(rng.integers(1 << 30)))
            bad = crop + np.sqrt(variance * 1e-3) * tiled(p, (CROP, CROP))
            one, other = score(crop, stride), score(bad, stride)
            clean.append(float(one.fraction))
            spoilt.append(float(other.fraction))
            levels.append((name, float(other.decibels)))
    assert len(clean) >= 90
    assert auc(clean, spoilt) >= 0.99
    assert np.median([v for _, v in levels]) == pytest.approx(-30, abs=0.5)
