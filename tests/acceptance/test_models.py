"""Sound models stay clean and flawed ones are named, as PyTorch modules and as the ONNX files exported from them."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

import upweave  # noqa: E402
from upweave.audit import Config, Level, Report, all_rules  # noqa: E402

from .flawed import FLAWED  # noqa: E402
from .sound import SOUND  # noqa: E402

UNEVEN_BY_CHOICE = {"phase_0_autoencoder_odd", "phase_0_autoencoder_even", "phase_0_unet"}
"""k3 s2 layers behind the encoder they undo: uneven, and no grid is off."""

ONNX_ONLY = {"UW601", "UW902"}
"""What no PyTorch module has: implicit padding, and what the configuration adds."""


def both_routes(factory: Any, shape: tuple[int, ...], folder: Path) -> tuple[Report, Report]:
    torch.manual_seed(0)
    model = factory().eval()
    module = upweave.audit(model, [shape], config=Config())
    path = folder / "model.onnx"
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(model, (torch.randn(shape),), path, dynamo=False)
    finally:
        logging.disable(logging.NOTSET)
    return module, upweave.audit(path, config=Config())


def codes(report: Report) -> set[str]:
    return {f.code for f in report.findings}


@pytest.mark.parametrize("name", SOUND)
def test_sound_models_raise_no_alarm(name: str, tmp_path: Path) -> None:
    factory, shape = SOUND[name]
    module, file = both_routes(factory, shape, tmp_path)
    assert codes(module) == codes(file)
    for report in (module, file):
        alarms = [f for f in report.findings if f.level > Level.NOTE or f.code.startswith(("UW1", "UW2", "UW9"))]
        if name in UNEVEN_BY_CHOICE:
            assert {f.code for f in alarms} == {"UW101", "UW104", "UW105"}
        else:
            assert alarms == []


@pytest.mark.parametrize("name", FLAWED)
def test_flawed_models_are_named(name: str, tmp_path: Path) -> None:
    factory, shape, want = FLAWED[name]
    module, file = both_routes(factory, shape, tmp_path)
    assert want <= codes(module)
    assert codes(module) == codes(file)


def test_every_rule_has_its_model() -> None:
    assert set().union(*(want for _, _, want in FLAWED.values())) == set(all_rules()) - ONNX_ONLY


def test_a_square_layer_that_is_no_transform_still_lets_images_through() -> None:
    layer = torch.nn.ConvTranspose1d(32, 16, 2, 2, groups=16, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[1.0, 0.1]], [[1.0, 0.2]]]).repeat(16, 1, 1))
    assert "UW402" in codes(upweave.audit(layer, [(1, 32, 16)], config=Config()))
