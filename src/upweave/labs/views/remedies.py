"""Remedies against checkerboards, tried on one small task: what each does at the start, and what training leaves of it.

The task is as small as it can be and still be real: one layer of one channel learns to enlarge one noisy picture of
16 × 16 samples by 2, with Adam; another picture, clean, is what it is judged by. The layer is a k3 s2 p1 o1 of uneven
coverage, unless the remedy is another layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...nn import ResizeConv2d, bilinear_, equal_phase_gain, icnr_, phase_gain_variance
from ...rewrite.weights.widen import add_taps, widened
from ...spec import ConvTranspose, Spec
from ..kit.picture import scene, shrunk
from ..text import Text

Array = npt.NDArray[np.float64]
STEPS = (0, 5, 20, 60, 150)
"""After how many steps of training a snapshot is taken."""

PENALTY = 0.3
"""What the regulariser's penalty is multiplied by."""

BASE = ConvTranspose((3, 3), 2, 1, 1)
"""The layer that the remedies are for."""


@dataclass(frozen=True, eq=False)
class Remedy:
    """One remedy: its name in both languages, how it makes the layer, and what it leaves undone."""

    title: Text
    make: Callable[[], nn.Module]
    idea: Text
    limit: Text
    penalty: float = 0.0


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A layer after some steps of training: its spec and weight, and its output for the picture that judges it."""

    step: int
    spec: Spec
    weight: Array
    output: Array
    error: float


def _plain() -> nn.Module:
    return nn.ConvTranspose2d(1, 1, 3, 2, 1, 1, bias=False)


def _divisible() -> nn.Module:
    return nn.ConvTranspose2d(1, 1, 4, 2, 1, bias=False)


def _widened() -> nn.Module:
    small = _plain()
    spec, before, after = widened(BASE, 2)
    (a, _) = spec.per_axis()
    layer = nn.ConvTranspose2d(1, 1, a.kernel, a.stride, a.begin, a.output_padding, bias=False)
    weight: Any = small.weight
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(add_taps(weight.detach().numpy(), before, after)))
    return layer


def _filled(fill: Callable[..., Any]) -> nn.Module:
    layer = _plain()
    fill(layer)
    return layer


REMEDIES: dict[str, Remedy] = {
    "none": Remedy(
        Text("none: k3 s2 p1 o1", "不处理：k3 s2 p1 o1"),
        _plain,
        Text("The layer as PyTorch draws it.", "PyTorch 随机初始化的原样。"),
        Text(
            "Training undoes most of the uneven coverage, but noise pulls the phases with few taps down.",
            "训练抵消了大部分不均匀覆盖，但噪声把抽头少的相位压低了。",
        ),
    ),
    "divisible": Remedy(
        Text("k divisible by s: k4 s2 p1", "k 取 s 的整数倍：k4 s2 p1"),
        _divisible,
        Text("Even coverage: every phase has equally many taps.", "覆盖均匀：每个相位的抽头一样多。"),
        Text(
            "At the start the board is about as strong as before, and nothing ties the phases together: training brings them "
            "near each other here, since noise now weighs on all alike, but never quite.",
            "开始时棋盘几乎和原来一样强，而且没有什么把各相位绑在一起：这里噪声对各相位影响相同，训练使它们彼此接近，但不会完全相等。",
        ),
    ),
    "widen": Remedy(
        Text("widening: k3 put into k4", "加宽：把 k3 放进 k4"),
        _widened,
        Text(
            "Zero taps are added, so that the outputs stay the same to the bit; from then on they may be learned.",
            "添上零抽头，输出逐位不变；此后这些抽头可以参与学习。",
        ),
        Text(
            "Nothing is better until it is trained further. It is for a model that exists already.",
            "不继续训练就没有任何改善。它适合已经训练好的模型。",
        ),
    ),
    "resize": Remedy(
        Text("resize + convolution 3 × 3", "插值 + 3 × 3 卷积"),
        lambda: ResizeConv2d(1, 1, 3, 2, bias=False),
        Text(
            "Nearest neighbour, then a convolution: no weights can make the phases differ for a constant.",
            "先最近邻插值再卷积：无论权重如何，各相位对常数的响应都相同。",
        ),
        Text(
            "Edges stay blocky unless the convolution learns to smooth them, and it multiplies four times as often "
            "(16/9 as often when it is folded).",
            "除非卷积学会平滑，边缘仍有方块感；乘法次数是原来的四倍（折叠之后是 16/9 倍）。",
        ),
    ),
    "icnr": Remedy(
        Text("ICNR initialisation", "ICNR 初始化"),
        lambda: _filled(icnr_),
        Text("All phases start with one filter.", "所有相位从同一个滤波器开始。"),
        Text("It is forgotten: training moves every phase by itself.", "会被忘掉：训练让每个相位各走各的路。"),
    ),
    "bilinear": Remedy(
        Text("bilinear initialisation", "双线性初始化"),
        lambda: _filled(bilinear_),
        Text("The layer starts as linear interpolation.", "这个层从线性插值开始。"),
        Text(
            "It is forgotten as well: after a few dozen steps the layer is where it would have gone anyway.",
            "同样会被忘掉：几十步之后，这个层就到了它本来要去的地方。",
        ),
    ),
    "equal": Remedy(
        Text("EqualPhaseGain", "EqualPhaseGain"),
        lambda: equal_phase_gain(_plain()),
        Text(
            "The layer always computes with the nearest weight whose gains are equal: a constant cannot become a "
            "checkerboard, in spite of the uneven coverage.",
            "这个层始终用增益相等的最近权重来计算：尽管覆盖不均匀，常数也不可能变成棋盘。",
        ),
        Text(
            "Only constants are safe. Images of everything else are as before: look at the image rejection.",
            "只对常数有保证。其余一切的镜像照旧：请看镜像抑制。",
        ),
    ),
    "penalty": Remedy(
        Text(f"penalty, {PENALTY} · variance of the gains", f"正则项，{PENALTY} · 增益的方差"),
        _plain,
        Text("The loss pays for gains that differ.", "增益不等要在损失里付出代价。"),
        Text(
            "It bargains with the loss: less is left, never nothing.",
            "它与损失讨价还价：剩得少些，但不会一点不剩。",
        ),
        PENALTY,
    ),
}
"""The remedies by name, and first the layer without one."""


@cache
def study(name: str, seed: int, noise: int) -> tuple[Snapshot, ...]:
    """One remedy through training: a snapshot for each of `STEPS`. The same arguments give the same snapshots; `noise`
    is in percent of the picture's range. Raises `KeyError` for an unknown remedy."""
    remedy = REMEDIES[name]
    target = scene(32, seed)
    given = shrunk(target, 2) + noise / 100 * np.random.default_rng(seed).standard_normal((16, 16))
    test = scene(64, seed + 100)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a layer only waits for other threads
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layer = remedy.make()
            return tuple(_train(layer, given, target, test, remedy.penalty))
    finally:
        torch.set_num_threads(threads)


def _train(layer: Any, given: Array, target: Array, test: Array, penalty: float) -> Iterator[Snapshot]:
    x, y, small = (_tensor(v) for v in (given, target, shrunk(test, 2)))
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.03)
    for step in range(max(STEPS) + 1):
        if step in STEPS:
            with torch.no_grad():
                out = layer(small)[0, 0].numpy().astype(np.float64)
                weight = layer.weight.detach().numpy().astype(np.float64).copy()
            yield Snapshot(step, _spec(layer), weight, out, float(np.sqrt(((out - test) ** 2).mean())))
        optimiser.zero_grad()
        loss = (layer(x) - y).square().mean()
        if penalty:
            loss = loss + penalty * phase_gain_variance(layer)
        loss.backward()
        optimiser.step()


def _spec(layer: Any) -> Spec:
    if isinstance(layer, ResizeConv2d):
        return layer.spec
    return ConvTranspose(layer.kernel_size, layer.stride, layer.padding, layer.output_padding)


def _tensor(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))[None, None]
