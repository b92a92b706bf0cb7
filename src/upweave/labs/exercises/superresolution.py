"""The exercises of lab 8c: the best kernel for photographs, in closed form."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import upweave

from ..applied.data import photograph
from ..applied.gains import equal_gains
from ..applied.superresolution import LAYERS, best_weight, enlarged, psnr, reduced
from ..kit import Text, Verdict, exercise, right, show, wrong


def reads() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        counts = upweave.coverage(LAYERS["k3"])
        truth = sorted(int(a * b) for a in counts for b in counts)
        if sorted(answer) == truth:
            return right(
                "Of every 2×2 outputs one is a copy, scaled, of a single small pixel.",
                "每 2×2 个输出中，有一个只是某个小图像素乘上一个数。",
            )
        if len(answer) != 4:
            return wrong("Four numbers, one for each pixel of a 2×2 square.", "四个数，2×2 方块的每个像素一个。")
        return wrong(
            f"Together they are the 9 taps of the kernel; yours add up to {show(float(sum(answer)))}. On one axis the two "
            "phases have 1 and 2.",
            f"它们合起来就是核的 9 个抽头；您的和是 {show(float(sum(answer)))}。在一个轴上，两个相位分别有 1 个和 2 个。",
        )

    return exercise(
        "reads",
        Text(
            "k3 s2 p1 o1 in the plane: from how many small pixels is each of the four kinds of output made? *(four numbers, any "
            "order)*",
            "二维的 k3 s2 p1 o1：四种输出像素各由几个小图像素得来？（四个数，顺序不限）",
        ),
        check,
        kind="numbers",
    )


def centre() -> Any:
    def check(answer: str) -> Verdict:
        weight = best_weight("k9", "camera")
        found = upweave.alignment(LAYERS["k9"], weight).axes[0]
        paper, centroid = float(found.shift_half_pixel), float(found.centroid_shift_half_pixel or 0)
        truth = "middle" if abs(centroid) < 0.1 else "paper" if abs(centroid - paper) < 0.1 else "other"
        if answer == truth:
            return right(
                f"By structure {show(paper)}, by weight {show(centroid)} pixels.",
                f"按结构是 {show(paper)} 像素，按权重是 {show(centroid)} 像素。",
            )
        return wrong(
            f"Computed: the centroid of the best weight lies {show(centroid)} pixels from the half-pixel grid.",
            f"算一下：最优权重的重心与半像素网格相差 {show(centroid)} 像素。",
        )

    return exercise(
        "centre",
        Text(
            "Where does the best weight of FSRCNN's k9 s2 p4 o1 put a small pixel?",
            "FSRCNN 的 k9 s2 p4 o1 的最优权重，把小图像素放在哪里？",
        ),
        check,
        kind="choice",
        options={
            "paper": Text("half a pixel off, as k, s and p say", "偏半个像素，与 k、s、p 所说一致"),
            "middle": Text("where it belongs, to a tenth of a pixel", "放在应在之处，误差不到十分之一像素"),
            "other": Text("somewhere else", "别的地方"),
        },
    )


def price() -> Any:
    def check(answer: str) -> Verdict:
        truth = photograph("camera")
        small, free = reduced(truth), best_weight("k4", "camera")
        spec = LAYERS["k4"]
        lost = psnr(enlarged(small, spec, free), truth) - psnr(enlarged(small, spec, equal_gains(free, 2)), truth)
        kept = "nothing" if abs(lost) < 0.01 else "some" if lost < 1 else "much"
        if answer == kept:
            return right(
                f"Computed: {show(lost)} dB. A constant stays a constant from the first step on, and quality does not pay for it.",
                f"算得 {show(lost)} dB。从第一步起常数就保持为常数，而质量没有为此付出代价。",
            )
        return wrong(f"Computed on the first photograph: {show(lost)} dB.", f"在第一张照片上算得：{show(lost)} dB。")

    return exercise(
        "price",
        Text(
            "Force all phases of the best k4 weight to one gain. What does that cost on the first photograph?",
            "强制最优 k4 权重的各相位增益相等，在第一张照片上要付出多大代价？",
        ),
        check,
        kind="choice",
        options={
            "nothing": Text("less than 0.01 dB", "不到 0.01 dB"),
            "some": Text("a few tenths of a dB", "零点几 dB"),
            "much": Text("more than 1 dB", "1 dB 以上"),
        },
    )
