"""The loops. Each calls back after some of its steps, the first time before any, so that a network can be measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upweave.nn import phase_gain_variance, regularisation

from .networks import NOISE, Discriminator, TaskName
from .photographs import Patches
from .remedy import Remedy

PENALTY: dict[TaskName, float] = {"super-resolution": 0.1, "autoencoder": 0.1, "generator": 1.0}
"""The weight of a penalty, which starts at about 1 for each layer, beside losses of some hundredths, and about 1."""

Watch: TypeAlias = Callable[[int], None]
"""Given the number of steps done; the network is in evaluation mode meanwhile, without gradients."""


def train(
    task: TaskName,
    network: nn.Module,
    remedy: Remedy,
    patches: Patches,
    steps: int,
    batch: int,
    seed: int,
    watched: Sequence[int],
    watch: Watch,
) -> None:
    """Train for `steps` steps of `batch` patches; `watch` is called after the numbers of steps in `watched`.

    Adam with a rate that falls along half a cosine to 0. All randomness is from `seed` and the patches' own.
    """
    loop = _adversarial if task == "generator" else _supervised
    step = loop(task, network, remedy, patches, steps, batch, seed)
    for done in range(steps + 1):
        if done in watched:
            network.eval()
            with torch.no_grad():
                watch(done)
            network.train()
        if done < steps:
            step()


def low(x: Tensor) -> Tensor:
    """The picture at half the size, (N, 1, H/2, W/2): means of 2×2 samples, which keeps half-pixel positions."""
    return F.avg_pool2d(x, 2)


def _supervised(
    task: TaskName, network: nn.Module, remedy: Remedy, patches: Patches, steps: int, batch: int, seed: int
) -> Callable[[], None]:
    """The mean absolute error between output and patch."""
    adam = torch.optim.Adam(network.parameters(), lr=3e-3)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)

    def step() -> None:
        x = patches.batch(batch)
        y = network(low(x) if task == "super-resolution" else x)
        loss = F.l1_loss(y, x) + _penalty(task, network, remedy)
        adam.zero_grad()
        loss.backward()
        adam.step()
        rate.step()

    return step


def _adversarial(
    task: TaskName, network: nn.Module, remedy: Remedy, patches: Patches, steps: int, batch: int, seed: int
) -> Callable[[], None]:
    """The non-saturating loss (Goodfellow et al., 2014) and Adam as in DCGAN (β₁ = 0.5), twice as fast for the
    discriminator."""
    judge = Discriminator(seed)
    noise = torch.Generator().manual_seed(seed)
    adam, other = (
        torch.optim.Adam(m.parameters(), lr=rate, betas=(0.5, 0.99)) for m, rate in ((network, 1e-3), (judge, 2e-3))
    )
    rates = [torch.optim.lr_scheduler.CosineAnnealingLR(a, steps) for a in (adam, other)]
    side = patches.size // 8

    def step() -> None:
        fake = network(torch.randn(batch, NOISE, side, side, generator=noise))
        verdict = F.softplus(-judge(patches.batch(batch))).mean() + F.softplus(judge(fake.detach())).mean()
        other.zero_grad()
        verdict.backward()
        other.step()
        loss = F.softplus(-judge(fake)).mean() + _penalty(task, network, remedy)
        adam.zero_grad()
        loss.backward()
        adam.step()
        for rate in rates:
            rate.step()

    return step


def _penalty(task: TaskName, network: nn.Module, remedy: Remedy) -> Tensor | float:
    return PENALTY[task] * regularisation(network, phase_gain_variance) if remedy.penalised else 0.0
