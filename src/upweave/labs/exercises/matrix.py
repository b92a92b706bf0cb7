"""The exercises of lab 1: a convolution is a matrix, and its transpose is the transposed convolution."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

import upweave

from ..kit import Text, Verdict, exercise, right, show, wrong


def shape() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        layer = upweave.ConvTranspose(4, 2, 1)
        truth = upweave.matrix(layer, 8).shape
        if answer == list(truth):
            return right(
                f"H_T = 2·7 − 2·1 + 3 + 1 = {truth[0]} rows, one column an input.",
                f"H_T = 2·7 − 2·1 + 3 + 1 = {truth[0]} 行，每个输入一列。",
            )
        if answer == list(truth[::-1]):
            return wrong(
                "That is C, which takes the long signal. Cᵀ stands the other way.",
                "这是 C 的形状，它接收长的信号；Cᵀ 正好反过来。",
            )
        if len(answer) != 2:
            return wrong("Two numbers: rows, then columns.", "请填两个数：先行数，后列数。")
        if answer[1] != truth[1]:
            return wrong("There is one column for every input sample.", "每个输入样本对应一列。")
        return wrong(
            "The columns fit. The rows are the output length: s(H−1) − 2p + k.",
            "列数对了。行数就是输出长度：s(H−1) − 2p + k。",
        )

    return exercise(
        "shape",
        Text(
            "A transposed convolution has k = 4, s = 2, p = 1 and an input of length 8. How many rows and columns has its "
            "matrix Cᵀ? *(two numbers)*",
            "一个转置卷积的 k = 4、s = 2、p = 1，输入长度为 8。它的矩阵 Cᵀ 有几行几列？（两个数）",
        ),
        check,
        kind="numbers",
    )


def row_() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        layer = upweave.ConvTranspose(3, 2, 1)
        w = np.array([2.0, -1.0, 3.0]).reshape(1, 1, 3)
        truth = upweave.matrix(layer, 3, w).toarray()[3]
        if len(answer) == len(truth) and all(float(a) == t for a, t in zip(answer, truth, strict=True)):
            return right(
                "Output 3 is reached by tap 2 of input 1 (2·1 + 2 − 1) and by tap 0 of input 2 (2·2 + 0 − 1).",
                "输出 3 由输入 1 的抽头 2（2·1 + 2 − 1）和输入 2 的抽头 0（2·2 + 0 − 1）到达。",
            )
        if len(answer) != len(truth):
            return wrong(
                f"A row has {len(truth)} entries, one for each input.", f"一行有 {len(truth)} 个元素，每个输入一个。"
            )
        if [float(a) for a in answer] == truth[::-1].tolist():
            return wrong(
                "The kernel is not flipped when it is stamped: tap t of input i lands on s·i + t − p.",
                "盖章时卷积核不翻转：输入 i 的抽头 t 落在 s·i + t − p 处。",
            )
        at = next(i for i, (a, t) in enumerate(zip(answer, truth, strict=True)) if float(a) != t)
        return wrong(
            f"Look at column {at}: which t solves 3 = 2·{at} + t − 1? If there is none in 0, 1, 2, the entry is 0.",
            f"看第 {at} 列：哪个 t 满足 3 = 2·{at} + t − 1？如果 0、1、2 都不满足，该元素就是 0。",
        )

    return exercise(
        "row",
        Text(
            "With w = (2, −1, 3), s = 2, p = 1 and three inputs, what is row 3 of Cᵀ (counting from 0)? *(three numbers)*",
            "设 w = (2, −1, 3)、s = 2、p = 1，输入长度为 3。Cᵀ 的第 3 行（从 0 数起）是什么？（三个数）",
        ),
        check,
        kind="numbers",
        hint=Text("Tap t of input i lands on output n = s·i + t − p.", "输入 i 的抽头 t 落在输出 n = s·i + t − p 处。"),
    )


def cut() -> Any:
    def check(answer: Fraction) -> Verdict:
        layer = upweave.ConvTranspose(7, 2, 3)
        whole = upweave.ConvTranspose(7, 2, 0)
        cut = upweave.matrix(whole, 6).nnz - upweave.matrix(layer, 6).nnz
        if answer == cut:
            return right(
                f"6·7 products without padding, {upweave.matrix(layer, 6).nnz} with it.",
                f"没有填充时有 6·7 次乘法，有填充时剩 {upweave.matrix(layer, 6).nnz} 次。",
            )
        if answer == 2 * 3:
            return wrong(
                "Six *outputs* are cut off, but more than one stamp may reach each of them.",
                "被裁掉的是六个输出，但每个输出可能被不止一个印记覆盖。",
            )
        return wrong(
            "Only stamps near an end lose anything. Count, at each end, the taps that land on n < 0 (or n ≥ H_T).",
            "只有靠近两端的印记会有损失。请在每一端数一数落在 n < 0（或 n ≥ H_T）的抽头。",
        )

    return exercise(
        "cut",
        Text(
            "k = 7, s = 2, six inputs. Padding p = 3 cuts three outputs off each end. How many entries does Cᵀ lose by that, "
            "compared with p = 0?",
            "k = 7、s = 2、输入长度为 6。填充 p = 3 会在每一端裁掉三个输出。与 p = 0 相比，Cᵀ 因此少了多少个元素？",
        ),
        check,
    )


def inverse() -> Any:
    def check(answer: str) -> Verdict:
        w = np.array([2.0, -1.0, 3.0]).reshape(1, 1, 3)
        C = upweave.matrix(upweave.Conv(3, 2, 1), 5, w).toarray()
        y = C @ np.ones(5)
        holds = {
            "inverse": bool(np.allclose(C.T @ C, np.eye(5))),
            "left": bool(np.allclose(C @ C.T, np.eye(3))),
            "shape": C.T.shape == C.shape[::-1] and not np.allclose(C.T @ y, np.ones(5)),
        }
        if holds[answer]:
            return right(
                "It restores the length of the signal, and each number goes back to the cells it came from; the values differ.",
                "它恢复的是信号的长度，每个数回到它所来自的位置；但数值并不相同。",
            )
        product = C.T @ C if answer == "inverse" else C @ C.T
        return wrong(
            f"Computed: the first row of that product is {show(product[0])}, which is no row of the identity.",
            f"算一下：这个乘积的第一行是 {show(product[0])}，不是单位矩阵的行。",
        )

    return exercise(
        "inverse",
        Text(
            "For the article's example (w = (2, −1, 3), s = 2, p = 1, N = 5), what does Cᵀ do to y = C·x?",
            "对文中的例子（w = (2, −1, 3)、s = 2、p = 1、N = 5），Cᵀ 对 y = C·x 做了什么？",
        ),
        check,
        kind="choice",
        options={
            "inverse": Text("It gives x back: Cᵀ·C is the identity.", "还原出 x：Cᵀ·C 是单位矩阵。"),
            "left": Text(
                "It gives y back on the next way down: C·Cᵀ is the identity.",
                "再下采样一次就还原出 y：C·Cᵀ 是单位矩阵。",
            ),
            "shape": Text(
                "It gives a signal as long as x, but with other values.", "得到一个与 x 等长的信号，但数值不同。"
            ),
        },
    )
