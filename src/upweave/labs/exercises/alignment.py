"""The exercises of lab 4: where a layer puts its samples, when a shift is a fault, and what it costs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

import upweave

from ...errors import SpecError
from ..kit import Text, Verdict, exercise, right, same, show, wrong


def shift() -> Any:
    def check(answer: Fraction) -> Verdict:
        axis = upweave.alignment(upweave.ConvTranspose(5, 2, 2, 1)).axes[0]
        if answer == axis.shift_half_pixel:
            return right(
                f"(k−1)/2 − p − (s−1)/2 = 2 − 2 − ½: a {axis.kind} layer.",
                "(k−1)/2 − p − (s−1)/2 = 2 − 2 − ½：零相位的层。",
            )
        if answer == -axis.shift_half_pixel:
            return wrong("The sign: f(n) lies before the ideal.", "符号反了：f(n) 在理想位置之前。")
        if answer == axis.shift_point:
            return wrong(
                "That is against the point grid. Half-pixel centres lie at s·n + (s−1)/2.",
                "这是相对点网格的偏移。半像素网格的中心在 s·n + (s−1)/2。",
            )
        return wrong("f(0) = −p + (k−1)/2, and the ideal is (s−1)/2.", "f(0) = −p + (k−1)/2，理想位置是 (s−1)/2。")

    return exercise(
        "shift",
        Text(
            "k = 5, s = 2, p = 2, o = 1. By how much is the layer shifted against the half-pixel grid, in output samples?",
            "k = 5、s = 2、p = 2、o = 1。这一层相对半像素网格偏移多少（以输出样本计）？",
        ),
        check,
    )


def centre() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        if len(answer) != 2 or any(a.denominator != 1 for a in answer):
            return wrong("Two whole numbers: k, p.", "请填两个整数：k、p。")
        if max(answer) > 64:
            return wrong("A smaller layer will do.", "更小的层就够了。")
        try:
            layer = upweave.ConvTranspose(int(answer[0]), 4, int(answer[1]))
        except SpecError as e:
            return wrong(f"No such layer: {e}", f"没有这样的层：{e}")
        counts, axis = upweave.coverage(layer), upweave.alignment(layer).axes[0]
        made = upweave.output_size(layer, 16)
        if made != 64:
            return wrong(f"16 samples become {made}, not 64.", f"16 个样本变成 {made} 个，而不是 64 个。")
        if counts.min() != counts.max() or int(answer[0]) <= 4:
            return wrong(
                f"Centred is not all: coverage {show(counts)}, k = {layer.kernel}.",
                f"还要看其他条件：覆盖数 {show(counts)}，k = {layer.kernel}。",
            )
        return right(
            f"Shift {show(str(axis.shift_half_pixel))}, coverage {show(counts)}: with o = 0, H_T = s·H already centres it.",
            f"偏移 {show(str(axis.shift_half_pixel))}，覆盖数 {show(counts)}：o = 0 时，只要 H_T = s·H，层就一定居中。",
        )

    return exercise(
        "centre",
        Text(
            "Give a centred layer for s = 4, o = 0 that makes 64 samples of 16, with even coverage and k above 4. *(k p; several are right)*",
            "给出一个 s = 4、o = 0 的居中的层，把 16 个样本变成 64 个，覆盖均匀且 k 大于 4。（k p；答案不唯一）",
        ),
        check,
        kind="numbers",
    )


def stack() -> Any:
    def check(answer: Fraction) -> Verdict:
        # the whole map of three layers, from the layers' own
        axis = upweave.alignment(upweave.ConvTranspose(3, 2, 1, 1)).axes[0]
        place = Fraction(0)
        for _ in range(3):
            place = axis.centre(place)
        truth = place - Fraction(8 - 1, 2)
        if answer == truth:
            return right(
                "−½·4 − ½·2 − ½: each shift is multiplied by the strides behind it.",
                "−½·4 − ½·2 − ½：每个偏移都要乘以其后的步长。",
            )
        if answer == 3 * axis.shift_half_pixel:
            return wrong(
                "The shift of the first layer is in *its* output samples; the two layers behind it make each of them 4.",
                "第一层的偏移以**它自己**的输出样本计；后面两层会把其中每一个变成 4 个。",
            )
        if answer == -truth:
            return wrong("The size is right, the sign is not.", "大小对了，符号反了。")
        return wrong(
            "Follow input 0: where does each layer put it, and where is the middle of the 8 outputs that it should cover?",
            "跟着输入 0 走：每一层把它放在哪里？它应当覆盖的 8 个输出，中点又在哪里？",
        )

    return exercise(
        "stack",
        Text(
            "Three k3 s2 p1 o1 layers in a row (a decoder ×8). By how many output samples is the picture shifted against the "
            "half-pixel grid?",
            "三个 k3 s2 p1 o1 的层相连（放大 8 倍的解码器）。图像相对半像素网格偏移了多少个输出样本？",
        ),
        check,
        hint=Text("One such layer shifts by −½ of its own output samples.", "这样的一层偏移它自己的 −½ 个输出样本。"),
    )


def meet() -> Any:
    candidates = {
        "k3o1": upweave.ConvTranspose(3, 2, 1, 1),
        "crop": upweave.ConvTranspose((3,), (2,), ((0, 1),)),
        "k4": upweave.ConvTranspose(4, 2, 1),
    }

    def check(answer: str) -> Verdict:
        # a 2×2 pool sits on the half-pixel grid: whoever does so as well meets the pool's input where it was
        apart = upweave.alignment(candidates[answer]).axes[0].shift_half_pixel
        if not apart:
            return right(
                "A pool's samples sit in the middle of what they sum, and so do the outputs of this layer.",
                "池化的样本位于其所求和的各样本的中点，这一层的输出也是如此。",
            )
        return wrong(
            f"Against the half-pixel grid, on which pools are, it is shifted by {show(str(apart))}.",
            f"池化在半像素网格上，而这一层相对该网格偏移了 {show(str(apart))}。",
        )

    return exercise(
        "meet",
        Text(
            "Behind 2×2 pools, which of these meets every skip aligned?",
            "在 2×2 池化之后，下面哪一种与每个跳跃连接都对齐？",
        ),
        check,
        kind="choice",
        options={
            "k3o1": same("k3 s2 p1 o1"),
            "crop": Text("k3 s2 p0, last sample cropped", "k3 s2 p0，裁掉最后一个样本"),
            "k4": same("k4 s2 p1"),
        },
    )


def padding() -> Any:
    def check(answer: str) -> Verdict:
        without, with_o = upweave.ConvTranspose(3, 2, 1, 0), upweave.ConvTranspose(3, 2, 1, 1)
        a, b = (upweave.matrix(layer, 5, np.array([[[2.0, -1.0, 3.0]]])).toarray() for layer in (without, with_o))
        more = b.shape[0] - a.shape[0]
        if np.array_equal(a, b[: len(a)]):
            truth = "end"
        elif np.array_equal(a, b[more:]):
            truth = "begin"
        else:
            truth = "zeros" if not b[-1].any() else "moved"
        if answer == truth:
            return right(
                f"The first {len(a)} rows of both matrices are the same; the new one is {show(b[-1])}.",
                f"两个矩阵的前 {len(a)} 行完全相同；新增的一行是 {show(b[-1])}。",
            )
        return wrong(
            f"Compared: the first {len(a)} rows of both matrices are the same, and the last row of the longer is {show(b[-1])}.",
            f"比较一下：两个矩阵的前 {len(a)} 行完全相同，较长者的最后一行是 {show(b[-1])}。",
        )

    return exercise(
        "padding",
        Text(
            "k = 3, s = 2, p = 1. What does output_padding=1 do?",
            "k = 3、s = 2、p = 1。output_padding=1 做了什么？",
        ),
        check,
        kind="choice",
        options={
            "zeros": Text("It adds a zero at the end.", "在末端补一个零。"),
            "begin": Text(
                "It adds a sample at the beginning and moves the others.", "在始端加一个样本，其余的都移动。"
            ),
            "end": Text(
                "It keeps one more stamped sample at the end; none moves.", "在末端多保留一个盖章样本，其余的都不动。"
            ),
        },
    )
