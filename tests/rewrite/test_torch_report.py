"""The report of an accelerated module: its numbers against numbers counted by hand, and the ways it is shown."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import upweave
from tests.render.test_html import read
from upweave.errors import UpweaveError
from upweave.ops import native
from upweave.rewrite.cost import Price
from upweave.rewrite.torch import spent
from upweave.rewrite.torch.choose import choose
from upweave.rewrite.torch.decisions import Decisions, Way, apply
from upweave.rewrite.torch.observe import observe
from upweave.rewrite.torch.work import work_of

from .models import MODELS, made
from .test_torch_accelerate import everything

needs_core = pytest.mark.skipif(not native.available(), reason="needs the native core")


def tail(channels: int = 4, out: int = 8) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, out, 3, padding=1), nn.ReLU()).eval()


def accelerated(model: nn.Module, x: Any, **more: Any) -> Any:
    return upweave.accelerate(model, x, measure=False, **more).report


def test_a_fold_counted_by_hand() -> None:
    report = accelerated(tail(), torch.randn(1, 4, 5, 6))
    small, large, out = 4 * 30, 4 * 120, 8 * 120
    kernel, folded, bias, relu = 4 * 8 * 9, 4 * 8 * 16, 8, 2 * out
    before = (small + large) + (large + kernel + bias + out) + relu
    assert report.before == Price(0.0, 120 * kernel, 4 * before, 4 * (kernel + bias))
    after = small + folded + bias + out + relu
    assert report.after == Price(0.0, 30 * folded, 4 * after, 4 * (folded + bias))
    ((old, new),) = report.prices
    assert old == Price(0.0, 120 * kernel, 4 * (before - relu), 4 * (kernel + bias))
    assert new == Price(0.0, 30 * folded, 4 * (after - relu), 4 * (folded + bias))
    assert report.multiplies == (old.multiplies, new.multiplies)


def test_what_commutes_with_a_resize_moves_less() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Upsample(scale_factor=2),
        nn.SiLU(),
        nn.Conv2d(4, 4, 1, bias=False),
        nn.Conv2d(4, 8, 3, padding=1, bias=False),
    ).eval()
    report = accelerated(model, torch.randn(2, 4, 3, 5))
    small, large, out = 2 * 4 * 15, 2 * 4 * 60, 2 * 8 * 60
    before = small + large + 2 * large + (2 * large + 16) + (large + 288 + out)
    after = 2 * small + (2 * small + 16) + (small + 512 + out)
    assert report.before == Price(0.0, 2 * 60 * (16 + 288), 4 * before, 4 * (16 + 288))
    assert report.after == Price(0.0, 2 * 15 * (16 + 512), 4 * after, 4 * (16 + 512))


def test_a_skip_is_no_longer_copied_into_a_concatenation() -> None:
    class Join(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(6, 8, 3, padding=1, bias=False)

        def forward(self, x: Tensor, skip: Tensor) -> Tensor:
            y: Tensor = self.conv(torch.cat([F.interpolate(x, scale_factor=2), skip], 1))
            return y

    torch.manual_seed(0)
    report = accelerated(Join().eval(), (torch.randn(1, 4, 4, 4), torch.randn(1, 2, 8, 8)))
    small, large, skip, out = 64, 256, 128, 512
    before = small + large + 2 * (large + skip) + (large + skip + 432 + out)
    # Both convolutions write an output; the second is added to the first in place.
    after = (small + 512 + out) + (skip + 144 + out) + 3 * out
    assert report.before == Price(0.0, 64 * 432, 4 * before, 4 * 432)
    assert report.after == Price(0.0, 16 * 512 + 64 * 144, 4 * after, 4 * (512 + 144))


@needs_core
def test_normalisation_and_activation_in_the_pass_of_a_convolution_move_nothing() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.ConvTranspose2d(8, 4, 4, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU()).eval()
    report = accelerated(model, torch.randn(1, 8, 5, 5))
    x, w, y = 8 * 25, 8 * 4 * 16, 4 * 100
    assert report.before == Price(0.0, 25 * w, 4 * ((x + w + y) + (2 * y + 4 * 4) + 2 * y), 4 * (w + 4 * 4))
    assert report.after == Price(0.0, 25 * w, 4 * (x + w + 4 + y), 4 * (w + 4))


def test_the_copy_back_from_channels_last_is_counted() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU()).eval(), torch.randn(1, 4, 5, 6)
    report = accelerated(model, x, channels_last=True)
    assert report.chosen == "channels-last"
    assert report.owned == 4 * 4 * 8 * 9
    assert report.after == Price(0.0, report.before.multiplies, report.before.bytes + 4 * 2 * 8 * 30, 4 * (288 + 8))
    assert any("are its own" in note for note in report.page().notes)


@needs_core
def test_a_convolution_of_stride_one_counts_the_same_and_makes_fewer_products() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(32, 32, 3)).eval()
    x = torch.randn(1, 32, 34, 34)
    new = apply(model, Decisions({}, {"0": Way(plain="native")}))
    old, now = work_of(model, ((x,), {})), work_of(new, ((x,), {}))
    assert old.total == now.total
    assert old.products == old.total.multiplies == 32 * 32 * 9 * 32 * 32
    assert now.products == pytest.approx(old.products / 4, rel=0.2)


@pytest.mark.parametrize("name", MODELS)
def test_of_a_model_as_it_is_pytorch_counts_the_same(name: str) -> None:
    model, x = made(name)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(x)
    assert 2 * work_of(model, ((x,), {})).total.multiplies == counter.get_total_flops()


@needs_core
def test_a_normalised_weight_is_counted_with_its_layer() -> None:
    report = accelerated(*made("hifigan"))
    layers = [(c, *p) for c, p in zip(report.choices, report.prices, strict=True) if c.rewrite == "conv-transpose"]
    assert layers
    for choice, old, new in layers:
        assert choice.applies
        assert old.multiplies == new.multiplies == choice.multiplies
        assert new.weights > 0


def test_a_module_that_is_left_alone_has_no_table() -> None:
    report = accelerated(nn.Sequential(nn.Linear(3, 5)).eval(), torch.randn(2, 3))
    assert report.before == report.after == Price(0.0, 30, 4 * (6 + 15 + 5 + 10), 4 * 20)
    page = report.page()
    assert (page.rows, page.headline) == ((), "nothing to rewrite")
    assert "nothing to rewrite" in report.to_html()


def test_every_form_says_the_same() -> None:
    model = tail()
    report = accelerated(model, torch.randn(1, 4, 5, 6))
    text, page = str(report), report.to_html()
    for said in ("34.6 k", "15.4 k", "2.25×", "fold-nearest", "same outputs in"):
        assert said in text, said
        assert said in page, said
        assert said in report._repr_html_() or said in ("34.6 k", "15.4 k")
    found = json.loads(report.to_json())
    assert found == json.loads(json.dumps(report.as_json()))
    assert found["before"] == {"seconds": 0.0, "multiplies": 34560, "bytes": 17024, "weights": 1184}
    assert found["after"]["multiplies"] == 15360
    (layer,) = found["layers"]
    assert (layer["path"], layer["rewrite"], layer["applied"]) == ("1", "fold-nearest", True)
    assert layer["before"]["multiplies"] == layer["multiplies"]


def test_pages_are_well_formed_and_self_contained_whatever_things_are_called() -> None:
    evil = type("<script>alert(1)</script>", (nn.Sequential,), {})
    model = evil()
    model.add_module('"><img src=x onerror=alert(1)>{{ 7*7 }}', nn.Upsample(scale_factor=2))
    model.add_module("<b>&conv", nn.Conv2d(4, 8, 3, padding=1))
    report = accelerated(model.eval(), torch.randn(1, 4, 5, 6))
    assert report.chosen
    page = report.to_html()
    found = read(page)
    assert not {"script", "link", "img", "iframe", "object", "embed", "b"} & set(found.tags)
    assert not [k for k, _ in found.attributes if k.startswith("on")]
    assert not re.search(r"url\((?!#)|@import|https?://", page)
    assert "default-src 'none'" in page
    assert any("<b>&conv" in word for word in found.words)
    assert any("<script>alert(1)</script>" in word for word in found.words)
    cell = read(f"<html><body>{report._repr_html_()}</body></html>")
    assert not {"script", "img"} & set(cell.tags)
    assert any("<b>&conv" in word for word in cell.words)


def test_reports_are_saved_in_the_format_of_the_suffix(tmp_path: Path) -> None:
    report = accelerated(tail(), torch.randn(1, 4, 5, 6))
    for name, start in (("r.html", "<!doctype html>"), ("r.json", "{"), ("r.txt", "Sequential: 1 rewrite")):
        assert report.save(tmp_path / name).read_text().startswith(start)
    with pytest.raises(UpweaveError, match="exists"):
        report.save(tmp_path / "r.html")
    report.save(tmp_path / "r.html", force=True)
    with pytest.raises(UpweaveError, match="no format belongs to the suffix"):
        report.save(tmp_path / "r.pdf")


# -- times ---------------------------------------------------------------------------------------------------------


def test_shares_are_parts_of_the_models_own_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by one when it is read: two resizes and three convolutions take 1 each, the whole 11."""
    ticks = itertools.count()
    monkeypatch.setattr(spent, "now", lambda: float(next(ticks)))
    model, x = made("tail")
    found = spent.spent_in(model, ((x,), {}), 40)
    assert found.whole == 11
    up1, up2, last = (tuple(w.shape) for w in (model.up1.weight, model.up2.weight, model.last.weight))
    assert found.shares == {
        ("", (), ()): pytest.approx(2 / 11), ("up1", up1, (1, 8, 18, 16)): pytest.approx(1 / 11),
        ("up2", up2, (1, 8, 36, 32)): pytest.approx(1 / 11), ("last", last, (1, 8, 36, 32)): pytest.approx(1 / 11),
    }  # fmt: skip
    seen, _ = observe(model, ((x,), {}))
    shares = {c.path: c.share for c in choose(seen, False, 0, found)}
    assert shares == {p: pytest.approx(n / 11) for p, n in (("up1", 2), ("up2", 2), ("last", 1))}


@pytest.mark.parametrize("name", ["tail", "skips", "dcgan", "shared"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_layers_take_no_more_than_the_whole(name: str, channels_last: bool) -> None:
    model, x = made(name)
    report: Any = upweave.accelerate(model, x, seconds=0.2, channels_last=channels_last).report
    whole = report.times["original"]
    assert all(c.share > 0 for c in report.choices)
    assert sum(c.share for c in report.choices) <= 1
    assert sum(before.seconds for before, _ in report.prices) <= whole
    assert report.share is None or 0 < report.share <= 1
    for c in report.choices:
        for way, t in c.within(whole).items():
            assert t == pytest.approx(c.share * whole * c.times[way] / c.alone)
    layers = report.as_json()["layers"]
    assert all(layer["share"] == c.share for layer, c in zip(layers, report.choices, strict=True))


def test_a_convolution_whose_output_is_read_twice_runs_once() -> None:
    model, x = made("read twice")
    new = everything(model, x)
    assert work_of(new, ((x,), {})).total.multiplies == work_of(model, ((x,), {})).total.multiplies
