"""The exercises of lab 6: a kernel is s kernels, interleaved; and a filter that has to remove the images of the spectrum."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

import upweave

from ...theory.spectrum import zero_insert
from ..kit import Text, Verdict, exercise, right, show, wrong
from ..views.kernels import kernel


def phase() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        layer_ = upweave.ConvTranspose(4, 2, 1)
        bank = upweave.phase_bank(layer_, np.array([[[1.0, 2, 3, 4]]]))
        truth, other = bank.weights[0, 0, 0].tolist(), bank.weights[1, 0, 0].tolist()
        given = [float(a) for a in answer]
        if given == [v for v in truth if v]:
            return right(
                "n = 2q = 2i + t − 1 leaves t = 1 for i = q and t = 3 for i = q − 1.",
                "由 n = 2q = 2i + t − 1，i = q 时 t = 1，i = q − 1 时 t = 3。",
            )
        if given == [v for v in truth if v][::-1]:
            return wrong(
                "The right taps; but which of them meets the *earlier* input?", "抽头对了；但遇到*靠前*输入的是哪一个？"
            )
        if sorted(given) == sorted(v for v in other if v):
            return wrong(
                "That is the other phase: with p = 1 the even outputs meet the odd taps.",
                "这是另一个相位：p = 1 时，偶数输出遇到的是奇数抽头。",
            )
        return wrong(
            "Solve 2q = 2i + t − 1: t must be odd. Two taps remain.", "解 2q = 2i + t − 1：t 必须是奇数，剩下两个抽头。"
        )

    return exercise(
        "phase",
        Text(
            "w = (1, 2, 3, 4), s = 2, p = 1. The even outputs are y[2q] = a·x[q−1] + b·x[q]. What are a and b? *(two numbers)*",
            "w = (1, 2, 3, 4)、s = 2、p = 1。偶数输出为 y[2q] = a·x[q−1] + b·x[q]。a 和 b 是多少？（两个数）",
        ),
        check,
        kind="numbers",
    )


def flat() -> Any:
    def check(answer: Fraction) -> Verdict:
        layer_, weight_ = upweave.ConvTranspose(3, 2, 1), np.array([[[1.0, float(answer), 3.0]]])
        gains = upweave.dc_gain(layer_, weight_).reshape(-1)
        if upweave.is_dc_flat(layer_, weight_):
            return right(
                f"Gains {show(gains)}: the coverage is 1 and 2, and yet a constant stays a constant.",
                f"增益为 {show(gains)}：覆盖数是 1 和 2，常数却仍是常数。",
            )
        return wrong(f"Then the phases have the gains {show(gains)}.", f"这样两个相位的增益是 {show(gains)}。")

    return exercise(
        "flat",
        Text(
            "k = 3, s = 2: the coverage is uneven. Which a makes w = (1, a, 3) free of a checkerboard for constants?",
            "k = 3、s = 2：覆盖不均匀。a 取多少时，w = (1, a, 3) 对常数输入没有棋盘？",
        ),
        check,
    )


def images() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        s, f = 3, Fraction(1, 2)
        tone_ = np.cos(np.pi * float(f) * np.arange(48))
        spectrum = np.abs(np.fft.rfft(zero_insert(tone_, s)))
        at = {Fraction(2 * int(m), s * 48) for m in (spectrum > 1e-6 * spectrum.max()).nonzero()[0]}
        base = f / s
        if set(answer) == at - {base}:
            return right(
                "The whole circle repeats every 2π/3: ±1/6 around 2/3, that is 1/2 and 5/6.",
                "整个圆周每 2π/3 重复一次：2/3 两侧 ±1/6，即 1/2 和 5/6。",
            )
        if base in answer:
            return wrong(f"{base}·π is the tone itself, not an image.", f"{base}·π 是单音本身，不是镜像。")
        missing = [a for a in answer if a not in at]
        if missing:
            return wrong(
                f"There is nothing at {show([str(a) for a in missing])}·π. First squeeze the tone by 3, then look on both sides of 2π/3.",
                f"{show([str(a) for a in missing])}·π 处什么也没有。先把单音的频率压缩 3 倍，再看 2π/3 的两侧。",
            )
        return wrong("Right so far, but there is another.", "目前都对，但还有一个。")

    return exercise(
        "images",
        Text(
            "s = 3, and the input is a tone of ω₀ = π/2. At which frequencies between 0 and π of the *output* grid are its images? "
            "*(in multiples of π, all of them)*",
            "s = 3，输入是 ω₀ = π/2 的单音。在*输出*网格的 0 到 π 之间，它的镜像位于哪些频率？（以 π 为单位，全部写出）",
        ),
        check,
        kind="numbers",
    )


def better() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        layer_ = upweave.ConvTranspose(4, 2, 1)
        linear = kernel("linear", 2)
        bar = upweave.image_rejection(linear.spec, linear.weight.reshape(1, 1, -1)).typical
        if len(answer) != 4:
            return wrong("Four weights, please.", "请填四个权重。")
        weight_ = np.array([[[float(a) for a in answer]]])
        if not weight_.any():
            return wrong("A kernel of zeros has no images, but no picture either.", "全零的核没有镜像，但也没有图像。")
        gains, found = upweave.dc_gain(layer_, weight_).reshape(-1), upweave.image_rejection(layer_, weight_).typical
        if not upweave.is_dc_flat(layer_, weight_):
            return wrong(
                f"Its phases have the gains {show(gains)}: a constant becomes a checkerboard.",
                f"它的两个相位的增益是 {show(gains)}：常数会变成棋盘。",
            )
        if found <= bar:
            return wrong(
                f"Constants stay constant; the rejection is {show(found)} dB, linear interpolation has {show(bar)} dB.",
                f"常数保持不变；但镜像抑制为 {show(found)} dB，而线性插值有 {show(bar)} dB。",
            )
        return right(
            f"{show(found)} dB. Linear interpolation is no optimum: it also keeps ramps, which costs rejection.",
            f"{show(found)} dB。线性插值并非最优：它还要保持斜坡不变，这要牺牲镜像抑制。",
        )

    return exercise(
        "better",
        Text(
            "Find four weights for s = 2, p = 1 that keep a constant free of a checkerboard **and** reject images better than linear "
            "interpolation, (1, 3, 3, 1)/4, does. *(four numbers; there are many answers)*",
            "s = 2、p = 1，请找出四个权重：既让常数没有棋盘，**又**比线性插值 (1, 3, 3, 1)/4 更好地抑制镜像。（四个数；答案有很多）",
        ),
        check,
        kind="numbers",
        hint=Text(
            "Stay symmetric, keep g₀ = g₁, and make the outer weights larger or smaller.",
            "保持对称和 g₀ = g₁，把外侧的权重改大或改小试试。",
        ),
    )


def shuffle() -> Any:
    def check(answer: str) -> Verdict:
        layer_ = upweave.ConvPixelShuffle((3, 3), 2, 1)
        weight_ = np.random.default_rng(5).standard_normal((4, 1, 3, 3))
        gains = upweave.dc_gain(layer_, weight_).reshape(-1)
        even, apart = upweave.coverage_variance(layer_) == 0, upweave.gain_imbalance(layer_, weight_).deviation
        holds = {"even": even and apart < 1e-6, "four": even and apart > 1e-6, "odd": not even}
        if holds[answer]:
            return right(
                f"A draw just now: gains {show(gains)}. The coverage is even, the weights are not. ICNR starts them equal.",
                f"刚才抽取的一组：增益 {show(gains)}。覆盖是均匀的，权重却不是。ICNR 让它们从相等开始。",
            )
        return wrong(
            f"Computed: coverage {show(upweave.coverage(layer_).reshape(-1))}, gains of freshly drawn weights {show(gains)}.",
            f"算一下：覆盖数 {show(upweave.coverage(layer_).reshape(-1))}，刚抽取的权重的增益 {show(gains)}。",
        )

    return exercise(
        "shuffle",
        Text(
            "A convolution k = 3 to four channels, then a pixel shuffle by 2, with freshly drawn weights. What happens to a constant?",
            "一个 k = 3、输出四个通道的卷积，接着 2 倍像素重排，权重刚刚随机初始化。常数输入会怎样？",
        ),
        check,
        kind="choice",
        options={
            "even": Text("It stays constant, since the coverage is even.", "仍是常数，因为覆盖是均匀的。"),
            "four": Text(
                "It becomes four values in turn, though the coverage is even.", "变成四个值轮流出现，尽管覆盖是均匀的。"
            ),
            "odd": Text("It becomes uneven, since 3 is odd.", "变得不均匀，因为 3 是奇数。"),
        },
    )
