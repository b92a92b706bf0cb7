"""The exercises of lab 8a: the decoder of a small GAN, before and after training."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

import upweave

from ..applied.decoder import decoded, path_counts
from ..kit import Text, Verdict, exercise, right, show, wrong


def gains() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        weight = np.array([1.0, 2.0, 4.0, 1.0]).reshape(1, 1, 4)
        truth = upweave.dc_gain(upweave.ConvTranspose(4, 2, 1), weight).ravel().tolist()
        if [float(a) for a in answer] == truth:
            return right(
                f"Outputs alternate between {show(truth[0])} and {show(truth[1])}, though each has two taps.",
                f"每个输出都有两个抽头，数值却在 {show(truth[0])} 与 {show(truth[1])} 之间交替。",
            )
        if [float(a) for a in answer] == truth[::-1]:
            return wrong(
                "The right two numbers, in the wrong order: output 0 is reached by the taps with t ≡ p (mod s).",
                "两个数对了，顺序反了：到达输出 0 的是满足 t ≡ p（mod s）的抽头。",
            )
        return wrong(
            "The gain of a phase is the sum of its taps; phase r has those with t ≡ r + p (mod s).",
            "一个相位的增益是它的抽头之和；相位 r 的抽头满足 t ≡ r + p（mod s）。",
        )

    return exercise(
        "gains",
        Text(
            "One channel, k = 4, s = 2, p = 1, w = (1, 2, 4, 1), and the input is 1 everywhere. What do the outputs of phase 0 "
            "and phase 1 become? *(two numbers)*",
            "单通道，k = 4、s = 2、p = 1，w = (1, 2, 4, 1)，输入处处为 1。相位 0 和相位 1 的输出各是多少？（两个数）",
        ),
        check,
        kind="numbers",
    )


def paths() -> Any:
    def check(answer: Fraction) -> Verdict:
        counts = path_counts("k3")[:, 0]
        line = counts / np.gcd.reduce(counts.astype(int))
        truth = line.max() / line.min()
        if answer == Fraction(truth):
            return right(
                f"Over eight neighbours the paths go like {show(line.astype(int).tolist())}; in the picture it is {show(truth)}² = "
                f"{show(truth**2)} times.",
                f"相邻八个位置的路径数之比是 {show(line.astype(int).tolist())}；二维图像中是 {show(truth)}² = {show(truth**2)} 倍。",
            )
        if answer == 8:
            return wrong(
                "2³ would hold if a busy output always met busy ones before it. Follow the paths layer by layer.",
                "只有当路径多的输出之前也总是路径多的输出时，才会是 2³。请逐层数路径。",
            )
        return wrong(
            "One layer turns (a, b, c, …) into (a, a+b, b, b+c, c, …). Begin with ones, do it three times, stay away from the ends.",
            "一层把 (a, b, c, …) 变成 (a, a+b, b, b+c, c, …)。从全 1 开始做三次，只看远离两端的部分。",
        )

    return exercise(
        "paths",
        Text(
            "Three layers k3 s2 behind each other, on one axis: how many times as many paths from the input does the busiest "
            "output get as the quietest?",
            "三个 k3 s2 层相接，只看一个轴：路径最多的输出所得的输入路径数，是最少者的多少倍？",
        ),
        check,
        hint=Text(
            "Phase by phase, a layer gives one tap, then two, in turn.", "逐相位看，一层交替地给出一个抽头和两个抽头。"
        ),
    )


def remedy() -> Any:
    def check(answer: str) -> Verdict:
        share = float(np.mean([decoded(answer, 0, seed).checkerboard[0] for seed in range(3)]))
        if share < 0.01:
            return right(
                f"Over three random starts the checkerboard has {show(max(0.0, share))} of the variance.",
                f"三个随机种子平均，棋盘占方差的 {show(max(0.0, share))}。",
            )
        return wrong(
            f"Computed over three random starts: the checkerboard still has {show(share)} of the variance.",
            f"用三个随机种子算过：棋盘仍占方差的 {show(share)}。",
        )

    return exercise(
        "remedy",
        Text(
            "Which of these leaves no checkerboard in the pictures of an untrained decoder?",
            "下面哪一种，能让未训练的解码器画出的图像没有棋盘？",
        ),
        check,
        kind="choice",
        options={
            "k4": Text("a kernel of 4: a multiple of the stride", "核大小取 4：步长的整数倍"),
            "k5": Text("a larger kernel, 5", "更大的核，5"),
            "equal": Text("kernels of 4 whose phases have equal gains", "核大小取 4，且各相位增益相等"),
        },
    )
