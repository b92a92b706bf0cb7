"""The exercises of lab 2: the backward pass of a convolution is a transposed convolution, and the reverse."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

import upweave

from ...theory.adjoint import adjoint
from ..kit import Text, Verdict, exercise, paths, right, show, wrong


def gradient() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        w, g = np.array([2.0, -1.0, 3.0]), np.array([1.0, 0.0, 2.0])
        A = upweave.matrix(upweave.Conv(3, 2, 1), 5, w.reshape(1, 1, -1))
        truth = (A.T @ g).tolist()
        given = [float(a) for a in answer]
        if given == truth:
            return right(
                "Each g[n] stamps (2, −1, 3), times itself, from position 2n − 1 on.",
                "每个 g[n] 从位置 2n − 1 起，把自己乘以 (2, −1, 3) 盖上去。",
            )
        if len(given) != len(truth):
            return wrong(
                f"The gradient is as long as x: {len(truth)} numbers.", f"梯度与 x 等长：共 {len(truth)} 个数。"
            )
        flipped = upweave.matrix(upweave.Conv(3, 2, 1), 5, w[::-1].reshape(1, 1, -1)).T @ g
        if given == flipped.tolist():
            return wrong(
                "The kernel is turned round. Stamping uses it as it is; it is only when stamps are read as a sum over "
                "*inputs* that a flip appears.",
                "核被翻转了。盖章用的就是原来的核；只有改写成对**输入**的求和时才会出现翻转。",
            )
        at = next(i for i, (a, t) in enumerate(zip(given, truth, strict=True)) if a != t)
        return wrong(
            f"Look at x[{at}]: which pairs (n, t) have 2n + t − 1 = {at}? Sum w[t]·g[n] over them.",
            f"看 x[{at}]：哪些 (n, t) 满足 2n + t − 1 = {at}？对它们求 w[t]·g[n] 之和。",
        )

    return exercise(
        "gradient",
        Text(
            "y = conv(x) with w = (2, −1, 3), s = 2, p = 1 and five inputs. The upstream gradient is g = (1, 0, 2). What is "
            "∂𝓛/∂x? *(five numbers)*",
            "y = conv(x)，w = (2, −1, 3)，s = 2，p = 1，输入长度为 5。上游梯度 g = (1, 0, 2)。∂𝓛/∂x 是什么？（五个数）",
        ),
        check,
        kind="numbers",
        hint=Text("Transposed convolution of g: stamp, add, crop.", "对 g 做转置卷积：盖章、相加、裁剪。"),
    )


def sees() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        found = paths(upweave.ConvTranspose(4, 2, 1), 4)
        truth = sorted(found.outputs[j] for j in found.of_tap(0))
        given = sorted(int(a) for a in answer if a.denominator == 1)
        if given == truth and len(answer) == len(truth):
            return right(
                "s·i + 0 − 1 for i = 1, 2, 3. Input 0 would land on −1, which the padding cuts off; all are odd.",
                "即 i = 1、2、3 时的 s·i + 0 − 1。输入 0 会落在 −1，被填充裁掉了；这些位置全是奇数。",
            )
        low, high = min(given, default=0), max(given, default=0)
        if low < 0 or high >= found.shape[0]:
            return wrong(
                f"There are {found.shape[0]} outputs, 0 to {found.shape[0] - 1}; what lands outside is cut off.",
                f"输出共有 {found.shape[0]} 个，编号 0 到 {found.shape[0] - 1}；落在外面的会被裁掉。",
            )
        if any(n % 2 != truth[0] % 2 for n in given):
            return wrong(
                "Two of these are neighbours' phases: a tap sees one phase, and s·i + 0 − 1 is always odd.",
                "这里混进了别的相位：一个抽头只看一个相位，而 s·i + 0 − 1 总是奇数。",
            )
        return wrong("Put every i from 0 to 3 into n = 2i + 0 − 1.", "把 0 到 3 的每个 i 代入 n = 2i + 0 − 1。")

    return exercise(
        "sees",
        Text(
            "A transposed convolution has k = 4, s = 2, p = 1 and four inputs. Which samples n of the upstream gradient "
            "take part in ∂𝓛/∂w[0]? *(all n)*",
            "一个转置卷积的 k = 4、s = 2、p = 1，输入长度为 4。上游梯度的哪些样本 n 参与 ∂𝓛/∂w[0]？（所有的 n）",
        ),
        check,
        kind="numbers",
    )


def shortcut() -> Any:
    def check(answer: Fraction) -> Verdict:
        counts = upweave.coverage(adjoint(upweave.Conv(1, 2)))
        truth = Fraction(int((counts > 0).sum()), len(counts)) ** 2
        if answer == truth:
            return right(
                f"Along one axis {show(counts)}: every second sample. In two dimensions a quarter is read; the rest of the "
                "block's gradient comes through its other branch.",
                f"单轴上是 {show(counts)}：每两个样本读一个。二维时只读四分之一；该残差块其余的梯度要靠另一个分支。",
            )
        if answer == Fraction(1, 2):
            return wrong("That holds along one axis; the map has two.", "这是单轴的情形；特征图有两个轴。")
        if answer == 1 - truth:
            return wrong("These are the pixels that get none.", "这是得不到梯度的像素所占的比例。")
        return wrong(
            "Cᵀ of a 1×1 kernel with stride 2 puts one value into each 2×2 block.",
            "步长为 2 的 1×1 核，其 Cᵀ 在每个 2×2 块里只放一个值。",
        )

    return exercise(
        "shortcut",
        Text(
            "The shortcut of a ResNet block that halves the map is a 1×1 convolution with stride 2. To what share of the "
            "pixels does *it* return a gradient? *(a fraction)*",
            "把特征图减半的 ResNet 残差块，其捷径分支是步长为 2 的 1×1 卷积。**它**会把梯度回传给多大比例的像素？（一个分数）",
        ),
        check,
    )


def double() -> Any:
    def check(answer: str) -> Verdict:
        # ⟨v, Cᵀ(w)·g⟩ is linear in g: its slope in each g[n], measured, against the three candidates
        conv = upweave.Conv(3, 2, 1)
        w, v = np.array([2.0, -1.0, 3.0]), np.array([1.0, 3.0, 0.0, -2.0, 1.0])
        C = upweave.matrix(conv, 5, w.reshape(1, 1, -1)).toarray()
        slope = np.array([v @ (C.T @ e) for e in np.eye(3)])
        flipped = upweave.matrix(conv, 5, w[::-1].reshape(1, 1, -1)).toarray()
        candidates = {
            "conv": C @ v,
            "flipped": flipped @ v,
            "transposed": (upweave.matrix(adjoint(conv, 5), 5, w.reshape(1, 1, -1)) @ v)[:3],
        }
        if np.allclose(candidates[answer], slope):
            return right(
                f"Measured slope {show(slope)}, and C·v is the same: forward, backward, forward.",
                f"测得的斜率是 {show(slope)}，与 C·v 相同：前向、反向、又是前向。",
            )
        return wrong(
            f"Tried on an example: the measured slope is {show(slope)}, this would give {show(candidates[answer])}.",
            f"举例一试：测得的斜率是 {show(slope)}，而这个选项会给出 {show(candidates[answer])}。",
        )

    return exercise(
        "double",
        Text(
            "A gradient penalty differentiates ∂𝓛/∂x = Cᵀ·g of a convolution once more. Which layer maps a direction v to the "
            "derivative of ⟨v, ∂𝓛/∂x⟩ with respect to g?",
            "梯度惩罚要对卷积的 ∂𝓛/∂x = Cᵀ·g 再求一次导。哪种层把方向 v 映射为 ⟨v, ∂𝓛/∂x⟩ 对 g 的导数？",
        ),
        check,
        kind="choice",
        options={
            "transposed": Text("The transposed convolution once more.", "再做一次转置卷积。"),
            "conv": Text("The convolution itself, with the same weights.", "卷积本身，权重不变。"),
            "flipped": Text("The convolution with its kernel flipped.", "核翻转后的卷积。"),
        },
    )
