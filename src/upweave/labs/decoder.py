"""Lab 8a: the decoder of a small GAN, before and after training."""

import marimo

app = marimo.App(
    width="full",
    app_title="Upweave · The decoder of a small GAN · 小型 GAN 的解码器",
    css_file="kit/static/page.css",
    html_head_file="kit/static/head.html",
)

with app.setup:
    import marimo as mo
    import numpy as np

    import upweave
    from upweave.labs.applied.data import faces, missing
    from upweave.labs.applied.decoder import KINDS, SIDE, TEACHERS, path_counts
    from upweave.labs.exercises import decoder as exercises
    from upweave.labs.kit import (
        Choice,
        Panel,
        Picture,
        Slider,
        Text,
        both,
        closing,
        code,
        controls,
        figure,
        findings,
        number,
        opening,
        pictures,
        table,
    )


@app.cell
def _():
    opening("decoder")
    return


@app.cell
def _():
    both(
        """
        ## Sixteen numbers become a face

        A GAN's generator doubles its picture a few times: here from 4×4 to 32×32 pixels, with three layers of stride 2.
        Layers, initialisation and artifacts are those of a DCGAN. It has two teachers to choose from. By *squared error*
        each face gets a code of its own, and codes and weights together bring every pixel near. *A discriminator*, as in
        a GAN, learns to tell real faces from pictures of random codes, and the decoder learns to deceive it: that takes
        longer, and the faces stay rough here.

        Choose how it doubles. Before any training you see what the *layers* draw, for every code alike.
        """,
        """
        ## 十六个数变成一张脸

        GAN 的生成器要把图像放大好几次：这里用三个步长为 2 的层，从 4×4 放大到 32×32 像素。层、初始化和伪影都与 DCGAN 相同。老师有两位，
        任您选择。*平方误差*：每张脸有自己的编码，编码与权重一起使每个像素接近原图。*判别器*，与 GAN 一样：它学着区分真实的人脸与随机编码
        画出的图像，解码器则学着骗过它。这样慢得多，这里画出的脸也比较粗糙。

        请选择放大的方式。训练之前看到的，是这些*层*本身画出来的东西，对每个编码都一样。
        """,
    )
    return


@app.cell
def _():
    lacking = missing("torch", "skimage")
    mo.stop(lacking is not None, both(lacking.en, lacking.zh) if lacking else None)
    choice = controls(
        Choice("kind", Text("doubling", "放大方式"), {k: v.title for k, v in KINDS.items()}, "k4"),
        Choice(
            "steps",
            Text("training", "训练"),
            {
                "0": Text("none yet", "尚未训练"),
                "60": Text("60 steps (some seconds)", "60 步（数秒）"),
                "200": Text("200 steps", "200 步"),
                "400": Text("400 steps (some ten seconds)", "400 步（十秒左右）"),
            },
            "0",
        ),
        Choice("teacher", Text("teacher", "老师"), {k: v.title for k, v in TEACHERS.items()}, "squared"),
        Slider("seed", Text("random start", "随机种子"), 0, 5, 0),
    )
    choice
    return (choice,)


@app.cell
def _(choice):
    v = choice.values
    kind, steps, seed = str(v["kind"]), int(v["steps"]), int(v["seed"])
    made = TEACHERS[str(v["teacher"])].decoded(kind, steps, seed)
    return kind, made, steps


@app.cell
def _(made, steps):
    def _sheet(some):
        return np.concatenate([np.concatenate(list(some[i : i + 4]), axis=1) for i in (0, 4)], axis=0)

    def _stretched(p):
        low, high = np.percentile(p, (1, 99))
        return (p - low) / max(high - low, 1e-9)

    _all = _sheet(made.pictures[:8])
    pictures(
        Picture(
            Text("What it draws", "画出的图像"),
            _stretched(_all),
            Text("eight codes; contrast stretched", "八个编码；对比度已拉伸") if not steps else None,
            width=360,
        ),
        Picture(Text("The first, enlarged", "第一张，放大"), _stretched(made.pictures[0]), width=180),
        Picture(Text("Real faces", "真实的人脸"), _sheet(faces(SIDE)[:8]), width=360),
    )
    return


@app.cell
def _():
    drawing = figure()
    return (drawing,)


@app.cell
def _(drawing, kind, made):
    def _draw():
        side = 34
        counts = path_counts(kind)
        paths = Panel(
            Text("Paths from the 4×4 to each pixel, mod 8", "从 4×4 到每个像素的路径数（按 mod 8）"),
            8 * side + 2,
            8 * side + 2,
            note=Text("structure alone: taps multiplied over three layers", "只看结构：三层抽头数相乘"),
        )
        table(paths, 1, 1, counts, side, name="c")
        means = made.pictures.mean(axis=0)
        phases = np.array([[means[i::2, j::2].mean() for j in (0, 1)] for i in (0, 1)])
        levels = Panel(
            Text("Mean of each phase, mod 2", "每个相位的均值（mod 2）"),
            2 * 70 + 2,
            2 * 70 + 2,
            note=Text("equal means: no checkerboard", "均值相等则没有棋盘"),
        )
        table(levels, 1, 1, phases, 70, name="m")
        drawing.show(paths, levels)

    _draw()
    drawing
    return


@app.cell
def _(kind, made):
    _score, _low, _high = made.checkerboard
    _spec = KINDS[kind].spec
    _counts = upweave.coverage(_spec)
    both(
        f"""
        ## What the numbers say

        | | |
        |---|---|
        | share of the pictures' variance that is a checkerboard | {number(max(0.0, _score), "upweave.artifacts.score")} |
        | between, at 99 % | {number(max(0.0, _low), "upweave.artifacts.score")} and {number(min(1.0, _high), "upweave.artifacts.score")} |
        | taps of each phase on one axis | {number(_counts, "upweave.coverage")} |
        | share of the last layer's gains that differs between phases | {number(made.deviation, "upweave.gain_imbalance")} |
        | busiest over quietest pixel, paths through three layers | {number(path_counts(kind).max() / path_counts(kind).min(), "upweave.coverage")} |

        Look at k4 s2 p1 without training. Its coverage is perfectly even, the kernel is a multiple of the stride, and yet
        most of the variance is a checkerboard: the features behind a ReLU have a mean, each phase multiplies it by a
        *random gain of its own*, and four different gains are a pattern. Dividing k by s only makes the gains equally
        *large in expectation*. Three remedies make them *equal*, and the pattern is gone: start all phases with the same
        filter (ICNR), project on equal gains in training, or resize and convolve. The audit below reads the architecture and
        the *size* of the gains, so it objects to k3 and k5; random signs are no fault of k4's, but they are the pattern.

        After training on a squared error, every variant has learned to undo nearly all of it. *A discriminator is not as
        good a teacher*: it says whether a picture looks real, not which pixel is wrong. After 400 steps k3, k4 and k5 still
        have a checkerboard, ten to thirty decibels stronger than by squared error, and with ICNR, which starts without,
        it has come. What is equal by construction, the gains or the resize, stays clean. This discriminator has kernels of
        4 and strides of 2; where s does not divide its k, its gradients come back uneven as well.
        """,
        f"""
        ## 数字说明了什么

        | | |
        |---|---|
        | 图像方差中棋盘所占的比例 | {number(max(0.0, _score), "upweave.artifacts.score")} |
        | 99 % 置信区间 | {number(max(0.0, _low), "upweave.artifacts.score")} 到 {number(min(1.0, _high), "upweave.artifacts.score")} |
        | 一个轴上各相位的抽头数 | {number(_counts, "upweave.coverage")} |
        | 最后一层的增益中，各相位互不相同的份额 | {number(made.deviation, "upweave.gain_imbalance")} |
        | 三层之后，路径最多与最少的像素之比 | {number(path_counts(kind).max() / path_counts(kind).min(), "upweave.coverage")} |

        看看未训练的 k4 s2 p1：覆盖完全均匀，核大小是步长的整数倍，可方差的大部分仍是棋盘。原因是 ReLU 之后的特征均值不为零，每个相位都用
        *自己的随机增益*去乘它，四个不同的增益就成了花纹。让 k 被 s 整除，只能使这些增益*在期望上一样大*。有三种补救办法能让它们真正*相等*，
        花纹随之消失：让所有相位以同一个滤波器开始（ICNR）、训练中投影到等增益、或者先插值再卷积。下面的检查看的是结构和增益的*大小*，
        所以它反对 k3 和 k5；随机的正负号不算 k4 的错，花纹却正由此而来。

        用平方误差训练之后，各种方式都学会了抵消绝大部分花纹。*判别器却不是同样好的老师*：它只说一幅图像像不像真的，不说哪个像素错了。
        400 步之后，k3、k4、k5 仍有棋盘，比用平方误差时强十到三十分贝；ICNR 起初没有棋盘，这时也有了。由构造保证相等的（增益，或者插值）
        一直干净。这里的判别器核大小为 4、步长为 2；如果 s 不能整除它的 k，它传回的梯度也是不均匀的。
        """,
    )
    return


@app.cell
def _(kind, made):
    _report = upweave.audit(made.module, made.example)
    findings(
        [f for f in _report.findings if f.level >= upweave.audit.Level.WARNING or f.name == "phase-gain-imbalance"],
        Text(f"The audit of this decoder ({kind})", f"对这个解码器的检查（{kind}）"),
    )
    return


@app.cell
def _():
    both(
        "## The layer as code",
        "## 写成代码",
    )
    return


@app.cell
def _():
    snippets = code(upweave.ConvTranspose(4, 2, 1))
    snippets
    return (snippets,)


@app.cell
def _(kind, snippets):
    snippets.show(KINDS[kind].spec)
    return


@app.cell
def _():
    both("## Exercises", "## 练习")
    return


@app.cell
def _():
    exercises.gains()
    return


@app.cell
def _():
    exercises.paths()
    return


@app.cell
def _(choice):
    assert choice is not None  # the exercise runs the decoder, which needs what the controls need
    exercises.remedy()
    return


@app.cell
def _():
    closing("decoder")
    return


if __name__ == "__main__":
    app.run()
