"""Files as PyTorch's exporter writes them: rewritten for every target, the same at sizes that nobody gave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from examples.export import quiet
from upweave.rewrite.cost import TARGETS
from upweave.rewrite.onnx.run import rewrite_file

from .files import SPEED, identities, ops, run


class Decoder(nn.Module):
    """What decoders are made of: a skip, a gate, reflection, normalisations, both kinds of upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 64, 3, 2, 1)
        self.up = nn.Upsample(scale_factor=2)
        self.join = nn.Conv2d(64 + 3, 64, 3, padding=1)
        self.norm = nn.GroupNorm(8, 64)
        self.transposed = nn.ConvTranspose2d(64, 32, 3, 2, 1, 1)
        self.batch = nn.BatchNorm2d(32)
        self.end = nn.Sequential(nn.Upsample(scale_factor=2), nn.SiLU(), nn.ReflectionPad2d(1), nn.Conv2d(32, 3, 3))
        nn.init.normal_(self.batch.running_mean)
        nn.init.uniform_(self.batch.running_var, 0.5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.join(torch.cat([self.up(self.down(x)), x], 1))
        y = torch.relu(self.norm(y))
        return self.end(torch.relu(self.batch(self.transposed(y))))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Decoder]:
    torch.manual_seed(0)
    module = Decoder().eval()
    path = tmp_path_factory.mktemp("exported") / "decoder.onnx"
    axes = {"x": {0: torch.export.Dim("batch"), 2: 2 * torch.export.Dim("h"), 3: 2 * torch.export.Dim("w")}}
    with quiet():
        torch.onnx.export(
            module, (torch.zeros(2, 3, 32, 48),), path, dynamo=True, external_data=False, verbose=False,
            dynamic_shapes=axes, input_names=["x"],
        )  # fmt: skip
    return path, module


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_a_decoder_for_every_target(exported: tuple[Path, Decoder], target: str) -> None:
    path, module = exported
    shapes = {"x": (1, 3, 32, 48)}
    found = rewrite_file(path, SPEED, target=target, shapes=shapes, measure=False)
    assert {"commute-resize", "fold-nearest-resize"} <= set(identities(found))
    assert "Resize" not in ops(found.model) or "split-concat" not in identities(found)
    assert found.report.warnings == ()
    assert found.report.certificate is not None
    assert found.report.certificate.passed
    for size in ((1, 3, 32, 48), (3, 3, 18, 26)):
        x = torch.randn(size)
        with torch.no_grad():
            want = module(x).numpy()
        (got,) = run(found.model, {"x": x.numpy()}).values()
        assert np.linalg.norm(got - want) < 1e-5 * np.linalg.norm(want)
