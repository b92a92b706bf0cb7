from __future__ import annotations

import json
import math

import pytest

import upweave
from bench import layers
from upweave.errors import SpecError

ALL = layers.load()
RAW = {entry["name"]: entry for entry in json.loads(layers.TABLE.read_text())}


def test_there_is_a_row_for_every_entry():
    assert [layer.name for layer in ALL] == list(RAW)
    assert {layer.problem.rank for layer in ALL} == {1, 2, 3}
    assert len(layers.select(ALL, core=True)) == sum(entry["core"] for entry in RAW.values()) > 30


@pytest.mark.parametrize("layer", ALL, ids=lambda layer: layer.name)
def test_a_row_is_the_problem_it_says(layer):
    raw, p = RAW[layer.name], layer.problem
    for key in ("batch", "c_in", "c_out", "groups"):
        assert getattr(p, key) == raw[key]
    for key in ("size", "kernel", "stride", "padding", "output_padding", "dilation"):
        assert list(getattr(p, key)) == raw[key]
    spec = upweave.ConvTranspose(p.kernel, p.stride, p.padding, p.output_padding, p.dilation, p.groups)
    assert p.out == upweave.output_size(spec, p.size)
    assert layer.bytes == 4 * (
        math.prod(p.input_shape) + math.prod(p.output_shape) + p.c_in * p.c_out // p.groups * math.prod(p.kernel)
    )


def test_select_by_pattern_and_core():
    names = [layer.name for layer in layers.select(ALL, pattern="hifigan*, unet_up?")]
    assert names == ["unet_up1", "unet_up4", "hifigan_v1_up0", "hifigan_v1_up3"]
    assert all(layer.core for layer in layers.select(ALL, core=True))
    with pytest.raises(ValueError, match="no core row matches 'dcgan_in'"):
        layers.select(ALL, core=True, pattern="dcgan_in")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"groups": 3}, SpecError),
        ({"output_padding": [9]}, SpecError),
        ({"dims": 2}, ValueError),
        ({"pad": 1}, TypeError),
    ],
)
def test_a_row_that_makes_no_layer_raises(tmp_path, change, error):
    table = tmp_path / "layers.json"
    table.write_text(json.dumps([{**RAW["mimi_dw_up"], **change}]))
    with pytest.raises(error):
        layers.load(table)


def test_a_name_twice_raises(tmp_path):
    table = tmp_path / "layers.json"
    table.write_text(json.dumps([RAW["mimi_dw_up"]] * 2))
    with pytest.raises(ValueError, match="mimi_dw_up more than once"):
        layers.load(table)
