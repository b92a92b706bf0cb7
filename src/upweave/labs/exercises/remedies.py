"""The exercises of lab 7: what helps against checkerboards, before training and after it, and what it does not cure."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

import upweave

from ...convert import boundary, to_conv_transpose
from ...errors import UpweaveError
from ...rewrite.weights.widen import add_taps, widened
from ..kit import Text, Verdict, exercise, right, show, wrong
from ..views.kernels import decibels, kernel, lines
from ..views.remedies import REMEDIES, study


def widen() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        layer = upweave.ConvTranspose(3, 2, 1, 1)
        wide, before, after = widened(layer, 1)
        (axis,) = wide.per_axis()
        if len(answer) != 3:
            return wrong("Three numbers: k, p, o.", "请填三个数：k、p、o。")
        k, p, o = (int(a) if a == int(a) else -1 for a in answer)
        if k % 2 or k < 3:
            return wrong(
                "The kernel must be a multiple of s = 2 and hold three taps.",
                "核大小必须是 s = 2 的倍数，并且容得下三个抽头。",
            )
        if k != axis.kernel:
            return wrong("One zero tap is enough.", "添一个零抽头就够了。")
        try:
            given = upweave.ConvTranspose(k, 2, p, o)
            w = np.array([[[1.0, 2.0, 3.0]]])
            same_as = upweave.matrix(layer, 6, w).toarray()
            tries = [upweave.matrix(given, 6, add_taps(w, (b,), (k - 3 - b,))).toarray() for b in range(k - 2)]
        except UpweaveError as e:
            return wrong(f"That is no layer: {e}.", f"没有这样的层：{e}。")
        if any(t.shape == same_as.shape and np.array_equal(t, same_as) for t in tries):
            return right(
                f"b = {before[0]} zero taps in front, a = {after[0]} behind; output padding {o}, and both matrices are equal.",
                f"前面添 b = {before[0]} 个零抽头，后面添 a = {after[0]} 个；输出填充为 {o}，两个矩阵相等。",
            )
        return wrong(
            f"For six inputs the layer gives {same_as.shape[0]} outputs, yours {tries[0].shape[0]}, or they are shifted. A tap behind takes the place of output padding.",
            f"六个输入时原层有 {same_as.shape[0]} 个输出，您的有 {tries[0].shape[0]} 个，或者位置错开了。后面添的抽头可以代替输出填充。",
        )

    return exercise(
        "widen",
        Text(
            "Widen k = 3, s = 2, p = 1, o = 1 to the next kernel that s divides, with the same outputs. Which k, p, o? *(three numbers)*",
            "把 k = 3、s = 2、p = 1、o = 1 加宽到下一个能被 s 整除的核，输出不变。k、p、o 各是多少？（三个数）",
        ),
        check,
        kind="numbers",
    )


def project() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        import torch

        weight = torch.tensor([[[1.0, 2.0, 3.0]]], dtype=torch.float64)
        truth = upweave.nn.EqualPhaseGain(2)(weight).reshape(-1).numpy()
        layer = upweave.ConvTranspose(3, 2, 1)
        if len(answer) != 3:
            return wrong("Three weights.", "请填三个权重。")
        given = np.array([float(a) for a in answer])
        if np.abs(given - truth).max() < 0.006:
            return right(
                "g₀ = 4 over two taps, g₁ = 2 over one; γ = (4/2 + 2/1)/(1/2 + 1) = 8/3, not the mean 3.",
                "g₀ = 4 由两个抽头组成，g₁ = 2 由一个组成；γ = (4/2 + 2/1)/(1/2 + 1) = 8/3，而不是平均值 3。",
            )
        gains = upweave.dc_gain(layer, given.reshape(1, 1, 3)).reshape(-1)
        if abs(gains[0] - gains[1]) > 0.01:
            return wrong(f"Your phases have the gains {show(gains)}.", f"您的两个相位的增益是 {show(gains)}。")
        far, least = (float(np.linalg.norm(v - np.array([1.0, 2, 3]))) for v in (given, truth))
        return wrong(
            f"Equal gains, but {show(far)} away from w; it can be done with {show(least)}. Share each change over the phase's taps.",
            f"增益相等了，但离 w 有 {show(far)}；最近可以做到 {show(least)}。请把每个相位的改变量平摊到它的抽头上。",
        )

    return exercise(
        "project",
        Text(
            "s = 2, w = (1, 2, 3). Which is the nearest weight (Euclidean) with equal phase gains, the one that EqualPhaseGain takes? "
            "*(three numbers, fractions are welcome)*",
            "s = 2、w = (1, 2, 3)。增益相等且（欧氏距离）最近的权重，也就是 EqualPhaseGain 所取的权重，是什么？（三个数，可以用分数）",
        ),
        check,
        kind="numbers",
        hint=Text(
            "Phase 0 has the taps 0 and 2, phase 1 the tap 1 (without padding).",
            "（无填充时）相位 0 有抽头 0 和 2，相位 1 有抽头 1。",
        ),
    )


def fold() -> Any:
    def check(answer: Fraction) -> Verdict:
        resize = upweave.ResizeConv((3, 3, 3), 2, 1)
        folded, _, _ = to_conv_transpose(upweave.phase_bank(resize, np.ones((1, 1, 3, 3, 3))), boundary(resize))
        truth = Fraction(upweave.multiplies(resize, 1, 1, (4, 4, 4)), upweave.multiplies(folded, 1, 1, (4, 4, 4)))
        if abs(answer - truth) < Fraction(1, 100):
            return right(
                f"27 · 8 = 216 against 4³ = 64 for each input: {show(float(truth))}.",
                f"每个输入 27 · 8 = 216 次对 4³ = 64 次：{show(float(truth))}。",
            )
        if abs(answer - Fraction(9, 4)) < Fraction(1, 100):
            return wrong("That is the plane. Here are three axes.", "这是二维的结果，这里有三个轴。")
        return wrong(
            "Count for each input sample: the convolution runs at s³ outputs with 3³ taps, the fold once with (3 + s − 1)³.",
            "按每个输入样本来数：卷积在 s³ 个输出处各用 3³ 个抽头，折叠之后只用一次 (3 + s − 1)³ 个。",
        )

    return exercise(
        "fold",
        Text(
            "In a volume: nearest ×2, then a convolution 3 × 3 × 3. How many times fewer multiplications has the exact fold?",
            "三维体数据：最近邻 ×2，再做 3 × 3 × 3 卷积。精确折叠能让乘法次数减少到原来的 1/x，x 是多少？",
        ),
        check,
    )


def lasting() -> Any:
    def check(answer: str) -> Verdict:
        last = study(answer, 2, 20)[-1]
        found = upweave.gain_imbalance(last.spec, last.weight).deviation
        if upweave.is_dc_flat(last.spec, last.weight, tolerance=1e-5):
            return right(
                f"After {last.step} steps its gains differ by {show(found)} of their size, which is rounding.",
                f"{last.step} 步之后，它的增益差异为 {show(found)}，只是舍入误差。",
            )
        return wrong(
            f"Trained just now, draw 2: after {last.step} steps the gains differ by {show(found)} of their size.",
            f"刚才用第 2 组随机数训练：{last.step} 步之后，增益差异为 {show(found)}。",
        )

    return exercise(
        "lasting",
        Text(
            "Which of these still turns every constant into a constant after training?",
            "训练之后，下面哪一种仍然把任何常数变成常数？",
        ),
        check,
        kind="choice",
        options={n: REMEDIES[n].title for n in ("icnr", "bilinear", "divisible", "equal", "penalty")},
    )


def left() -> Any:
    def check(answer: Fraction) -> Verdict:
        found = lines(kernel("nearest", 2), Fraction(1, 2))
        base = next(q.level for q in found if q.band == 0)
        truth = max(decibels(q.level, base) for q in found if q.band)
        if abs(abs(float(answer)) - abs(truth)) < 0.15:
            return right(
                f"cos(3π/8)/cos(π/8): {show(truth)} dB. A resize is free of boards for constants; this is its blockiness.",
                f"cos(3π/8)/cos(π/8)：{show(truth)} dB。插值对常数没有棋盘，但这就是它的方块感。",
            )
        return wrong(
            "Nearest ×2 has the kernel (1, 1), |H(ω)| = 2·|cos(ω/2)|. The tone comes out at π/4, its image at 3π/4.",
            "最近邻 ×2 的核是 (1, 1)，|H(ω)| = 2·|cos(ω/2)|。单音出现在 π/4，它的镜像在 3π/4。",
        )

    return exercise(
        "left",
        Text(
            "No remedy for constants removes the images of the rest. How many dB below a tone of ω₀ = π/2 is its image after nearest ×2? *(to 0.1 dB)*",
            "针对常数的办法都消除不了其余频率的镜像。最近邻 ×2 之后，ω₀ = π/2 的单音的镜像比单音低多少分贝？（精确到 0.1 dB）",
        ),
        check,
    )
