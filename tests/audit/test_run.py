"""`upweave.audit(...)` on what people have: modules, files, names."""

from __future__ import annotations

from pathlib import Path

import pytest

import upweave
from upweave.audit import Config, Level
from upweave.errors import ConfigError, ModelError

from .build import Net

torch = pytest.importorskip("torch")
nn = torch.nn


def generator() -> object:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(16, 3, 3, stride=2, padding=1, output_padding=1)
    )


def test_a_module_is_audited_by_calling_the_package() -> None:
    report = upweave.audit(generator(), [(1, 3, 16, 16)], config=Config())
    assert "UW101" in {f.code for f in report.findings}
    (layer,) = report.layers
    assert (layer.path, layer.op, layer.coverage) == ("2", "ConvTranspose", [[1, 2], [2, 4]])
    assert layer.multiplies == 16 * 3 * 9 * 16 * 16
    assert [a["class"] for a in layer.alignment] == ["phase-0", "phase-0"]


def test_a_graph_and_its_selection() -> None:
    net = Net(1, 8, 16)
    net.up("x", 4, 3, 2, 1, 1)
    assert [f.code for f in upweave.audit(net.graph(), config=Config(), select=["UW1"]).findings] == ["UW101"]
    assert upweave.audit(net.graph(), config=Config(), select=["UW1"], ignore=["uneven-coverage"]).findings == ()
    with pytest.raises(ConfigError):
        upweave.audit(net.graph(), select=["UW9999"])


def test_a_factory_and_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mymodels.py").write_text(
        "from torch import nn\ndef make():\n    return nn.ConvTranspose2d(3, 3, 3, 2)\n"
    )
    monkeypatch.chdir(tmp_path)
    report = upweave.audit("mymodels:make", [(1, 3, 8, 8)], config=Config())
    assert report.target == "mymodels:make"
    assert "UW101" in {f.code for f in report.findings}


def test_an_onnx_file_without_torch(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    import subprocess
    import sys

    import numpy as np

    weight = onnx.numpy_helper.from_array(np.ones((2, 2, 3, 3), np.float32), "w")
    node = onnx.helper.make_node("ConvTranspose", ["x", "w"], ["y"], name="up", strides=[2, 2])
    info = [onnx.helper.make_tensor_value_info(n, 1, [1, 2, s, s]) for n, s in (("x", 4), ("y", 9))]
    graph = onnx.helper.make_graph([node], "g", [info[0]], [info[1]], [weight])
    path = tmp_path / "m.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), path)
    script = (
        f"import sys, upweave; r = upweave.audit({str(path)!r}); "
        "print(*(f.code for f in r.findings)); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={"PYTHONPATH": "src"}, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "UW101" in done.stdout.split()


def test_what_is_no_model() -> None:
    for target in ("nothing.txt", "weights.pth"):
        with pytest.raises(ModelError):
            upweave.audit(target, config=Config())


class UNet(nn.Module):
    """Kernel 2, stride 2 going up, pools going down."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
        self.up, self.c = nn.ConvTranspose2d(32, 16, 2, stride=2), nn.Conv2d(32, 2, 3, padding=1)

    def forward(self, x: object) -> object:
        skip = self.a(x).relu()
        y = self.b(nn.functional.max_pool2d(skip, 2)).relu()
        return self.c(torch.cat([skip, self.up(y)], dim=1))


SOUND = {
    "unet": (UNet, (1, 3, 32, 32)),
    "dcgan": (
        lambda: nn.Sequential(
            nn.ConvTranspose2d(64, 64, 4, 1, 0), nn.ReLU(), nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.Tanh(),
        ),
        (1, 64, 1, 1),
    ),
    "resize": (
        lambda: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 3, 1)),
        (1, 8, 16, 16),
    ),
    "vocoder": (
        lambda: nn.Sequential(nn.ConvTranspose1d(32, 16, 16, 8, 4), nn.ReLU(), nn.ConvTranspose1d(16, 8, 4, 2, 1)),
        (1, 32, 20),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_sound_torch_models(name: str) -> None:
    make, shape = SOUND[name]
    torch.manual_seed(0)
    report = upweave.audit(make(), [shape], config=Config())
    bad = [f for f in report.findings if f.level > Level.NOTE or f.code.startswith(("UW1", "UW2"))]
    assert bad == []


@pytest.mark.parametrize(("k", "s", "p", "o"), [(3, 2, 1, 1), (5, 3, 1, 2), (2, 4, 0, 1), (9, 2, 4, 1), (3, 2, 0, 0)])
def test_the_widened_layer_gives_the_same_outputs(k: int, s: int, p: int, o: int) -> None:
    """The safe fix of UW101 and UW102, measured: zero taps appended and prepended, paddings moved along."""
    from upweave.audit.axes import Axis, widened

    wide = widened(Axis(k, s, p, p, o, 1))
    assert wide is not None
    torch.manual_seed(0)
    x = torch.randn(1, 4, 9, dtype=torch.float64)
    weight = torch.randn(4, 3, k, dtype=torch.float64)
    before = wide.begin - p
    grown = nn.functional.pad(weight, (before, wide.kernel - k - before))
    old = nn.functional.conv_transpose1d(x, weight, stride=s, padding=p, output_padding=o)
    new = nn.functional.conv_transpose1d(x, grown, stride=s, padding=wide.begin, output_padding=wide.output_padding)
    assert torch.equal(old, new) or torch.allclose(old, new, atol=1e-12, rtol=0)


def test_the_folded_resize_gives_the_same_outputs() -> None:
    """The fix of UW701, measured: kernel flip(w) ∗ ones(s), padding k − 1 − p."""
    torch.manual_seed(0)
    x, w = torch.randn(1, 2, 7, 7, dtype=torch.float64), torch.randn(3, 2, 3, 3, dtype=torch.float64)
    plain = nn.functional.conv2d(nn.functional.interpolate(x, scale_factor=2), w, padding=1)
    ones = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    folded = nn.functional.conv_transpose2d(w.reshape(6, 1, 3, 3).flip(2, 3), ones).reshape(3, 2, 4, 4).transpose(0, 1)
    assert torch.allclose(plain, nn.functional.conv_transpose2d(x, folded, stride=2, padding=1), atol=1e-12)
