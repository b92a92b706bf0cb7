"""Every example against its paper: shapes that come out, parameters that the paper or its code reports."""

from __future__ import annotations

from math import prod
from pathlib import Path

import pytest
import torch

import examples
import upweave
from examples import MODELS
from examples.dbpn import dbpn
from examples.export import bake
from examples.fsrcnn import fsrcnn
from examples.unet import unet
from upweave.spec import ConvTranspose

OUTPUTS = {
    "cyclegan": (1, 3, 256, 256),
    "fsrcnn": (1, 1, 192, 192),
    "unet": (1, 2, 256, 256),
    "hifigan": (1, 1, 64 * 256),
    "dcgan": (1, 3, 64, 64),
    "fcn": (1, 21, 224, 224),
    "dbpn": (1, 3, 256, 256),
    "erfnet": (1, 20, 256, 512),
    "resize_vae": (1, 3, 256, 256),
}

PARAMETERS = {
    "cyclegan": 11_378_179,  # what the authors' PyTorch code prints for netG_A: 11.378 M
    "unet": 31_031_810,
    "dcgan": 12_658_432,
    "fcn": 134_489_759,
    "erfnet": 2_064_256,
    "resize_vae": 49_490_199,  # the published f = 8 decoder, 49,490,179, and the 20 of its 1×1 latent convolution
}


def on_meta(name: str) -> torch.nn.Module:
    with torch.device("meta"):
        return MODELS[name].build()


def size(model: torch.nn.Module, least_ndim: int = 0) -> int:
    return sum(prod(p.shape) for p in model.parameters() if p.ndim >= least_ndim)


def test_every_module_is_listed() -> None:
    modules = {p.stem for p in Path(examples.__file__).parent.glob("*.py")}
    assert modules - {"__init__", "export", "demo", "multigrid"} == set(MODELS) == set(OUTPUTS)


@pytest.mark.parametrize("name", MODELS)
def test_output_shape(name: str) -> None:
    example = MODELS[name]
    y = on_meta(name)(torch.empty(example.input, device="meta"))
    assert tuple(y.shape) == OUTPUTS[name]


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(name: str) -> None:
    assert size(on_meta(name)) == PARAMETERS[name]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_fsrcnn_has_the_paper_s_weights_at_every_scale(scale: int) -> None:
    assert size(fsrcnn(scale), least_ndim=2) == 12_464  # ECCV 2016, table 1: FSRCNN(56, 12, 4)


def test_hifigan_has_the_paper_s_parameters() -> None:
    model = bake(MODELS["hifigan"].build())
    assert size(model) == pytest.approx(13.92e6, rel=1e-3)  # NeurIPS 2020, table 1


@pytest.mark.parametrize(("scale", "thousands"), [(4, 595), (8, 1332)])
def test_dbpn_is_close_to_the_paper_s_two_stage_network(scale: int, thousands: int) -> None:
    assert size(dbpn(scale)) == pytest.approx(1000 * thousands, rel=0.01)


def test_baking_keeps_the_outputs() -> None:
    torch.manual_seed(0)
    model = MODELS["hifigan"].build()
    mel = torch.randn(1, 80, 4)
    with torch.no_grad():
        before = model(mel)
        torch.testing.assert_close(bake(model)(mel), before)


def test_unet_needs_multiples_of_sixteen() -> None:
    model = unet(width=1)
    assert model(torch.zeros(1, 3, 32, 48)).shape == (1, 2, 32, 48)
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        model(torch.zeros(1, 3, 40, 48))


@pytest.mark.parametrize("name", MODELS)
def test_transposed_convolutions_have_the_size_we_say(name: str) -> None:
    """Every transposed convolution of every example, hooked as it runs, against `upweave.output_size`."""
    seen = []

    def check(module: torch.nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        spec = ConvTranspose(
            kernel=module.kernel_size,
            stride=module.stride,
            padding=module.padding,
            output_padding=module.output_padding,
            dilation=module.dilation,
            groups=module.groups,
        )
        rank = len(module.kernel_size)
        assert tuple(upweave.output_size(spec, tuple(inputs[0].shape[-rank:]))) == tuple(output.shape[-rank:])
        seen.append(spec)

    model = on_meta(name)
    for module in model.modules():
        if isinstance(module, torch.nn.ConvTranspose1d | torch.nn.ConvTranspose2d):
            module.register_forward_hook(check)
    model(torch.empty(MODELS[name].input, device="meta"))
    assert bool(seen) == (name != "resize_vae")
