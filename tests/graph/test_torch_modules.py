"""What a graph says about modules: paths, places, weights, sharing, inputs, devices, modes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch_oracle import assert_real_shapes  # noqa: E402

from upweave.errors import ModelError  # noqa: E402
from upweave.graph import ir  # noqa: E402
from upweave.graph.torch import from_torch  # noqa: E402


class Block(nn.Module):
    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 3, padding=1)
        self.norm = nn.BatchNorm2d(cout)
        self.act = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.act(self.norm(self.conv(x))))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([Block(3, 8), Block(8, 16)])
        self.pool = nn.MaxPool2d(2)
        self.up = nn.Sequential(nn.ConvTranspose2d(16, 8, 2, 2), nn.GELU())
        self.out = nn.Conv2d(16, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.down[0](x)
        b = self.up(self.down[1](self.pool(a)))
        return self.out(torch.cat([a, b], 1))


class Wrapper(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    @torch.no_grad()
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.inner(*args, **kwargs)


def dcgan() -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(10, 32, 4, 1, 0, bias=False), nn.BatchNorm2d(32), nn.ReLU(True),
        nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(True),
        nn.ConvTranspose2d(16, 3, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip


MODELS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "unet": (UNet, (1, 3, 16, 16)),
    "dcgan": (dcgan, (2, 10, 1, 1)),
    "wrapped": (lambda: Wrapper(Wrapper(UNet())), (1, 3, 16, 16)),
    "data parallel": (lambda: nn.DataParallel(UNet()), (1, 3, 16, 16)),
    "transformer": (lambda: nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), (2, 5, 16)),
    "instance norm": (lambda: nn.Sequential(nn.ReflectionPad2d(3), nn.InstanceNorm2d(3), nn.PReLU()), (1, 3, 8, 8)),
    "shuffle": (
        lambda: nn.Sequential(nn.Conv2d(3, 12, 3), nn.PixelShuffle(2), nn.UpsamplingBilinear2d(scale_factor=2)),
        (1, 3, 8, 8),
    ),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_every_module_is_there_with_its_real_shape(name: str, device: str) -> None:
    build, shape = MODELS[name]
    model = build()
    graph = from_torch(model.to(device), (shape,))
    assert graph.has_topology
    assert graph.notes == ()
    assert not list(graph.of(ir.Opaque))
    if name != "transformer":  # runs as one fused kernel on real data, inside which no module hook is called
        assert_real_shapes(graph, build(), torch.randn(shape))


def test_paths_places_and_weights() -> None:
    model = UNet()
    graph = from_torch(model, ((1, 3, 16, 16),))
    (up,) = graph.of(ir.TransposedConvolution)
    assert up.path == "up.0"
    assert up.op.spec.stride == (2, 2)
    assert (up.op.in_channels, up.op.out_channels) == (16, 8)
    assert up.where is not None
    assert up.where.startswith("test_torch_modules.py:")
    block = next(n for n in graph.nodes if n.path == "down.1.conv")
    assert block.where != up.where
    weight = up.weights["weight"]
    assert (weight.name, weight.shape, weight.dtype) == ("up.0.weight", (16, 8, 2, 2), "float32")
    np.testing.assert_array_equal(weight.load(), model.up[0].weight.detach().numpy())
    assert up.weights["bias"].load().shape == (8,)


def test_meta_weights_have_no_numbers_and_bfloat16_comes_as_float32() -> None:
    (up,) = from_torch(UNet().to("meta"), ((1, 3, 16, 16),)).of(ir.TransposedConvolution)
    assert up.weights["weight"].load() is None
    (up,) = from_torch(UNet().bfloat16(), ((1, 3, 16, 16),)).of(ir.TransposedConvolution)
    assert up.weights["weight"].dtype == "bfloat16"
    assert up.weights["weight"].load().dtype == np.float32


def test_a_shared_module_is_two_nodes_with_one_weight() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up = nn.ConvTranspose1d(2, 2, 4, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.up(self.up(x))

    model = Shared()
    graph = from_torch(model, ((1, 2, 8),))
    assert_real_shapes(graph, model, torch.randn(1, 2, 8))
    first, second = graph.of(ir.TransposedConvolution)
    assert first.name != second.name
    assert first.path == second.path == "up"
    assert first.weights["weight"] == second.weights["weight"]
    assert first.weights["weight"].name == "up.weight"


def _weight_norm_hook(m: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.utils.weight_norm(m)


@pytest.mark.parametrize(
    "normalise",
    [nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm, nn.utils.spectral_norm,
     _weight_norm_hook],
)  # fmt: skip
def test_computed_weights_are_evaluated_when_asked_for(normalise: Any) -> None:
    torch.manual_seed(0)
    layer = normalise(nn.ConvTranspose2d(3, 4, 4, 2, 1))
    model = nn.Sequential(layer).eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    graph = from_torch(model, ((1, 3, 8, 8),))
    (up,) = graph.of(ir.TransposedConvolution)
    assert len(graph.nodes) == 1
    weight = up.weights["weight"]
    assert (weight.name, weight.shape) == ("0.weight", (3, 4, 4, 4))
    model(torch.zeros(1, 3, 8, 8))
    np.testing.assert_allclose(weight.load(), layer.weight.detach().numpy(), rtol=1e-5)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_training_mode_and_parameters_are_left_alone() -> None:
    model = UNet()
    model.down[0].eval()
    modes = {p: m.training for p, m in model.named_modules()}
    before = {k: v.clone() for k, v in model.state_dict().items()}
    from_torch(model, ((1, 3, 16, 16),))
    assert {p: m.training for p, m in model.named_modules()} == modes
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(type(p) is nn.Parameter and p.requires_grad for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    with pytest.raises(ModelError):
        from_torch(model, ((1, 4, 16, 16),))
    assert {p: m.training for p, m in model.named_modules()} == modes
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


class Keywords(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.up = nn.ConvTranspose1d(4, 4, 4, 2, 1)

    def forward(self, *, ids: torch.Tensor, x: torch.Tensor | None = None, scale: float = 1.0) -> dict[str, Any]:
        y = self.up(self.embed(ids).mT) * scale
        return {"y": y if x is None else y + x}


def test_keyword_inputs_and_integer_shapes() -> None:
    graph = from_torch(Keywords(), {"ids": ("int64", (1, 8)), "x": (1, 4, 16), "scale": 2.0})
    assert graph.inputs == ("ids", "x")
    assert [graph.shapes[v] for v in graph.outputs] == [(1, 4, 16)]
    assert not list(graph.of(ir.Opaque))
    alone = from_torch(Keywords(), {"ids": torch.zeros(1, 8, dtype=torch.int64)})
    assert alone.inputs == ("ids",)


def test_a_single_shape_needs_no_tuple_around_it() -> None:
    assert from_torch(UNet(), (1, 3, 16, 16)).shapes["x"] == (1, 3, 16, 16)
    assert from_torch(UNet(), [[1, 3, 16, 16]]).shapes["x"] == (1, 3, 16, 16)


def test_half_precision_models_get_half_precision_inputs() -> None:
    graph = from_torch(UNet().half(), ((1, 3, 16, 16),))
    assert graph.notes == ()


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (((1, 5, 16, 16),), "expected input[1, 5, 16, 16] to have 3 channels"),
        (((1, 3, 16),), "the model cannot run on these inputs"),
        (((1, 3, 0, 16),), "extent below 1"),
        ("nonsense", "give each input as a shape"),
        ((("float99", (1, 3)),), "no dtype"),
        (((1, 3, 16, 16), (1, 3, 16, 16)), "positional arguments"),
        ({"y": (1, 3, 16, 16)}, "y"),
        ((), "x"),
    ],
)
def test_wrong_inputs_get_one_clear_line(inputs: Any, words: str) -> None:
    with pytest.raises(ModelError) as raised:
        from_torch(UNet(), inputs)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_thing_that_is_no_module() -> None:
    with pytest.raises(ModelError, match=r"int is no torch\.nn\.Module"):
        from_torch(3, ((1, 3),))  # type: ignore[arg-type]
