"""Lab 7: what helps against checkerboards, before training and after it, and what it does not cure."""

import marimo

app = marimo.App(
    width="full",
    app_title="Upweave · Remedies · 补救办法",
    css_file="kit/static/page.css",
    html_head_file="kit/static/head.html",
)

with app.setup:
    from fractions import Fraction

    import numpy as np

    import upweave
    from upweave.artifacts import score
    from upweave.convert import boundary, to_conv_transpose
    from upweave.errors import UpweaveError
    from upweave.labs.exercises import remedies as exercises
    from upweave.labs.kit import (
        Choice,
        Panel,
        Slider,
        Text,
        both,
        closing,
        code,
        controls,
        figure,
        layer_sliders,
        number,
        opening,
        picture,
        practice,
        same,
        show,
        table,
        transposed,
    )
    from upweave.labs.views.remedies import REMEDIES, STEPS, study
    from upweave.rewrite.weights.widen import add_taps, widened


@app.cell
def _():
    opening("remedies")
    return


@app.cell
def _():
    both(
        """
        ## Trying them

        One layer learns to enlarge one small noisy picture by 2. Choose a remedy, then go forward in training, and watch
        two things: a **clean picture** that the layer has not seen, and what becomes of a **constant**. The score says how
        much of the picture's variance is a pattern of period 2, in decibels; the less, the better.
        """,
        """
        ## 逐个试试

        让一个层学习把一幅带噪声的小图放大 2 倍。先选一种办法，再让训练往前走，同时观察两件事：一幅它没见过的**干净图像**，
        以及一个**常数**会变成什么。分数表示图像的方差中有多少是周期为 2 的图案，单位是分贝，越低越好。
        """,
    )
    return


@app.cell
def _():
    bench = controls(
        Choice("remedy", Text("remedy", "办法"), {name: r.title for name, r in REMEDIES.items()}, "none"),
        Choice(
            "step",
            Text("training", "训练"),
            {str(n): Text(f"{n} steps", f"{n} 步") if n else Text("not yet", "尚未开始") for n in STEPS},
            str(STEPS[-1]),
        ),
        Choice("noise", Text("noise", "噪声"), {str(n): same(f"{n} %") for n in (0, 10, 20, 30)}, "20"),
        Slider("seed", Text("draw", "随机数组"), 0, 4, 1),
    )
    bench
    return (bench,)


@app.cell
def _():
    pictures = figure()
    return (pictures,)


@app.cell
def _(bench):
    name = bench.values["remedy"]
    at = STEPS.index(int(bench.values["step"]))
    seed, noise = int(bench.values["seed"]), int(bench.values["noise"])
    trained = study(name, seed, noise)
    now, start = trained[at], trained[0]
    return at, name, noise, now, seed, start


@app.cell
def _(now, pictures):
    def _draw():
        crop = slice(12, 52)
        gains = upweave.dc_gain(now.spec, now.weight)[..., 0, 0]
        mean = float(gains.mean()) or 1.0
        side = 40 if now.weight.shape[-1] == 4 else 50
        W = Panel(Text("Weights", "权重"), side * now.weight.shape[-1] + 2, side * now.weight.shape[-1] + 2)
        table(W, 1, 1, now.weight[0, 0], side, name="w", structure=np.ones(now.weight.shape[2:], dtype=bool))
        G = Panel(Text("Gains of the phases", "各相位的增益"), 142, 114)
        table(G, 1, 1, gains, 56, name="g", structure=np.ones(gains.shape, dtype=bool))
        C = Panel(
            Text("A constant", "常数"), 120, 120, note=Text("grey range ±20 % of the mean", "灰度范围为均值的 ±20 %")
        )
        picture(C, 0, 0, np.tile(gains / mean, (5, 5)), 12, limits=(0.8, 1.2), name="constant")
        Y = Panel(Text(f"The clean picture, {now.step} steps", f"干净图像，{now.step} 步"), 240, 240)
        picture(Y, 0, 0, now.output[crop, crop], 6, name="picture")
        pictures.show(Y, C, G, W)

    _draw()
    pictures
    return


@app.cell
def _(name, now, start):
    def _found(snapshot):
        s = score(snapshot.output, 2)
        return round(float(s.decibels), 1) if s.found else "−∞"

    _r = REMEDIES[name]
    _cost = upweave.multiplies(now.spec, 64, 64, (32, 32)) / upweave.multiplies(
        study("none", 0, 0)[0].spec, 64, 64, (32, 32)
    )
    _gains = (round(upweave.gain_imbalance(s.spec, s.weight).deviation, 4) for s in (start, now))
    _images = (round(upweave.image_rejection(s.spec, s.weight).typical, 1) for s in (start, now))
    _rows = {
        Text("score of the clean picture, dB", "干净图像的分数（dB）"): [
            number(_found(s), "upweave.artifacts.score") for s in (start, now)
        ],
        Text("share of the gains that differs", "增益不同的部分所占比例"): [
            number(g, "upweave.gain_imbalance") for g in _gains
        ],
        Text("image rejection, dB", "镜像抑制（dB）"): [number(i, "upweave.image_rejection") for i in _images],
        Text("error (root mean square)", "误差（均方根）"): [show(round(s.error, 3)) for s in (start, now)],
        Text("variance of the coverage", "覆盖数的方差"): [
            number(upweave.coverage_variance(now.spec), "upweave.coverage_variance")
        ]
        * 2,
        Text("multiplications, × those of k3 s2", "乘法次数（k3 s2 的倍数）"): [number(_cost, "upweave.multiplies")]
        * 2,
    }
    _en = "\n".join(f"| {t.en} | {a} | {b} |" for t, (a, b) in _rows.items())
    _zh = "\n".join(f"| {t.zh} | {a} | {b} |" for t, (a, b) in _rows.items())
    both(
        f"""| | before training | after {now.step} steps |
|---|---|---|
{_en}

**{_r.title.en}.** {_r.idea.en} **What it does not cure:** {_r.limit.en}
""",
        f"""| | 训练之前 | {now.step} 步之后 |
|---|---|---|
{_zh}

**{_r.title.zh}。** {_r.idea.zh} **它治不了什么：** {_r.limit.zh}
""",
    )
    return


@app.cell
def _(at, noise, seed):
    def _line(r, en):
        steps = study(r, seed, noise)
        scores = [score(s.output, 2) for s in (steps[0], steps[at])]
        shown = [number(round(float(s.decibels), 1) if s.found else "−∞", "upweave.artifacts.score") for s in scores]
        last = steps[at]
        cost = Fraction(
            upweave.multiplies(last.spec, 1, 1, (8, 8)), upweave.multiplies(study("none", 0, 0)[0].spec, 1, 1, (8, 8))
        )
        title = REMEDIES[r].title.en if en else REMEDIES[r].title.zh
        return (
            f"| {title} | {shown[0]} | {shown[1]} | {number(round(upweave.gain_imbalance(last.spec, last.weight).deviation, 4), 'upweave.gain_imbalance')} "
            f"| {number(round(upweave.image_rejection(last.spec, last.weight).typical, 1), 'upweave.image_rejection')} | {show(round(last.error, 3))} | {number(str(cost), 'upweave.multiplies')} |"
        )

    _n = STEPS[at]
    _en, _zh = ("\n".join(_line(r, en) for r in REMEDIES) for en in (True, False))
    both(
        f"""## All of them, side by side

| remedy | score before, dB | after {_n} steps, dB | gains that differ | image rejection, dB | error | multiplications |
|---|---|---|---|---|---|---|
{_en}

−∞: no pattern is found that could not be chance. Three kinds of remedy show:

- **Initialisations** (ICNR, bilinear) begin without a board and end where the plain layer ends: training has no memory of
  its start. They save the first epochs, not the result.
- **Structure** (resize + convolution, EqualPhaseGain) holds, whatever is learned; the one costs multiplications, the other
  none once it is baked in.
- **Even coverage** (k4, widening) makes the phases *alike to learn*: no guarantee, but with noise twenty decibels
below k3, and nearly twice the decibels of image rejection.

No remedy that keeps k3 gets past about 8 dB of image rejection: with so few taps there is no better filter to learn.
""",
        f"""## 全部放在一起比较

| 办法 | 训练前分数（dB） | {_n} 步之后（dB） | 增益差异 | 镜像抑制（dB） | 误差 | 乘法次数 |
|---|---|---|---|---|---|---|
{_zh}

−∞：没有发现不能归于偶然的图案。可以看出三类办法：

- **初始化**（ICNR、双线性）开始时没有棋盘，最后却与不处理的层走到同一处：训练不记得自己的起点。它们省下的是最初几轮训练，
  而不是改变结果。
- **结构**（插值 + 卷积、EqualPhaseGain）无论学到什么都有保证；前者要多做乘法，后者固化进权重之后没有任何代价。
- **均匀覆盖**（k4、加宽）让各相位*学起来条件相同*：没有保证，但有噪声时比 k3 低约二十分贝，镜像抑制的分贝数也高出近一倍。

凡是保留 k3 的办法，镜像抑制都超不过 8 dB 左右：抽头这么少，没有更好的滤波器可学。
""",
    )
    return


@app.cell
def _():
    both(
        """
        ## Two exact rewrites

        For a model that is trained already: these change no output, borders included. **Widening** puts a kernel into one
        that s divides, by zero taps in front (b) and behind (a). **Folding** turns nearest ×s and a convolution of k into
        one transposed convolution of k + s − 1, with the same outputs from fewer multiplications.
        """,
        """
        ## 两种精确改写

        适用于已经训练好的模型：它们不改变任何输出，边界也不例外。**加宽**在核的前面（b 个）和后面（a 个）添上零抽头，使其大小成为
        s 的整数倍。**折叠**把最近邻 ×s 加核为 k 的卷积变成一个核为 k + s − 1 的转置卷积，输出相同而乘法更少。
        """,
    )
    return


@app.cell
def _():
    exact = controls(*layer_sliders(5, 3, 1, 1, without="dH"))
    exact
    return (exact,)


@app.cell
def _(exact):
    def _widening(layer):
        w = np.random.default_rng(0).standard_normal((1, 1, layer.kernel))
        try:
            wide, before, after = widened(layer, 1)
        except UpweaveError as e:
            return None, str(e)
        H = 8
        a = upweave.matrix(layer, H, w).toarray()
        b = upweave.matrix(wide, H, add_taps(w, before, after)).toarray()
        (axis,) = wide.per_axis()
        return (axis, before[0], after[0], float(np.abs(a - b).max()), upweave.coverage(wide)), ""

    def _folding(k, s):
        resize = upweave.ResizeConv(k, s, (k - 1) // 2)
        w = np.random.default_rng(0).standard_normal((1, 1, k))
        folded, weight, _ = to_conv_transpose(upweave.phase_bank(resize, w), boundary(resize))
        apart = np.abs(upweave.matrix(resize, 8, w).toarray() - upweave.matrix(folded, 8, weight).toarray()).max()
        gain = Fraction(k * s, folded.per_axis()[0].kernel) ** 2
        return folded.per_axis()[0], float(apart), gain

    _layer = transposed(exact.values)
    _wide, _why = _widening(_layer)
    _fold, _apart, _gain = _folding(_layer.kernel, _layer.stride)
    _W, _F = "upweave.rewrite.weights.widen.widened", "upweave.to_conv_transpose"
    if _wide is None:
        _en = f"| widening | not possible: {number(_why, _W)} |"
        _zh = f"| 加宽 | 无法进行：{number(_why, _W)} |"
    else:
        _axis, _b, _a, _difference, _counts = _wide
        _new = number(f"k{_axis.kernel} s{_axis.stride} p{_axis.begin} o{_axis.output_padding}", _W)
        _en = (
            f"| widened | {_new}, b = {_b}, a = {_a} |\n"
            f"| coverage | {number(upweave.coverage(_layer), 'upweave.coverage')} → {number(_counts, 'upweave.coverage')} |\n"
            f"| greatest difference between the matrices | {number(_difference, 'upweave.matrix')} |"
        )
        _zh = (
            f"| 加宽为 | {_new}，b = {_b}，a = {_a} |\n"
            f"| 覆盖数 | {number(upweave.coverage(_layer), 'upweave.coverage')} → {number(_counts, 'upweave.coverage')} |\n"
            f"| 两个矩阵的最大差 | {number(_difference, 'upweave.matrix')} |"
        )
    _to = number(f"k{_fold.kernel} s{_fold.stride}", _F)
    both(
        f"""| | |
|---|---|
| layer | k{_layer.kernel} s{_layer.stride} p{_layer.padding} o{_layer.output_padding} |
{_en}
| nearest ×{_layer.stride} + convolution of {_layer.kernel} folds into | {_to} |
| greatest difference between the matrices | {number(_apart, "upweave.matrix")} |
| times fewer multiplications in the plane, (k·s/(k+s−1))² | {number(str(_gain), _F)} |
""",
        f"""| | |
|---|---|
| 层 | k{_layer.kernel} s{_layer.stride} p{_layer.padding} o{_layer.output_padding} |
{_zh}
| 最近邻 ×{_layer.stride} + 核为 {_layer.kernel} 的卷积折叠为 | {_to} |
| 两个矩阵的最大差 | {number(_apart, "upweave.matrix")} |
| 二维中乘法减少的倍数，(k·s/(k+s−1))² | {number(str(_gain), _F)} |
""",
    )
    return


@app.cell
def _():
    both(
        "## The layer as code\n\nThe layer of the two rewrites above, with 16 channels in and 8 out. The remedies are one line each:\n\n"
        "```python\nupweave.nn.icnr_(layer)\nupweave.nn.bilinear_(layer)                      # as many channels out as in\n"
        "upweave.nn.equal_phase_gain(layer)\nloss = loss + 0.3 * upweave.nn.regularisation(model)\n"
        "layer = upweave.nn.ResizeConv2d(16, 8, kernel_size=3, stride=2)\n```",
        "## 写成代码\n\n上面两种改写所用的层，16 个输入通道，8 个输出通道。各种办法都只要一行：\n\n"
        "```python\nupweave.nn.icnr_(layer)\nupweave.nn.bilinear_(layer)                      # 输出通道数要等于输入通道数\n"
        "upweave.nn.equal_phase_gain(layer)\nloss = loss + 0.3 * upweave.nn.regularisation(model)\n"
        "layer = upweave.nn.ResizeConv2d(16, 8, kernel_size=3, stride=2)\n```",
    )
    return


@app.cell
def _():
    snippets = code(upweave.ConvTranspose(5, 3, 1, 1))
    snippets
    return (snippets,)


@app.cell
def _(exact, snippets):
    snippets.show(transposed(exact.values))
    return


@app.cell
def _():
    practice(paper=True)
    return


@app.cell
def _():
    exercises.widen()
    return


@app.cell
def _():
    exercises.project()
    return


@app.cell
def _():
    exercises.fold()
    return


@app.cell
def _():
    exercises.lasting()
    return


@app.cell
def _():
    exercises.left()
    return


@app.cell
def _():
    closing("remedies")
    return


if __name__ == "__main__":
    app.run()
