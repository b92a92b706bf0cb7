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


class ChannelsLast(nn.Module):
    """A block as ConvNeXt has it behind a resize: channels last, a layer normalisation, matrices, and back."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=2)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.conv = nn.Conv2d(width, 16, 3, padding=1)
        nn.init.normal_(self.norm.weight)
        nn.init.normal_(self.norm.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.up(x)
        y = self.norm(x.permute(0, 2, 3, 1))
        y = self.narrow(nn.functional.gelu(self.wide(y))).permute(0, 3, 1, 2)
        return self.conv(x + y)


class Normalised(ChannelsLast):
    """The normalisation alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.norm(self.up(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


@pytest.mark.parametrize("kind", [ChannelsLast, Normalised])
@pytest.mark.parametrize(("dynamo", "opset"), [(True, 18), (False, 17), (False, 13)])
def test_a_resize_moves_behind_what_runs_with_the_channels_last(
    tmp_path: Path, kind: type[ChannelsLast], dynamo: bool, opset: int
) -> None:
    torch.manual_seed(0)
    module, path = kind().eval(), tmp_path / "block.onnx"
    open_axes: dict[str, object] = {"dynamic_axes": {"x": {0: "n", 2: "h", 3: "w"}}}
    if dynamo:
        open_axes = {"dynamic_shapes": {"x": {a: torch.export.Dim(n) for a, n in ((0, "n"), (2, "h"), (3, "w"))}}}
    with quiet():
        torch.onnx.export(
            module, (torch.zeros(2, 32, 6, 8),), path, dynamo=dynamo, opset_version=opset, verbose=False,
            input_names=["x"], **open_axes,
        )  # fmt: skip
    found = rewrite_file(path, SPEED, target="generic", shapes={"x": (1, 32, 12, 10)}, measure=False)
    assert identities(found)[:2] == ["commute-resize", "fold-nearest-resize"]
    assert "Resize" not in ops(found.model)
    assert "ReduceMean" in ops(found.model) or opset >= 17
    assert found.report.warnings == ()
    assert found.report.certificate is not None
    assert found.report.certificate.passed
    commuted = found.report.applied[0]
    assert commuted.certificate is not None
    assert commuted.certificate.passed
    for size in ((1, 32, 12, 10), (3, 32, 5, 7)):
        x = torch.randn(size)
        with torch.no_grad():
            want = module(x).numpy()
        (got,) = run(found.model, {"x": x.numpy()}).values()
        assert np.linalg.norm(got - want) < 1e-5 * np.linalg.norm(want)
