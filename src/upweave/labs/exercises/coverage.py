"""The exercises of lab 5: how many taps reach each output, and when that becomes a checkerboard."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

import upweave

from ..kit import Text, Verdict, exercise, right, same, show, wrong


def residues() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        layer = upweave.ConvTranspose(5, 3, 1)
        truth = upweave.coverage(layer).tolist()
        if answer == truth:
            return right(
                "Taps 0 … 4 reach the residues t − 1 mod 3: 2, 0, 1, 2, 0.",
                "抽头 0 … 4 到达余数 t − 1 mod 3：2、0、1、2、0。",
            )
        if len(answer) != 3:
            return wrong(
                "Three numbers, for the outputs n mod 3 = 0, 1, 2.", "请填三个数，对应 n mod 3 = 0、1、2 的输出。"
            )
        if sum(answer) != 5:
            return wrong(
                f"Every tap reaches exactly one residue, so the counts add up to k = 5; yours add up to {show(sum(answer))}.",
                f"每个抽头恰好到达一个余数，所以三个数之和是 k = 5；您填的和是 {show(sum(answer))}。",
            )
        if sorted(answer) == sorted(truth):
            return wrong(
                "The right counts at the wrong residues: the padding moves tap t to t − p.",
                "数值对了，但余数的位置不对：填充把抽头 t 移到 t − p。",
            )
        return wrong(
            "With ρ = k mod s = 2, two residues have one tap more than the third.",
            "ρ = k mod s = 2，两个余数比另一个多一个抽头。",
        )

    return exercise(
        "residues",
        Text(
            "k = 5, s = 3, p = 1. What is the coverage of the outputs with n mod 3 = 0, 1, 2, far from the border? *(three numbers)*",
            "k = 5、s = 3、p = 1。远离边界时，n mod 3 = 0、1、2 的输出的覆盖数各是多少？（三个数）",
        ),
        check,
        kind="numbers",
    )


def even() -> Any:
    _LAYERS = {
        "a": upweave.ConvTranspose(6, 4, 1),
        "b": upweave.ConvTranspose(4, 2, 3, 0, 2),
        "c": upweave.ConvTranspose(6, 3, 2, 1, 2),
        "d": upweave.ConvTranspose(7, 2, 3, 1),
    }

    def check(answer: str) -> Verdict:
        counts, V = upweave.coverage(_LAYERS[answer]), upweave.coverage_variance(_LAYERS[answer])
        if V == 0:
            return right(
                f"Its counts are {show(counts)}: gcd(2, 3) = 1, so the dilated taps still visit every residue, in another order.",
                f"它的覆盖数是 {show(counts)}：gcd(2, 3) = 1，所以膨胀后的抽头仍然轮流到达每个余数，只是次序不同。",
            )
        return wrong(
            f"Its counts are {show(counts)}, of variance {show(V)}.", f"它的覆盖数是 {show(counts)}，方差为 {show(V)}。"
        )

    return exercise(
        "even",
        Text("Which of these layers has an even coverage in its interior?", "下面哪一层在内部的覆盖是均匀的？"),
        check,
        kind="choice",
        options={n: same(f"k = {a.kernel}, s = {a.stride}, d = {a.dilation}") for n, a in _LAYERS.items()},
    )


def gaps() -> Any:
    def check(answer: Fraction) -> Verdict:
        layer = upweave.ConvTranspose(99, 6, 0, 0, 4)
        (truth,) = upweave.gaps(layer)
        if answer == truth:
            return right(
                "4·t mod 6 is 0, 4, 2, 0 …: of six residues the three even ones. A hundred taps more change nothing.",
                "4·t mod 6 依次是 0、4、2、0……：六个余数中只有三个偶数。再多一百个抽头也无济于事。",
            )
        if answer == 0:
            return wrong(
                "So large a kernel fills everything only if gcd(d, s) = 1. Write down 4·t mod 6 for a few t.",
                "只有 gcd(d, s) = 1 时，这么大的核才能填满。请写出几个 4·t mod 6。",
            )
        return wrong(
            "Count the values that 4·t mod 6 takes; the other residues stay empty.",
            "数一数 4·t mod 6 能取多少个值，其余的余数都是空的。",
        )

    return exercise(
        "gaps",
        Text(
            "k = 99, s = 6, d = 4. How many of every six outputs get nothing at all?",
            "k = 99、s = 6、d = 4。每六个输出中有几个什么也得不到？",
        ),
        check,
    )


def two() -> Any:
    def check(answer: Fraction) -> Verdict:
        one = upweave.phase_bank(upweave.ConvTranspose(3, 2))
        counts = upweave.coverage(one @ one)
        truth = Fraction(int(counts.max()), int(counts.min())) ** 2
        if answer == truth:
            return right(
                f"On one axis the counts are {show(counts)}, a ratio of {show(Fraction(int(counts.max()), int(counts.min())))}; the plane squares it.",
                f"一维上的路径数是 {show(counts)}，比值为 {show(Fraction(int(counts.max()), int(counts.min())))}；二维要平方。",
            )
        if answer == 16:
            return wrong(
                "Not 4 · 4: the most paths of the second layer come from two *different* outputs of the first, not both of the strongest kind.",
                "不是 4 · 4：第二层路径最多的输出来自第一层两个*不同*的输出，它们不会都是最强的那种。",
            )
        if answer * answer == truth:
            return wrong("That is one axis. In the plane counts multiply.", "这是一维的比值；二维中覆盖数相乘。")
        return wrong(
            "After one layer a line reads 1, 2, 1, 2 … The next layer's even outputs copy one of them, its odd ones add two neighbours (or the reverse).",
            "一层之后一行是 1、2、1、2……下一层的奇数（或偶数）输出照抄其中一个，另一类输出把两个相邻的相加。",
        )

    return exercise(
        "two",
        Text(
            "Two layers k = 3, s = 2 behind each other, in the plane. How many times as many paths reach the most covered output as the least?",
            "两个 k = 3、s = 2 的层前后相接，在二维中。到达覆盖最多的输出的路径数是覆盖最少的几倍？",
        ),
        check,
    )


def decibels() -> Any:
    def check(answer: Fraction) -> Verdict:
        layer = upweave.ConvTranspose((5, 5), 2, 2, 1)
        w = np.random.default_rng(1).standard_normal((128, 128, 5, 5))
        found = upweave.gain_imbalance(layer, w).per_phase
        measured = float(found.max() - found.min())
        counts = upweave.coverage(layer)
        ratio = counts.max() / counts.min()
        if abs(float(answer) - 10 * math.log10(ratio)) < 0.15:
            return right(
                f"9 taps against 4: 10·log₁₀(9/4). A draw of 128 × 128 channels just now gave {show(measured)} dB.",
                f"9 个抽头对 4 个：10·log₁₀(9/4)。刚才抽取的 128 × 128 通道给出 {show(measured)} dB。",
            )
        if abs(float(answer) - 20 * math.log10(ratio)) < 0.15:
            return wrong(
                f"So it is for equal weights. Random ones add up in power; measured just now: {show(measured)} dB.",
                f"那是权重相等的情形。随机权重按功率相加；刚才实测：{show(measured)} dB。",
            )
        return wrong(
            "The variance of a sum of T independent weights is T times that of one. Which T has the strongest phase, which the weakest?",
            "T 个独立权重之和的方差是单个权重的 T 倍。最强的相位 T 是多少，最弱的呢？",
        )

    return exercise(
        "decibels",
        Text(
            "k = 5, s = 2 in the plane, freshly drawn weights of many channels. By how many decibels does the strongest phase "
            "answer a constant more strongly than the weakest? *(to 0.1 dB)*",
            "二维的 k = 5、s = 2，许多通道的权重刚刚随机初始化。对常数输入，最强的相位比最弱的强多少分贝？（精确到 0.1 dB）",
        ),
        check,
    )
