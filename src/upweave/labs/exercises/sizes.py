"""The exercises of lab 3: how long the output is, why there are several answers, and which sizes survive a whole network."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

import upweave

from ...errors import SpecError
from ...graph.sizes import sizes_of
from ..frameworks import pytorch, same_upper
from ..kit import Text, Verdict, exercise, right, show, wrong
from ..networks import Network


def length() -> Any:
    def check(answer: Fraction) -> Verdict:
        layer = upweave.ConvTranspose(5, 3, 2, 1)
        truth = upweave.output_size(layer, 7)
        if answer == truth:
            return right(f"3·6 − 2·2 + 4 + 1 + 1 = {truth}.", f"3·6 − 2·2 + 4 + 1 + 1 = {truth}。")
        if answer == 3 * 7:
            return wrong("That would be s·H; this p and o do not make it so.", "那是 s·H；这里的 p 和 o 得不到它。")
        if answer == truth + 1 or answer == truth - 1:
            return wrong(
                "One off: the formula has d(k−1) + 1, which is k here, and adds o once.",
                "差 1：公式里是 d(k−1) + 1，这里就是 k，且 o 只加一次。",
            )
        return wrong("H_T = s(H−1) − 2p + d(k−1) + 1 + o.", "H_T = s(H−1) − 2p + d(k−1) + 1 + o。")

    return exercise(
        "length",
        Text(
            "k = 5, s = 3, p = 2, o = 1, seven inputs. How many outputs?",
            "k = 5、s = 3、p = 2、o = 1，输入长度为 7。输出长度是多少？",
        ),
        check,
    )


def from_() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        conv = upweave.Conv(7, 2, 3)
        truth = [n for n, _ in upweave.input_sizes(conv, 112)]
        given = sorted(answer)
        if given == truth:
            return right(
                "⌊(N + 6 − 7)/2⌋ + 1 = 112 for both: the last sample of the longer one falls off.",
                "两者都满足 ⌊(N + 6 − 7)/2⌋ + 1 = 112：较长的那个，最后一个样本被丢掉了。",
            )
        bad = next((n for n in given if n.denominator != 1 or n < 1 or upweave.output_size(conv, int(n)) != 112), None)
        if bad is not None:
            made = upweave.output_size(conv, int(bad)) if bad >= 1 and bad.denominator == 1 else "—"
            return wrong(f"{show(float(bad))} goes to {made}.", f"{show(float(bad))} 会变成 {made}。")
        return wrong("Right so far, but there are s of them.", "目前没错，但这样的长度一共有 s 个。")

    return exercise(
        "from",
        Text(
            "The first layer of ResNet (k = 7, s = 2, p = 3) gave 112 samples. How long may its input have been? *(all lengths)*",
            "ResNet 的首层（k = 7、s = 2、p = 3）输出 112 个样本。它的输入可能有多长？（所有可能的长度）",
        ),
        check,
        kind="numbers",
    )


def design() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        if len(answer) != 4 or any(a.denominator != 1 for a in answer):
            return wrong("Four whole numbers: k, s, p, o.", "请填四个整数：k、s、p、o。")
        if max(answer) > 64:
            return wrong("A smaller layer will do.", "更小的层就够了。")
        try:
            layer = upweave.ConvTranspose(*(int(a) for a in answer))
            made = upweave.output_size(layer, 16)
        except SpecError as e:
            return wrong(f"No such layer: {e}", f"没有这样的层：{e}")
        if made != 48:
            return wrong(f"This makes {made} of 16.", f"它把 16 变成 {made}。")
        counts = upweave.coverage(layer)
        if counts.min() != counts.max():
            return wrong(
                f"The length is right, the coverage {show(counts)} is not even.",
                f"长度对了，但覆盖数 {show(counts)} 不均匀。",
            )
        if int(answer[0]) <= 3:
            return wrong("Right, but k is to be above 3.", "对，但要求 k 大于 3。")
        axis = upweave.alignment(layer).axes[0]
        return right(
            f"16 → {made}, coverage {show(counts)}, shift {show(str(axis.shift_half_pixel))} against the half-pixel grid.",
            f"16 → {made}，覆盖数 {show(counts)}，相对半像素网格的偏移为 {show(str(axis.shift_half_pixel))}。",
        )

    return exercise(
        "design",
        Text(
            "Find a layer that takes 16 to 48 with even coverage and a kernel above 3. *(k s p o; several are right)*",
            "找一个把 16 变成 48、覆盖均匀且核大于 3 的层。（k s p o；答案不唯一）",
        ),
        check,
        kind="numbers",
    )


def photo() -> Any:
    def check(answer: Fraction) -> Verdict:
        found = sizes_of(Network("pool", "k2", 4).grids(64)).axes[0]
        truth = next(n for n in range(250, 600) if n in found)
        if answer == truth:
            return right(
                f"Multiples of {found.period}: pad by {truth - 250}, crop the output back.",
                f"必须是 {found.period} 的倍数：填充 {truth - 250} 个样本，再把输出裁回来。",
            )
        if answer.denominator != 1 or answer < 250:
            return wrong("A whole number of at least 250.", "请填不小于 250 的整数。")
        if int(answer) in found:
            return wrong("That goes through, but a smaller one does as well.", "这个能通过，但还有更小的。")
        bad = next(s for s in Network("pool", "k2", 4).decoder(int(answer)) if not s.fits)
        return wrong(
            f"At {answer} a decoder level makes {bad.made} samples where the skip has {bad.skip}.",
            f"长度为 {answer} 时，某一级解码器得到 {bad.made} 个样本，而跳跃连接有 {bad.skip} 个。",
        )

    return exercise(
        "photo",
        Text(
            "A U-Net with four 2×2 pools and four k2 s2 layers gets a photograph 250 pixels wide. What is the least width to "
            "pad it to?",
            "一个 U-Net 有四级 2×2 池化和四个 k2 s2 转置卷积，输入照片宽 250 像素。至少要填充到多宽？",
        ),
        check,
    )


def port() -> Any:
    def check(answer: str) -> Verdict:
        ours, theirs = pytorch(3, 2), same_upper(3, 2)
        w = np.array([2.0, -1.0, 3.0]).reshape(1, 1, 3)
        a = upweave.matrix(ours, 4, w).toarray()
        b = upweave.matrix(theirs, (4,), w).toarray()
        truth = (
            "size"
            if a.shape != b.shape
            else "same"
            if np.array_equal(a, b)
            else "moved"
            if np.array_equal(a[:-1], b[1:])
            else "values"
        )
        x = np.array([1.0, 0, 0, 0])
        what = f"(1, 0, 0, 0) → {show(a @ x)} / {show(b @ x)}"
        if answer == truth:
            return right(
                f"PyTorch / Keras: {what}. Crop by hand instead of using o.",
                f"PyTorch / Keras：{what}。应当自己裁剪，而不是用 o。",
            )
        return wrong(f"Computed, PyTorch / Keras: {what}.", f"算一下，PyTorch / Keras：{what}。")

    return exercise(
        "port",
        Text(
            'A Keras layer with kernel 3, stride 2, "same" is ported to PyTorch as k3 s2 p1 o1, with its weights. The outputs …',
            "把 Keras 中核为 3、步长为 2、“same” 的层连同权重移植到 PyTorch，写成 k3 s2 p1 o1。两者的输出……",
        ),
        check,
        kind="choice",
        options={
            "same": Text("are the same.", "完全相同。"),
            "size": Text("differ in length.", "长度不同。"),
            "moved": Text("are as long, but moved by one sample.", "长度相同，但平移了一个样本。"),
        },
    )
