"""The exercises of lab 8e: a transposed convolution as the prolongation of a multigrid solver."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

import upweave

from ..applied.multigrid import LINES, PROLONGATION, order, reductions, two_grid_factor
from ..kit import Text, Verdict, exercise, right, show, wrong


def flat() -> Any:
    def check(answer: Fraction) -> Verdict:
        weight = np.array([float(answer), 1.2, float(answer)]).reshape(1, 1, 3)
        gains = upweave.dc_gain(PROLONGATION, weight).ravel()
        if upweave.is_dc_flat(PROLONGATION, weight):
            return right(
                f"Both phases have the gain {show(gains[0])}: a zero at π.",
                f"两个相位的增益都是 {show(gains[0])}：π 处有零点。",
            )
        return wrong(
            f"With that the phases have gains {show(gains.tolist())}: outputs 2i get two taps, outputs 2i + 1 the middle one.",
            f"这样两个相位的增益是 {show(gains.tolist())}：输出 2i 得到两个抽头，输出 2i + 1 得到中间的一个。",
        )

    return exercise(
        "flat",
        Text(
            "A learned kernel is (a, 1.2, a) with s = 2. For which a does a constant come up without a checkerboard?",
            "学到的核是 (a, 1.2, a)，s = 2。a 取多少，常数送上来才没有棋盘？",
        ),
        check,
    )


def factor() -> Any:
    def check(answer: Fraction) -> Verdict:
        truth = two_grid_factor(2, 1)
        if abs(float(answer) - truth) < 0.02:
            return right(
                f"(3/5)³ = {show(0.6**3)}, and measured on 31² points {show(float(reductions(5, 2, 1)[-5:].mean()))}.",
                f"(3/5)³ = {show(0.6**3)}，在 31² 个点上实测 {show(float(reductions(5, 2, 1)[-5:].mean()))}。",
            )
        return wrong(
            f"Computed for one sweep: {show(two_grid_factor(1, 0))}. Each further one multiplies by as much again.",
            f"一次光滑时算得 {show(two_grid_factor(1, 0))}。每多一次，就再乘一个同样的因子。",
        )

    return exercise(
        "factor",
        Text(
            "Each sweep of the smoother multiplies high frequencies by at most 3/5. By what does a V(2,1) multiply the error, with "
            "bilinear weights? *(to two digits)*",
            "光滑器每次最多把高频乘以 3/5。双线性权重时，一个 V(2,1) 循环把误差乘以多少？（两位数字）",
        ),
        check,
    )


def grows() -> Any:
    def check(answer: str) -> Verdict:
        line = LINES[answer][1]
        small, large = (float(reductions(m, 1, 1, cycles=20, line=line)[-5:].mean()) for m in (3, 6))
        equal = order(line) >= 1
        if equal and large > 1:
            return right(
                f"Its gains are equal, and the factor goes from {show(small)} on 7² points to {show(large)} on 63².",
                f"它的增益相等，而因子从 7² 个点的 {show(small)} 变到 63² 个点的 {show(large)}。",
            )
        if not equal:
            return wrong("Those gains are not equal at all.", "这个核的增益本来就不相等。")
        return wrong(
            f"On 63² points its factor is {show(large)}: it converges.",
            f"在 63² 个点上它的因子是 {show(large)}：收敛。",
        )

    return exercise(
        "grows",
        Text(
            "Which of these makes no checkerboard of a constant, and still lets the solver diverge on a large grid?",
            "下面哪一个核不会把常数变成棋盘，却仍使求解器在大网格上发散？",
        ),
        check,
        kind="choice",
        options={k: LINES[k][0] for k in ("linear", "repeat", "ten")},
    )
