"""Models exported from PyTorch by both exporters: every shape is what ONNX Runtime really makes."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from upweave.graph import ir  # noqa: E402
from upweave.graph.onnx import from_onnx  # noqa: E402


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([self.block(3, 8), self.block(8, 16)])
        self.middle = self.block(16, 32)
        self.up = nn.ModuleList([nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)])
        self.merge = nn.ModuleList([self.block(32, 16), self.block(16, 8)])
        self.head = nn.Conv2d(8, 2, 1)

    @staticmethod
    def block(a: int, b: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU())

    def forward(self, x: Any) -> Any:
        skips = []
        for d in self.down:
            x = d(x)
            skips.append(x)
            x = F.max_pool2d(x, 2, ceil_mode=True)
        x = self.middle(x)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips), strict=True):
            x = up(x)
            dh, dw = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
            x = merge(torch.cat([F.pad(x, (dw // 2, dw - dw // 2, dh // 2, dh - dh // 2)), skip], 1))
        return self.head(x)


class Resizing(nn.Module):
    """Resize to match, group norm, attention, pixel shuffle, slices, reductions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.norm = nn.GroupNorm(4, 16)
        self.qkv = nn.Linear(16, 48)
        self.out = nn.Conv2d(16, 12, 3, padding=1)

    def forward(self, x: Any) -> Any:
        y = F.silu(self.norm(self.stem(x)))
        b, c, h, w = y.shape
        q, k, v = self.qkv(y.flatten(2).transpose(1, 2)).chunk(3, -1)
        a = torch.softmax(q @ k.transpose(1, 2) / 4, -1) @ v
        y = y + a.transpose(1, 2).reshape(b, c, h, w)
        y = y * y.mean((2, 3), keepdim=True)
        up = F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)
        fine = F.pixel_shuffle(self.out(y), 2)[:, :, :, ::2]
        return F.interpolate(up, scale_factor=2, mode="nearest"), fine, F.avg_pool2d(up, 3, 2, 1)


class Vocoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pre = nn.Conv1d(8, 32, 7, padding=3)
        self.ups = nn.ModuleList(
            [
                torch.nn.utils.parametrizations.weight_norm(nn.ConvTranspose1d(32, 16, 16, 8, 4)),
                nn.ConvTranspose1d(16, 8, 11, 5, 3),
            ]
        )
        self.post = nn.Conv1d(8, 1, 7, padding=3, padding_mode="reflect")

    def forward(self, x: Any) -> Any:
        x = self.pre(x)
        for up in self.ups:
            x = up(F.leaky_relu(x, 0.1))
        return torch.tanh(self.post(x))[..., :-3]


def dcgan() -> nn.Module:
    return nn.Sequential(
        nn.ConvTranspose2d(16, 32, 4, 1, 0, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip


def fsrcnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.PReLU(16), nn.Conv2d(16, 16, 3, padding=1), nn.PReLU(16),
        nn.ConvTranspose2d(16, 1, 9, 3, 4, 2),
    )  # fmt: skip


MODELS = {
    "unet": (UNet, (1, 3, 37, 50), (2, 3)),
    "resizing": (Resizing, (2, 3, 24, 20), (2, 3)),
    "vocoder": (Vocoder, (1, 8, 20), (2,)),
    "dcgan": (dcgan, (2, 16, 1, 1), (0,)),
    "fsrcnn": (fsrcnn, (1, 1, 13, 17), (0, 2, 3)),
}


def export(name: str, folder: Path, dynamo: bool, dynamic: bool) -> Path:
    build, shape, axes = MODELS[name]
    torch.manual_seed(0)
    net, path = build().eval(), folder / f"{name}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        how: dict[str, Any] = {"dynamo": dynamo, "input_names": ["x"]}
        if dynamo:
            how["verbose"] = False
            how["optimize"] = not dynamic
        if dynamic and dynamo:
            how["dynamic_shapes"] = ({a: torch.export.Dim.AUTO for a in axes},)
        elif dynamic:
            how["dynamic_axes"] = {"x": {a: f"axis{a}" for a in axes}}
        torch.onnx.export(net, (torch.randn(*shape),), path, **how)
    return path


def real_shapes(path: Path, x: np.ndarray) -> dict[str, tuple[int, ...]]:
    """The shapes of all values, as ONNX Runtime makes them."""
    model = copy.deepcopy(onnx.load(path))
    del model.graph.value_info[:]
    have = {o.name for o in model.graph.output}
    for node in model.graph.node:
        for o in node.output:
            if o and o not in have:
                model.graph.output.append(onnx.helper.make_value_info(o, onnx.TypeProto()))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return {n: np.shape(v) for n, v in zip(names, session.run(names, {"x": x}), strict=True)}


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("dynamo", [False, True], ids=["script", "dynamo"])
@pytest.mark.parametrize("name", MODELS)
def test_shapes_are_the_runtime_s(name: str, dynamo: bool, dynamic: bool, tmp_path: Path) -> None:
    path = export(name, tmp_path, dynamo, dynamic)
    shape = list(MODELS[name][1])
    if dynamic:  # another size than the model was traced at
        for a in MODELS[name][2]:
            shape[a] += 4
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    graph = from_onnx(path, {"x": tuple(shape)} if dynamic else None)
    assert not list(graph.of(ir.Opaque))
    real = real_shapes(path, x)
    written = {v for n in graph.nodes for v in n.outputs}
    assert written <= set(graph.shapes)
    compared = [v for v in written if v in real]
    assert len(compared) >= 5
    assert {v: graph.shapes[v] for v in compared} == {v: real[v] for v in compared}


@pytest.mark.parametrize("dynamo", [False, True], ids=["script", "dynamo"])
def test_weights_and_specs_are_the_model_s(dynamo: bool, tmp_path: Path) -> None:
    graph = from_onnx(export("vocoder", tmp_path, dynamo, False))
    torch.manual_seed(0)
    net = Vocoder().eval()
    up = list(graph.of(ir.TransposedConvolution))
    assert [(n.op.spec.kernel, n.op.spec.stride, n.op.spec.padding) for n in up] == [
        ((16,), (8,), ((4, 4),)),
        ((11,), (5,), ((3, 3),)),
    ]
    for node, layer in zip(up, net.ups, strict=True):
        np.testing.assert_allclose(node.weights["weight"].load(), layer.weight.detach().numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(node.weights["bias"].load(), layer.bias.detach().numpy())
        assert "ups." in node.path


def test_group_normalisation_keeps_the_layout(tmp_path: Path) -> None:
    """Exporters write it as Reshape, InstanceNormalization, Reshape; the pixels never move."""
    graph = from_onnx(export("resizing", tmp_path, False, False))
    norm = next(n for n in graph.of(ir.Pointwise) if n.op.kind == "instance_normalization")
    assert graph.shapes[norm.inputs[0]] == graph.shapes[norm.output] == (2, 16, 12, 10)
