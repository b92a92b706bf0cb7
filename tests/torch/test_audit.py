"""The audit sees our layers as what they are, with and without the native core, in modules and in files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import upweave
import upweave.nn

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")


def net(layers) -> torch.nn.Module:
    more = {"activation": "relu"} if layers is upweave.nn else {}
    tail = [] if more else [torch.nn.ReLU()]
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, 2, 1),
        layers.ConvTranspose2d(8, 4, 3, 2, 1, 1, groups=2, **more), *tail,
        layers.ConvTranspose2d(4, 3, 1, 3),
    )  # fmt: skip


def facts(target, inputs=None):
    report = upweave.audit(target, inputs)
    return [(f.code, f.message) for f in report.findings], [(layer.op, layer.spec) for layer in report.layers]


def test_modules_and_files(core: str, tmp_path: Path) -> None:
    inputs = [(1, 3, 16, 16)]
    expected = facts(net(torch.nn), inputs)
    assert {"UW101", "UW102"} <= {code for code, _ in expected[0]}
    assert [op for op, _ in expected[1]] == ["Conv", "ConvTranspose", "ConvTranspose"]
    ours = net(upweave.nn).eval()
    assert [op for op, _ in facts(ours, inputs)[1]] == [op for op, _ in expected[1]]
    assert facts(ours, inputs)[1] == expected[1]
    assert {code for code, _ in facts(ours, inputs)[0]} == {code for code, _ in expected[0]}
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(ours, (torch.randn(inputs[0]),)), path)
    assert facts(path)[1] == expected[1]
    assert {code for code, _ in facts(path)[0]} == {code for code, _ in expected[0]}
