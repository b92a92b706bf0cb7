"""The exercises of lab 8b: a segmenter's scores, brought back to the picture's grid."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import upweave

from ..kit import Text, Verdict, exercise, right, same, show, wrong


def centred() -> Any:
    def check(answer: Fraction) -> Verdict:
        if answer.denominator != 1 or not 0 <= answer <= 16:
            return wrong("A whole number from 0 to 16.", "请填 0 到 16 之间的整数。")
        found = upweave.alignment(upweave.ConvTranspose(16, 8, int(answer)))
        off = found.axes[0].shift_half_pixel
        if found.is_centred:
            return right(
                f"H_T = {upweave.output_size(upweave.ConvTranspose(16, 8, int(answer)), 10)} for H = 10, and no shift.",
                f"H = 10 时 H_T = {upweave.output_size(upweave.ConvTranspose(16, 8, int(answer)), 10)}，没有位移。",
            )
        return wrong(
            f"With that padding the output lies {show(float(off))} pixels from where it belongs.",
            f"取这个填充时，输出与应在的位置相差 {show(float(off))} 个像素。",
        )

    return exercise(
        "centred",
        Text(
            "FCN-8s ends in k = 16, s = 8. Which padding centres that layer on the pixels?",
            "FCN-8s 的最后一层是 k = 16、s = 8。填充取多少，这一层才与像素网格居中对齐？",
        ),
        check,
    )


def stacked() -> Any:
    def check(answer: Fraction) -> Verdict:
        total = Fraction(0)
        own = []
        for k, stride in ((4, 2), (4, 2), (16, 8)):
            off = upweave.alignment(upweave.ConvTranspose(k, stride)).axes[0].shift_half_pixel
            own.append(off)
            total = total * stride + off
        if answer == total:
            return right(
                f"1·16 + 1·8 + 4 = {show(float(total))}. Crops in front have to make up for it.",
                f"1·16 + 1·8 + 4 = {show(float(total))}。前端的裁剪必须补偿这个量。",
            )
        if answer == sum(own):
            return wrong(
                "A pixel of an early layer is several pixels of the last: a shift grows by every stride behind it.",
                "前面层的一个像素相当于最后一层的好几个像素：位移会被其后的每个步长放大。",
            )
        return wrong(
            "Each layer shifts by s/2 of *its own* output pixels. Turn them into pixels of the last output, then add.",
            "每层的位移是*它自己*输出像素的 s/2。先换算成最后输出的像素，再相加。",
        )

    return exercise(
        "stacked",
        Text(
            "FCN-8s goes up through k4 s2, k4 s2 and k16 s8, all with p = 0. By how many pixels of the last output is the "
            "whole shifted, before anything is cut off?",
            "FCN-8s 依次经过 k4 s2、k4 s2、k16 s8 上采样，填充都是 0。裁剪之前，总位移是最后输出的多少个像素？",
        ),
        check,
        hint=Text("With p = 0 and k = 2s a layer shifts by s/2.", "p = 0、k = 2s 的层，位移为 s/2。"),
    )


def meets() -> Any:
    def check(answer: str) -> Verdict:
        specs = {
            "k4": upweave.ConvTranspose(4, 2, 1),
            "k3": upweave.ConvTranspose(3, 2, 1, 1),
            "k2": upweave.ConvTranspose(2, 2),
        }
        # a k3 s2 p1 convolution puts sample n of its output at 2n of its input: the layer back must do the same
        found = upweave.alignment(specs[answer]).axes[0]
        if found.shift_point == 0:
            return right(
                f"Its sample 0 lands on 0 again ({found.kind}). Uneven it is, but the grids meet.",
                f"它把样本 0 送回 0（{found.kind}）。覆盖虽不均匀，网格却是对上的。",
            )
        return wrong(
            f"That layer puts sample n at 2n + {show(float(found.offset))}, half a pixel from where the encoder took it: "
            "the audit reports it where the skip is added.",
            f"这一层把样本 n 放到 2n + {show(float(found.offset))}，与编码器取它的位置差半个像素：检查程序会在跳跃相加处报告。",
        )

    return exercise(
        "meets",
        Text(
            "The encoder's layer is a convolution k3 s2 p1, whose output n stands at its input 2n. Which layer up meets the skip "
            "exactly?",
            "编码器的层是 k3 s2 p1 卷积，它的输出 n 位于输入 2n 处。上采样用哪一层，才能与跳跃连接完全对齐？",
        ),
        check,
        kind="choice",
        options={"k4": same("k4 s2 p1"), "k3": same("k3 s2 p1 o1"), "k2": same("k2 s2 p0")},
    )
