"""What a network is like at the moment: numbers by name, all finite, to be kept as they are.

Of outputs (of each held-out photograph, or of samples of the generator):

    pattern       share of the output's variance that repeats with the stride of all upsamplers together, the mean over
                  pictures of `upweave.artifacts.score(…).imbalance`; it is 0 in the mean where there is no pattern
    pattern2      the same for the period 2, which the last upsampler alone makes
    found         share of the pictures in which a pattern (of the whole stride) is significant at 99 %
    flat          of a constant input, far from the border: the root mean square of the pattern, in grey levels of 255
    error         of the difference to the photograph: the same, for the period 2

Of weights, the mean over the upsamplers:

    gains         `upweave.gain_imbalance(…).deviation`, the share of the gains' size that differs between phases
    rejection     `upweave.image_rejection(…).typical`, dB
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import upweave
from upweave.artifacts import attribution, score

from .networks import NOISE, TaskName, upsamplers
from .training import low

Numbers = dict[str, float]

SAMPLES, SIDE = 8, 256
"""Pictures of the generator that are measured, and their size."""

FLATS = (0.1, 0.25, 0.4, 0.6, 0.75, 0.9)
"""Levels of the constant inputs."""

QUALITY = ("psnr", "ssim")

FLOOR = -60.0
"""dB; below it a pattern cannot be told from what photographs have themselves."""


def decibels(share: float) -> float:
    """10·log₁₀ of a share of the variance, not below `FLOOR`, which is what shares that are negative by chance get."""
    return 10 * math.log10(max(share, 10 ** (FLOOR / 10)))


def stride(network: nn.Module) -> int:
    """The product of the upsamplers' strides."""
    return int(2 ** len(upsamplers(network)))


def outputs(task: TaskName, network: nn.Module, pictures: Mapping[str, Tensor], samples: int = SAMPLES) -> list[Tensor]:
    """What the network makes of each picture; the generator's samples, always of the same noise: (1, 1, H, W) each."""
    if task == "generator":
        z = torch.randn(samples, NOISE, SIDE // 8, SIDE // 8, generator=torch.Generator().manual_seed(20160516))
        return list(network(z).split(1))
    return [network(low(x) if task == "super-resolution" else x) for x in pictures.values()]


def state(task: TaskName, network: nn.Module, pictures: Mapping[str, Tensor], samples: int = SAMPLES) -> Numbers:
    """Everything but quality and attribution; the network is in evaluation mode and needs no gradients here."""
    made = outputs(task, network, pictures, samples)
    out = patterns(made, stride(network))
    out["flat"] = flat(task, network)
    if task != "generator":
        residuals = [y - x for y, x in zip(made, pictures.values(), strict=True)]
        found = [score(r[0], 2) for r in residuals]
        out["error"] = 255 * math.sqrt(max(statistics.fmean(float(f.imbalance * f.variance) for f in found), 0))
    out["contrast"] = statistics.fmean(float(y.std()) for y in made)
    weights = [_of_weights(layer) for layer in upsamplers(network)]
    return out | {key: statistics.fmean(w[key] for w in weights) for key in weights[0]}


def patterns(pictures: list[Tensor], period: int) -> Numbers:
    """`pattern`, `pattern2` and `found` of some pictures."""
    found = [score(x[0], period) for x in pictures]
    pairs = found if period == 2 else [score(x[0], 2) for x in pictures]
    return {
        "pattern": statistics.fmean(float(f.imbalance) for f in found),
        "pattern2": statistics.fmean(float(f.imbalance) for f in pairs),
        "found": statistics.fmean(float(f.found) for f in found),
    }


def flat(task: TaskName, network: nn.Module) -> float:
    """The pattern that constant inputs get, in grey levels of 255: the root of the mean variance over one period."""
    s = stride(network)
    if task == "generator":
        levels = torch.randn(len(FLATS), NOISE, 1, 1, generator=torch.Generator().manual_seed(1)).expand(-1, -1, 20, 20)
    else:
        levels = torch.tensor(FLATS).reshape(-1, 1, 1, 1).expand(-1, -1, 20 * s, 20 * s)
        levels = low(levels) if task == "super-resolution" else levels
    y = network(levels.contiguous())
    middle = y.shape[-1] // 2 // s * s
    period = y[..., middle : middle + s, middle : middle + s].double()
    return 255 * math.sqrt(float(period.var(dim=(-1, -2), correction=0).mean()))


def quality(made: list[Tensor], pictures: Mapping[str, Tensor]) -> Numbers:
    """PSNR in dB and SSIM against the photographs, the means over them, by scikit-image, for samples in [0, 1]."""
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    pairs = [(x[0, 0].numpy(), y[0, 0].clamp(0, 1).numpy()) for x, y in zip(pictures.values(), made, strict=True)]
    return {
        "psnr": statistics.fmean(float(peak_signal_noise_ratio(x, y, data_range=1.0)) for x, y in pairs),
        "ssim": statistics.fmean(float(structural_similarity(x, y, data_range=1.0)) for x, y in pairs),
    }


def shares(task: TaskName, network: nn.Module, pictures: Mapping[str, Tensor]) -> dict[str, float]:
    """By which part the pattern of the output falls when one upsampler's gains are made equal, by its number, the first
    that runs is 0; empty for upsamplers without phases of their own. `upweave.artifacts.attribution` on one batch."""
    layers = {id(layer): str(i) for i, layer in enumerate(upsamplers(network))}
    if any(isinstance(layer, upweave.nn.ResizeConv) for layer in upsamplers(network)):
        return {}
    side = min(min(x.shape[-2:]) for x in pictures.values())
    if task == "generator":
        inputs = torch.randn(SAMPLES, NOISE, SIDE // 8, SIDE // 8, generator=torch.Generator().manual_seed(20160516))
    else:
        inputs = torch.cat([x[..., :side, :side] for x in pictures.values()])
        inputs = low(inputs) if task == "super-resolution" else inputs
    found = attribution(network, inputs, stride(network))
    names = dict(network.named_modules())
    return {layers[id(names[part.path])]: part.share for part in found.layers} | {"together": found.together}


def _of_weights(layer: Any) -> Numbers:
    spec, weight = spec_of(layer), layer.weight.detach().double().numpy()
    return {
        "gains": float(upweave.gain_imbalance(spec, weight).deviation),
        "rejection": float(np.clip(upweave.image_rejection(spec, weight).typical, -99, 99)),
    }


def spec_of(layer: Any) -> upweave.Spec:
    """The numbers of an upsampler, for the questions of `upweave`."""
    if isinstance(layer, nn.ConvTranspose2d):
        return upweave.ConvTranspose(layer.kernel_size, layer.stride, layer.padding, layer.output_padding)  # type: ignore[arg-type]
    return layer.spec  # type: ignore[no-any-return]
