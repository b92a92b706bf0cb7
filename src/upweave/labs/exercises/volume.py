"""The exercises of lab 8d: volumes: a head in 64³ voxels."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

import upweave

from ...errors import SpecError
from ..kit import Text, Verdict, exercise, right, same, show, wrong


def range_() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        line = np.atleast_1d(upweave.coverage(upweave.ConvTranspose(3, 2, 1, 1)))
        truth = [int(line.min()) ** 3, int(line.max()) ** 3]
        if [int(a) if a.denominator == 1 else a for a in answer] == truth:
            return right(
                f"1³ and 2³: for independent weights the busiest voxels vary √{truth[1]} = {show(truth[1] ** 0.5)} times as much.",
                f"1³ 与 2³：权重独立时，抽头最多的体素的波动是最少者的 √{truth[1]} = {show(truth[1] ** 0.5)} 倍。",
            )
        if list(answer) == [1, 2]:
            return wrong("That is one axis; the taps of three axes multiply.", "这是一个轴；三个轴的抽头数要相乘。")
        return wrong(
            "Two numbers, the least first. Take one axis, then multiply.", "两个数，先小后大。先看一个轴，再相乘。"
        )

    return exercise(
        "range",
        Text(
            "k3 s2 in three dimensions: how many taps do the outputs with fewest and with most taps have? *(two numbers)*",
            "三维的 k3 s2：抽头最少和最多的输出各有几个抽头？（两个数）",
        ),
        check,
        kind="numbers",
    )


def saved() -> Any:
    def check(answer: Fraction) -> Verdict:
        plain = upweave.multiplies(upweave.ResizeConv((3, 3, 3), (2, 2, 2), (1, 1, 1), mode="nearest"), 1, 1, (8, 8, 8))
        folded = upweave.multiplies(upweave.ConvTranspose((4, 4, 4), (2, 2, 2), (1, 1, 1)), 1, 1, (8, 8, 8))
        truth = Fraction(plain, folded)
        if answer == truth:
            return right(
                f"27·8 against 64 an input voxel: {show(float(truth))}. In the plane it is 36/16 = 2.25.",
                f"每个输入体素 27·8 次对 64 次：{show(float(truth))} 倍。二维是 36/16 = 2.25 倍。",
            )
        return wrong(
            "Count by input voxel. As written: eight outputs of 27 products each. Folded: every input meets every tap once.",
            "按输入体素计数。照原样：八个输出，每个 27 次乘法。折叠后：每个输入与每个抽头相乘一次。",
        )

    return exercise(
        "saved",
        Text(
            "Nearest ×2 and a 3×3×3 convolution fold into one transposed convolution with k = 4, s = 2. How many times fewer "
            "multiplications is that, in three dimensions?",
            "最近邻 ×2 加 3×3×3 卷积可以折叠成一个 k = 4、s = 2 的转置卷积。在三维中，乘法次数减少为原来的几分之一？（填倍数）",
        ),
        check,
    )


def thick() -> Any:
    def check(answer: str) -> Verdict:
        k, p, o = {
            "333": ((3,) * 3, (1,) * 3, (0, 1, 1)),
            "444": ((4,) * 3, (1,) * 3, 0),
            "344": ((3, 4, 4), (1,) * 3, 0),
        }[answer]
        spec = upweave.ConvTranspose(k, (1, 2, 2), p, o if isinstance(o, tuple) else (0, 0, 0))
        try:
            out = tuple(int(n) for n in upweave.output_size(spec, (20, 32, 32)))
        except SpecError as e:
            return wrong(str(e), f"这一层不存在：{e}")
        even = all(float(upweave.coverage_variance(a)) == 0 for a in spec.per_axis(3))
        if out == (20, 64, 64) and even:
            return right(
                f"{show(out)}, and every voxel has as many taps as the next.", f"{show(out)}，每个体素的抽头数都相同。"
            )
        if out != (20, 64, 64):
            return wrong(
                f"20×32×32 become {'×'.join(map(str, out))}: on the axis of stride 1 a kernel of 4 loses a slice.",
                f"20×32×32 变成了 {'×'.join(map(str, out))}：在步长为 1 的轴上，大小为 4 的核会丢掉一层。",
            )
        return wrong(
            "The size is right; but in the plane the phases have 1 and 2 taps on each axis.",
            "尺寸对了；但在平面内，每个轴的两个相位分别有 1 个和 2 个抽头。",
        )

    return exercise(
        "thick",
        Text(
            "A scan has thick slices: 20×32×32 voxels are to become 20×64×64, with stride 1×2×2. Which kernel keeps all slices "
            "and covers all voxels alike?",
            "一份扫描的层很厚：20×32×32 的体素要变成 20×64×64，步长为 1×2×2。哪种核既保留所有层，又对所有体素覆盖均匀？",
        ),
        check,
        kind="choice",
        options={"333": same("3×3×3, p 1, o 0×1×1"), "444": same("4×4×4, p 1"), "344": same("3×4×4, p 1")},
    )
