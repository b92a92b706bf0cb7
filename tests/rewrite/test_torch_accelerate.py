"""Accelerated models: the same outputs whatever is done to them, and what the report says."""

from __future__ import annotations

import copy
import io
import shutil
import warnings
from collections import OrderedDict
from importlib import import_module
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import upweave
from upweave.errors import ModelError, SpecError
from upweave.ops import native
from upweave.rewrite.torch.accelerate import accelerate
from upweave.rewrite.torch.choose import choose, decided
from upweave.rewrite.torch.copying import is_convolution
from upweave.rewrite.torch.decisions import Decisions, Way, apply
from upweave.rewrite.torch.inputs import as_call
from upweave.rewrite.torch.modules import Convolution, Site, Transposed, weight_of
from upweave.rewrite.torch.observe import observe

from .models import MODELS, Branching, InPlace, made

needs_core = pytest.mark.skipif(not native.available(), reason="needs the native core")


def everything(model: nn.Module, x: Any, *, channels_last: bool = False) -> nn.Module:
    """The model with every rewrite that is possible, whether it pays or not."""
    found, _ = observe(copy.deepcopy(model), as_call(x))
    decisions = decided(choose(found, channels_last, 0), found, channels_last)
    plain = "native" if native.available() else "torch"
    layers = {path: Way(way.deferred, plain, way.behind) for path, way in decisions.layers.items()}
    for layer in found.layers:
        way = layers.get(layer.path, Way("auto"))
        fits = layer.layer.transposed or (
            set(layer.layer.stride) == {1}
            and all(p <= d * (k - 1) for p, d, k in zip(
                layer.layer.padding, layer.layer.dilation, layer.layer.kernel_size, strict=True))
        )  # fmt: skip
        layers[layer.path] = Way(way.deferred, plain if fits else "torch", way.behind)
    return apply(model, Decisions(decisions.sites, layers, channels_last))


def close(got: Tensor, want: Tensor, limit: float = 2e-5) -> None:
    assert type(got) is Tensor
    assert got.shape == want.shape
    assert (got.double() - want.double()).norm() <= limit * want.double().norm()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_every_rewrite_together_changes_nothing(name: str, channels_last: bool) -> None:
    model, x = made(name)
    new = everything(model, x, channels_last=channels_last)
    with torch.no_grad():
        close(new(x), model(x))
        assert new(x).stride() == model(x).stride()
        close(new(torch.cat([x, x])), model(torch.cat([x, x])))  # other batches
    assert list(new.state_dict()) == list(model.state_dict())
    assert isinstance(new, type(model))


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_the_models_own(name: str) -> None:
    model, x = made(name)
    model, x = model.double(), x.double()
    new = everything(model, x)
    want = torch.autograd.grad(model(x).square().sum(), list(model.parameters()), allow_unused=True)
    got = torch.autograd.grad(new(x).square().sum(), list(new.parameters()), allow_unused=True)
    for a, b in zip(want, got, strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            torch.testing.assert_close(b, a, rtol=1e-7, atol=1e-12 + 1e-7 * float(a.abs().max()))


@pytest.mark.parametrize("name", ["dcgan", "skips", "read twice", "tiny"])
def test_in_training_it_is_the_model(name: str) -> None:
    model, x = made(name)
    model, x = model.double(), x.double()
    new = everything(copy.deepcopy(model), x)
    model.train(), new.train()
    for _ in range(2):
        want, got = model(x), new(x)
        close(got, want, 1e-10)
    for a, b in zip(model.buffers(), new.buffers(), strict=True):
        torch.testing.assert_close(b, a)


@pytest.mark.parametrize("name", ["dcgan", "skips", "tail", "hifigan"])
def test_weights_that_change_afterwards_count(name: str) -> None:
    model, x = made(name)
    new = everything(model, x)
    with torch.no_grad():
        new(x)
        for p in model.parameters():
            p.mul_(1.1)
        for b in model.buffers():
            if b.is_floating_point():
                b.add_(0.1)
        close(new(x), model(x))
    other, _ = made(name)
    new.load_state_dict(other.state_dict())
    with torch.no_grad():
        close(new(x), other(x))


def test_copies_and_pickles_compute_the_same() -> None:
    model, x = made("skips")
    new = everything(model, x)
    buffer = io.BytesIO()
    torch.save(new, buffer)
    buffer.seek(0)
    with torch.no_grad():
        close(copy.deepcopy(new)(x), model(x))
        close(torch.load(buffer, weights_only=False)(x), model(x))
    assert copy.deepcopy(new).conv[0].weight is not model.conv[0].weight


def test_what_was_seen_on_one_input_is_not_believed_of_others() -> None:
    torch.manual_seed(0)
    model = Branching().eval()
    new = everything(model, torch.randn(1, 3, 8, 8))
    assert new.conv._upweave_behind == "batch_norm, activation"
    with torch.no_grad():
        for size in (8, 9):
            x = torch.randn(1, 3, size, size)
            close(new(x), model(x))


def test_a_value_read_before_and_after_its_activation() -> None:
    model, x = made("read twice")
    new = everything(model, x)
    assert new.conv._upweave_behind == ""
    new.conv._upweave_behind = "batch_norm, activation"  # as another input might have shown it
    with torch.no_grad():
        close(new(x), model(x))


@pytest.mark.parametrize("how", ["by name", "written elsewhere"])
def test_activations_are_read_however_they_are_called(how: str) -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)

        def forward(self, x: Tensor) -> Tensor:
            y = self.norm(self.conv(x))
            if how == "by name":
                return F.relu(input=y) + F.leaky_relu(input=y, negative_slope=0.3)
            z = torch.empty(0)
            torch.tanh(y, out=z)
            return z

    torch.manual_seed(0)
    model, x = Named().eval(), torch.randn(1, 3, 6, 6)
    new: Any = everything(model, x)
    with torch.no_grad():
        close(new(x), model(x))
        new.conv._upweave_behind = "batch_norm, activation"  # as another input might have shown it
        close(new(x), model(x))


def test_a_source_changed_in_place_switches_deferral_off() -> None:
    torch.manual_seed(0)
    model = InPlace().eval()
    new = everything(model, torch.randn(1, 3, 8, 8))
    odd = torch.randn(1, 3, 9, 9)
    with torch.no_grad():
        with pytest.warns(RuntimeWarning, match="changed in place"):
            close(new(odd), model(odd))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            close(new(odd), model(odd))


def test_hooks_run() -> None:
    model, x = made("skips")
    seen: list[Any] = []
    model.conv[0].register_forward_hook(lambda module, args, y: seen.append(tuple(y.shape)))
    new = everything(model, x)
    with torch.no_grad():
        close(new(x), model(x))
    assert seen == [(2, 5, 16, 12)] * 3  # observed, rewritten, original


@pytest.mark.parametrize("name", ["dcgan", "skips", "tiny", "vae", "hifigan"])
def test_autocast(name: str) -> None:
    model, x = made(name)
    new = everything(model, x)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        close(new(x).float(), model(x).float(), 0.1)


@pytest.mark.parametrize("name", ["dcgan", "skips", "tiny", "tail", "vae"])
def test_compiles_as_one_graph(name: str) -> None:
    model, x = made(name)
    new = everything(model, x)
    torch._dynamo.reset()
    with torch.no_grad():
        compiled = torch.compile(new, backend="aot_eager", fullgraph=True)
        close(compiled(x), model(x))


@pytest.mark.parametrize("name", ["dcgan", "skips", "tiny", "tail", "vae"])
@pytest.mark.parametrize("strict", [False, True])
def test_exports_with_dynamic_sizes(name: str, strict: bool) -> None:
    model, x = made(name)
    new = everything(model, x)
    dims = {0: torch.export.Dim.DYNAMIC} if name == "dcgan" else dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    x = torch.cat([x, x])
    with torch.no_grad():
        program = torch.export.export(new, (x,), dynamic_shapes=(dims,), strict=strict)
        other = torch.cat([x, x[:1]])
        if name != "dcgan":
            other = F.pad(other, (0, 4, 0, 2))
        close(program.module()(other), model(other))


def test_inference_mode() -> None:
    model, x = made("skips")
    new = everything(model, x)
    with torch.inference_mode():
        first = new(x)
    with torch.no_grad():
        close(new(x), model(x))
    close(first.clone(), model(x).detach())


# -- accelerate ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dcgan", "tail", "skips", "vae"])
def test_accelerate_without_measuring(name: str) -> None:
    model, x = made(name)
    before = copy.deepcopy(model.state_dict())
    new = upweave.accelerate(model, x, measure=False)
    with torch.no_grad():
        close(new(x), model(x))
    assert new is not model
    assert new.report.certificate.passed
    assert {t.dtype for t in new.report.certificate.trials} == {"float32", "float64"}
    assert all(torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))
    assert [p.data_ptr() for p in new.parameters()] == [p.data_ptr() for p in model.parameters()]
    assert "certificate: same outputs" in str(new.report)
    assert new.report.as_json()["certificate"]["passed"]


def test_accelerate_defers_and_counts() -> None:
    model, x = made("tail")
    new = accelerate(model, x, measure=False)
    assert isinstance(new, Site)
    assert isinstance(new.up1, Convolution)
    (first, second) = (c for c in new.report.choices if c.rewrite == "fold-nearest")
    assert (first.path, first.multiplies, first.folded) == ("up1", 18 * 16 * 9 * 64, 9 * 8 * 16 * 64)
    assert second.multiplies / second.folded == 2.25


@needs_core
def test_accelerate_replaces_transposed_convolutions() -> None:
    model, x = made("dcgan")
    new = accelerate(model, x, measure=False)
    assert isinstance(new.up[0][0], Transposed)
    assert not isinstance(model.up[0][0], Transposed)


def test_normalised_weights_are_made_once() -> None:
    """A weight of `parametrizations.weight_norm` is that of its originals as long as these do not change."""
    model, x = made("hifigan")
    new = everything(model, x)
    layer = new.up[0]
    assert isinstance(layer, Transposed)
    assert isinstance(new.fuse[0].blocks[0].dilated[1], Convolution)
    with torch.no_grad():
        first = weight_of(layer)
        assert weight_of(layer) is first
        assert torch.equal(first, model.up[0].weight)
        layer.parametrizations.weight.original0.mul_(2)
        assert torch.equal(weight_of(layer), 2 * first)
    assert weight_of(layer).requires_grad  # and where gradients are asked for, it is the module's own


def test_other_parametrizations_are_left_alone() -> None:
    model = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.ConvTranspose1d(4, 4, 4, 2))).eval()
    assert not is_convolution(model[0])
    assert observe(model, as_call(torch.randn(1, 4, 5)))[0].layers == []


def test_accelerate_measures() -> None:
    model, x = made("tail")
    new = accelerate(model, x, seconds=0.2)
    with torch.no_grad():
        close(new(x), model(x))
    report = new.report
    assert report.times["original"] > 0
    assert all(c.times for c in report.choices if c.rewrite == "fold-nearest") or not report.chosen
    if report.chosen:
        assert report.times[report.chosen] < report.times["original"]


def test_arguments_by_name_and_several_outputs() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x: Tensor, *, scale: Tensor) -> dict[str, Any]:
            y = F.interpolate(x * scale, scale_factor=2)
            return {"conv": self.conv(y), "pair": (y, [x])}

    model = Two().eval()
    inputs = {"x": torch.randn(1, 3, 5, 5), "scale": torch.tensor(2.0)}
    new = accelerate(model, inputs, measure=False)
    with torch.no_grad():
        got, want = new(**inputs), model(**inputs)
    close(got["conv"], want["conv"])
    assert torch.equal(got["pair"][0], want["pair"][0])
    assert type(got["pair"][0]) is Tensor


def test_nothing_to_do() -> None:
    model = nn.Sequential(nn.Linear(3, 3)).eval()
    new = accelerate(model, torch.randn(2, 3))
    assert new.report.chosen == ""
    assert torch.equal(new(torch.ones(1, 3)), model(torch.ones(1, 3)))


def test_a_rewrite_that_fails_is_dropped_with_a_warning() -> None:
    model, x = made("tail")
    with pytest.warns(RuntimeWarning, match="no rewrite gave the model's outputs"):
        new = accelerate(model, x, measure=False, limit=1e-30)
    assert new.report.chosen == ""
    assert any("dropped, since the outputs changed" in note for note in new.report.notes)
    with torch.no_grad():
        assert torch.equal(new(x), model(x))


def test_bad_input() -> None:
    model, x = made("tail")
    with pytest.raises(SpecError, match=r"expected a torch\.nn\.Module"):
        accelerate(x, x)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"call model.eval\(\)"):
        accelerate(model.train(), x)
    with pytest.raises(ModelError, match="does not run on the example inputs"):
        accelerate(model.eval(), torch.randn(1, 5, 8, 8))


# -- the backend of torch.compile ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_backend(name: str) -> None:
    model, x = made(name)
    torch._dynamo.reset()
    with torch.no_grad():
        compiled = torch.compile(model, backend="upweave")
        close(compiled(x), model(x))


def test_backend_fuses_batch_norms_where_nothing_else_reads_them() -> None:
    from upweave.rewrite.torch.backend import fuse_batch_norms, upweave

    counts: list[int] = []

    def spy(graph: Any, inputs: Any) -> Any:
        counts.append(fuse_batch_norms(copy.deepcopy(graph)))
        return upweave(graph, inputs)

    for name in ("skips", "read twice"):
        model, x = made(name)
        torch._dynamo.reset()
        with torch.no_grad():
            close(torch.compile(model, backend=spy)(x), model(x))
    assert counts == [2, 1]


def test_backend_passes_gradients() -> None:
    model, x = made("skips")
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="upweave")
    want = torch.autograd.grad(model(x).square().sum(), list(model.parameters()))
    got = torch.autograd.grad(compiled(x).square().sum(), list(model.parameters()))
    for a, b in zip(want, got, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-3, atol=1e-3 * float(a.abs().max()))


def test_backend_refuses_unknown_options() -> None:
    model, x = made("tail")
    torch._dynamo.reset()
    with pytest.raises(Exception, match="options of backend"):
        torch.compile(model, backend="upweave", options={"inner": "nothing"})(x)


@pytest.mark.skipif(shutil.which("g++") is None, reason="Inductor needs a C++ compiler")
def test_backend_hands_on_to_inductor() -> None:
    model, x = made("skips")
    torch._dynamo.reset()
    with torch.no_grad():
        compiled = torch.compile(model, backend="upweave", options={"inner": "inductor"})
        close(compiled(x), model(x))
        more = torch.cat([x, x, x])
        close(compiled(more), model(more))


@needs_core
@pytest.mark.parametrize("wrong", ["first", "last"])
def test_the_one_rewrite_to_blame_is_dropped(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four layers that run in another way, one does so wrongly: the other three stay."""
    torch.manual_seed(0)
    names = ["first", "second", "third", "last"]
    layers = {n: nn.ConvTranspose2d(4, 4, 4, 2, 1) for n in names}
    model = nn.Sequential(OrderedDict(layers)).eval()

    def spoiled(model: nn.Module, decisions: Decisions, **more: Any) -> nn.Module:
        new = apply(model, decisions, **more)
        if wrong in decisions.layers:
            dict(new.named_modules())[wrong].register_forward_hook(lambda module, args, y: y * 1.001)
        return new

    for module in ("accelerate", "prove"):
        monkeypatch.setattr(import_module(f"upweave.rewrite.torch.{module}"), "apply", spoiled)
    with pytest.warns(RuntimeWarning, match=f"another way for {wrong}: dropped, since the outputs changed"):
        new = upweave.accelerate(model, torch.randn(1, 4, 5, 5), measure=False)
    assert set(new.report.decisions.layers) == set(names) - {wrong}
    assert new.report.certificate.passed
    assert sum("dropped, since" in note for note in new.report.notes) == 1
