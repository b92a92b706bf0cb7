"""The exercises of lab 8f: checkerboards that one can hear."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

import upweave

from ...theory.spectrum import zero_insert
from ..applied.vocoder import KINDS, LOW, RATE, STRIDE, weight, whistles
from ..kit import Text, Verdict, exercise, right, show, wrong


def pitch() -> Any:
    def check(answer: Fraction) -> Verdict:
        rates = [Fraction(22050, 256)]
        for s in (8, 8, 2, 2):
            rates.append(rates[-1] * s)
        truth = rates[2] / 8  # the second layer's output rate over its stride
        if abs(answer - truth) <= 1:
            return right(
                f"The second layer's output has {show(float(rates[2]))} samples a second, and a constant repeats every 8 of them: "
                f"{show(float(truth))} Hz. The layers behind it pass it on as any tone.",
                f"第二层的输出每秒有 {show(float(rates[2]))} 个样本，常数每 8 个重复一次：{show(float(truth))} Hz。后面的层把它当作普通的音传下去。",
            )
        if abs(answer - Fraction(22050, 8)) <= 1:
            return wrong(
                "That would be a layer of stride 8 at the very end; two layers of stride 2 follow.",
                "那是步长为 8 的层在最后的情形；它后面还有两个步长为 2 的层。",
            )
        return wrong(
            "Find the rate at the output of the second layer (two doublings before 22050 Hz), and divide by its stride.",
            "先求第二层输出处的采样率（离 22050 Hz 还有两次加倍），再除以它的步长。",
        )

    return exercise(
        "pitch",
        Text(
            "HiFi-GAN goes up by 8, 8, 2, 2 to 22050 samples a second. The phases of its *second* layer are unequal. What is the "
            "lowest whistle, in Hz?",
            "HiFi-GAN 依次放大 8、8、2、2 倍，到每秒 22050 个样本。若它的*第二*层各相位增益不等，最低的啸叫是多少 Hz？",
        ),
        check,
    )


def images() -> Any:
    def check(answer: list[Fraction]) -> Verdict:
        # the images of a tone, found where its zero-inserted line has power
        n = 2000
        x = np.cos(2 * np.pi * 440 * np.arange(n) / LOW)
        power = np.abs(np.fft.rfft(zero_insert(x, STRIDE)))
        lines = np.flatnonzero(power > 0.5 * power.max()) * RATE / (n * STRIDE)
        truth = sorted(float(f) for f in lines)[1:3]
        if sorted(float(a) for a in answer) == truth:
            return right(
                f"All of them: {show(sorted(int(f) for f in lines))} Hz.",
                f"全部是：{show(sorted(int(f) for f in lines))} Hz。",
            )
        if len(answer) != 2:
            return wrong("Two numbers.", "请填两个数。")
        return wrong(
            "Zero insertion repeats the spectrum every 2000 Hz, and a real tone has power at +440 and at −440 Hz.",
            "插零使频谱每 2000 Hz 重复一次，而实信号的音在 +440 和 −440 Hz 都有能量。",
        )

    return exercise(
        "images",
        Text(
            "The tone a' = 440 Hz goes in at 2000 samples a second, s = 8. At which two frequencies are its first images? "
            "*(two numbers, Hz)*",
            "440 Hz 的音以每秒 2000 个样本输入，s = 8。它最低的两个镜像在什么频率？（两个数，Hz）",
        ),
        check,
        kind="numbers",
    )


def silent() -> Any:
    def check(answer: str) -> Verdict:
        loudest = float(whistles(answer, 0.5).max())
        rejected = upweave.image_rejection(KINDS[answer][1], weight(answer)).typical
        if loudest < 1e-9 and rejected < 8:
            return right(
                f"No whistle at all, and an image rejection of only {show(rejected)} dB: a box repeats each sample eight times.",
                f"完全没有啸叫，镜像抑制却只有 {show(rejected)} dB：方形核把每个样本重复八次。",
            )
        if loudest >= 1e-9:
            return wrong(
                f"Its loudest whistle has the amplitude {show(loudest)}.", f"它最响的啸叫幅度为 {show(loudest)}。"
            )
        return wrong(
            f"No whistle, but it rejects images by {show(rejected)} dB, which is more.",
            f"没有啸叫，但它的镜像抑制有 {show(rejected)} dB，比较高。",
        )

    return exercise(
        "silent",
        Text(
            "Which kernel is silent in the pauses whatever the constant is, and still buzzes most with the tune?",
            "哪个核无论常数多大，在停顿处都完全安静，而随曲调的嗡嗡声却最重？",
        ),
        check,
        kind="choice",
        options={k: KINDS[k][0] for k in ("linear", "nearest", "trained")},
    )
