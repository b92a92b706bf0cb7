"""The HTML report as text: well-formed, self-contained, escaped, small."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.render.samples import SAMPLES, evil, gan, many, silenced, unet, vocoder, volume
from upweave.audit.render.html import render_html, svg, to_html
from upweave.audit.render.html.figures.alignment import alignment_figure
from upweave.audit.render.html.figures.coverage import columns_of, field, tile
from upweave.audit.render.html.figures.phases import gain_figure, phases_figure
from upweave.audit.render.html.figures.response import levels, power_along
from upweave.audit.render.html.pictures import pictures

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Reader(HTMLParser):
    """Collects tags, attributes, ids and visible text, and fails on tags that do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(k, v or "") for k, v in attrs]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(k, v or "") for k, v in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def ids(self) -> list[str]:
        return [v for k, v in self.attributes if k == "id"]

    @property
    def links(self) -> list[str]:
        return [v for k, v in self.attributes if k == "href"]


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.stack
    return reader


@pytest.mark.parametrize("name", SAMPLES)
def test_pages_are_well_formed_and_self_contained(name: str) -> None:
    page = to_html(SAMPLES[name]())
    found = read(page)
    assert len(found.ids) == len(set(found.ids))
    assert all(link.startswith("#") for link in found.links)
    assert {link[1:] for link in found.links} <= set(found.ids)
    assert not {"script", "link", "img", "iframe", "object", "embed"} & set(found.tags)
    assert not [k for k, _ in found.attributes if k.startswith("on")]
    assert not re.search(r"url\((?!#)|@import|https?://", page)
    assert "default-src 'none'" in page


@pytest.mark.parametrize("name", SAMPLES)
def test_drawings_are_xml_with_a_name(name: str) -> None:
    drawings = re.findall(r"<svg .*?</svg>", to_html(SAMPLES[name]()), flags=re.DOTALL)
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        named = root.find("title") is not None and root.get("role") == "img"
        assert named or root.get("aria-hidden") == "true"
        assert "nan" not in drawing
        assert "inf" not in re.sub(r"<title>.*?</title>|infinit\w+", "", drawing)


def test_names_are_escaped_everywhere() -> None:
    page = to_html(evil())
    assert "<script" not in page
    assert "<img" not in page
    assert "{{ 7*7 }}" in page
    assert "49" not in "".join(w for w in read(page).words if "7*7" in w)


def test_identical_layers_share_their_figures() -> None:
    page = to_html(many())
    assert page.count("<figure") < 20
    assert "alike" in page
    assert "Drawn already" in page or page.count("<article") <= 4


def test_a_long_model_is_small_and_quick() -> None:
    report = many(60)
    assert len(report.layers) == 120
    start = time.perf_counter()
    page = to_html(report)
    assert time.perf_counter() - start < 10
    assert len(page.encode()) < 3_000_000


def test_many_reports_in_one_file() -> None:
    page = render_html([gan(), vocoder(), evil(), unet()])
    found = read(page)
    assert len(found.ids) == len(set(found.ids))
    assert {link[1:] for link in found.links} <= set(found.ids)
    assert found.tags.count("h1") == 1
    assert "4 audits" in page


def test_flagged_layers_come_with_their_pictures() -> None:
    page = to_html(gan())
    for title in (
        "Taps per output, one period",
        "With its borders",
        "Alignment",
        "Gain of each phase",
        "The phases, side by side",
        "Frequency response",
        "All layers so far, together",
    ):
        assert f"<h4>{title}</h4>" in page


def test_pictures_of_the_findings_come_first() -> None:
    layer = gan().layers[0]
    assert pictures(layer, frozenset({"UW101"}))[0].title.startswith("Taps")
    assert pictures(layer, frozenset({"UW201"}))[0].title.startswith("Alignment")
    assert pictures(layer, frozenset({"UW401"}))[0].title.startswith("Gain")


def test_without_weights_nothing_is_said_about_them() -> None:
    titles = [f.title for f in pictures(vocoder().layers[0], frozenset())]
    assert "Gain of each phase" not in titles
    response = next(f for f in pictures(vocoder().layers[0], frozenset()) if f.title == "Frequency response")
    assert "not known" in response.caption


def test_three_dimensions_are_drawn() -> None:
    titles = [f.title for f in pictures(volume().layers[0], frozenset({"UW102"}))]
    assert "Taps per output, one period" in titles
    assert "The phases, side by side" in titles
    borders = next(f for f in pictures(volume().layers[0], frozenset()) if f.title == "With its borders")
    assert "0 to 1 taps" in borders.caption


def test_meetings_are_drawn() -> None:
    report = unet()
    if any(f.code == "UW202" for f in report.findings):
        assert "Where the grids meet" in to_html(report)


def test_silenced_and_clean() -> None:
    assert "1 silenced" in to_html(silenced())
    assert "Clean:" in to_html(vocoder())


def test_tile_shows_the_numbers() -> None:
    drawing = str(tile([[1, 2], [2, 4]], "label"))
    assert re.findall(r">(\d)</text>", drawing) == ["1", "2", "2", "4"]
    assert 'class="h8"' in drawing
    assert "hole" not in drawing


def test_holes_are_hatched_in_every_map() -> None:
    assert 'class="h0"' in str(tile([0, 2], "label"))
    assert 'class="h0"' in str(field(np.array([[0, 1], [1, 1]]), "label"))
    assert 'class="hole"' in str(columns_of([0, 1, 2], "label"))


def test_cells_join_runs() -> None:
    (one,) = svg.cells([[3, 3, 3]], 10, 0, 0, 3)
    assert str(one).count("M") == 1


def test_shades_are_monotonic() -> None:
    shades = [svg.shade(v, 10) for v in range(11)]
    assert shades == sorted(shades)
    assert (shades[0], shades[1], shades[10]) == (0, 1, svg.STEPS)


def test_power_along_is_the_frequency_response() -> None:
    from upweave import ConvTranspose, frequency_response, impulse_response

    spec = ConvTranspose((3, 4), (2, 2), (1, 1))
    w = np.random.default_rng(1).normal(size=(3, 2, 3, 4))
    h = impulse_response(spec, w).h
    n = 16
    full = np.abs(frequency_response(spec, w, n=n)) ** 2
    assert np.allclose(power_along(h, 0, n // 2 + 1), full.sum(axis=(0, 1))[: n // 2 + 1, 0])
    assert np.allclose(power_along(h, 1, n // 2 + 1), full.sum(axis=(0, 1))[0, : n // 2 + 1])


def test_levels_are_against_the_base_band() -> None:
    assert np.allclose(levels([4.0, 0.04]), [0, -20])
    assert np.allclose(levels([0.0, 4.0])[1], 0)


def test_alignment_names_the_shift() -> None:
    from fractions import Fraction

    centred = alignment_figure(Fraction(2), Fraction(1, 2), "centred")
    shifted = alignment_figure(Fraction(2), Fraction(0), "phase-0")
    assert "shift" not in re.sub(r"<title>.*?</title>", "", str(centred.drawing))
    assert "shift −½" in str(shifted.drawing)
    assert "½ samples before" in shifted.caption


def test_phases_are_reduced_when_there_are_too_many() -> None:
    figure = phases_figure(np.ones((8, 8, 2, 2)), np.ones((8, 8, 2, 2)), weighted=True)
    assert "One axis is shown" in figure.caption


def test_a_dead_phase_is_no_number() -> None:
    figure = gain_figure(np.array([0.0, -np.inf]), float("inf"))
    assert "dead" in figure.caption
    assert "inf" not in re.sub(r"<title>.*?</title>", "", str(figure.drawing))
