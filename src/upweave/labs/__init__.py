"""Interactive labs: the article, hands on. One marimo app a file; `upweave lab` opens them.

This module only lists them, and needs none of what they need; `kit` has what they are made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from .text import Text


@dataclass(frozen=True)
class Lab:
    """One lab: the module of this package that holds its app, its title, and what one learns there."""

    name: str
    title: Text
    short: Text
    summary: Text

    @property
    def path(self) -> Path:
        """The file of its app."""
        return Path(__file__).with_name(f"{self.name}.py")


LABS: tuple[Lab, ...] = (
    Lab(
        "explorer",
        Text("Explorer", "探索器"),
        Text("Explorer", "探索器"),
        Text(
            "One layer seen from every side at once: stamps, windows, matrix, coverage, phases, grids, spectrum.",
            "同时从各个角度看一个层：印记、窗口、矩阵、覆盖、相位、网格、频谱。",
        ),
    ),
    Lab(
        "matrix",
        Text("1 · The matrix and its transpose", "1 · 矩阵与转置"),
        Text("1 Matrix", "1 矩阵"),
        Text(
            "A convolution is a matrix. Its transpose is the transposed convolution; nothing is inverted.",
            "卷积就是一个矩阵，它的转置就是转置卷积；其中没有任何求逆。",
        ),
    ),
    Lab(
        "duality",
        Text("2 · Gradients and duality", "2 · 梯度与对偶"),
        Text("2 Duality", "2 对偶"),
        Text(
            "The backward pass of a convolution is a transposed convolution, and the reverse.",
            "卷积的反向传播就是转置卷积，反之亦然。",
        ),
    ),
    Lab(
        "sizes",
        Text("3 · Output sizes", "3 · 输出尺寸"),
        Text("3 Sizes", "3 尺寸"),
        Text(
            "How long the output is, why there are several answers, and which sizes survive a whole network.",
            "输出有多长，为什么答案不止一个，以及哪些尺寸能通过整个网络。",
        ),
    ),
    Lab(
        "alignment",
        Text("4 · Alignment", "4 · 网格对齐"),
        Text("4 Alignment", "4 对齐"),
        Text(
            "Where an output sample sits, when a shift is a fault, and what it costs.",
            "一个输出样本落在哪里，偏移何时是错误，以及它的代价。",
        ),
    ),
    Lab(
        "coverage",
        Text("5 · Coverage and checkerboards", "5 · 覆盖与棋盘伪影"),
        Text("5 Coverage", "5 覆盖"),
        Text(
            "How many taps reach each output, and what has to happen for that to be seen.",
            "每个输出被多少个抽头覆盖，以及在什么情况下会被看出来。",
        ),
    ),
    Lab(
        "phases",
        Text("6 · Phases and spectrum", "6 · 相位与频谱"),
        Text("6 Phases", "6 相位"),
        Text(
            "A kernel is s kernels, interleaved. It is also a filter, with images of the spectrum to remove.",
            "一个核就是 s 个交错的核。它也是一个滤波器，负责滤除频谱镜像。",
        ),
    ),
    Lab(
        "remedies",
        Text("7 · Remedies", "7 · 补救办法"),
        Text("7 Remedies", "7 补救"),
        Text(
            "What helps against checkerboards, before training and after it, at what price, and what is left.",
            "哪些办法能对付棋盘伪影：训练前后效果如何，代价多大，还剩下什么。",
        ),
    ),
    Lab(
        "decoder",
        Text("8a · The decoder of a small GAN", "8a · 小型 GAN 的解码器"),
        Text("8a Faces", "8a 人脸"),
        Text(
            "Even coverage does not prevent checkerboards: before the first step of training, what counts is the gain "
            "of each phase.",
            "覆盖均匀并不能防止棋盘伪影：在训练开始之前，起决定作用的是各相位的增益。",
        ),
    ),
    Lab(
        "segmentation",
        Text("8b · Scores back to the picture's grid", "8b · 把分割得分送回图像网格"),
        Text("8b Segmentation", "8b 分割"),
        Text(
            "A padding that is off by a few pixels moves every mask, and no metric says why the overlap is low.",
            "填充差了几个像素，整张掩膜就会平移；而指标只会告诉您重叠率偏低，不会说明原因。",
        ),
    ),
    Lab(
        "superresolution",
        Text("8c · The best kernel for photographs", "8c · 照片超分辨率的最优核"),
        Text("8c Photographs", "8c 照片"),
        Text(
            "The best weight of a transposed convolution solves linear equations. What it does is worth knowing.",
            "转置卷积的最优权重是一个线性方程组的解，它的样子值得了解。",
        ),
    ),
    Lab(
        "volume",
        Text("8d · Volumes: a head in 64³ voxels", "8d · 三维体数据：64³ 体素的头部"),
        Text("8d Volumes", "8d 体数据"),
        Text(
            "In three dimensions a layer has eight phases, and a lesion can drown in the pattern they make.",
            "三维时一层有八个相位，它们形成的花纹足以淹没一处病灶。",
        ),
    ),
    Lab(
        "poisson",
        Text("8e · A transposed convolution solves Poisson's equation", "8e · 用转置卷积求解泊松方程"),
        Text("8e Physics", "8e 物理场"),
        Text(
            "Multigrid brings corrections to the finer grid by a transposed convolution, and its speed shows how good "
            "that is.",
            "多重网格用转置卷积把修正量送到更细的网格，收敛速度说明了这个转置卷积的好坏。",
        ),
    ),
    Lab(
        "vocoder",
        Text("8f · Checkerboards that one can hear", "8f · 听得见的棋盘伪影"),
        Text("8f Sound", "8f 声音"),
        Text(
            "In sound, unequal gains are whistles at fixed pitches, even in silence, and a poor kernel leaves mirror images.",
            "在声音里，增益不等就是固定音高的啸叫，静音时也在；不好的核则留下频谱镜像。",
        ),
    ),
)
"""All labs, in the order in which to read them."""


def find_lab(name: str) -> Lab:
    """The lab of that name. Raises `ConfigError`, naming those there are."""
    for lab in LABS:
        if lab.name == name:
            return lab
    raise ConfigError(f"no lab is called '{name}'; there are {', '.join(lab.name for lab in LABS)}")
