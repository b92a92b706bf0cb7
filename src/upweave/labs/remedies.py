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
    from upweave.labs.kit import (
        Choice,
        Panel,
        Slider,
        Text,
        Verdict,
        both,
        closing,
        code,
        controls,
        exercise,
        figure,
        layer_sliders,
        number,
        opening,
        picture,
        right,
        same,
        show,
        table,
        transposed,
        wrong,
    )
    from upweave.labs.views.kernels import decibels, kernel, lines
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
    both(
        "## Exercises\n\nPaper helps. The answers are computed when you ask, not looked up.",
        "## 练习\n\n可以动笔算一算。答案是在您提交时当场计算的，不是事先存好的。",
    )
    return


@app.cell
def _():
    def _widen(answer: list[Fraction]) -> Verdict:
        layer = upweave.ConvTranspose(3, 2, 1, 1)
        wide, before, after = widened(layer, 1)
        (axis,) = wide.per_axis()
        if len(answer) != 3:
            return wrong("Three numbers: k, p, o.", "请填三个数：k、p、o。")
        k, p, o = (int(a) if a == int(a) else -1 for a in answer)
        if k % 2 or k < 3:
            return wrong(
                "The kernel must be a multiple of s = 2 and hold three taps.",
                "核大小必须是 s = 2 的倍数，并且容得下三个抽头。",
            )
        if k != axis.kernel:
            return wrong("One zero tap is enough.", "添一个零抽头就够了。")
        try:
            given = upweave.ConvTranspose(k, 2, p, o)
            w = np.array([[[1.0, 2.0, 3.0]]])
            same_as = upweave.matrix(layer, 6, w).toarray()
            tries = [upweave.matrix(given, 6, add_taps(w, (b,), (k - 3 - b,))).toarray() for b in range(k - 2)]
        except UpweaveError as e:
            return wrong(f"That is no layer: {e}.", f"没有这样的层：{e}。")
        if any(t.shape == same_as.shape and np.array_equal(t, same_as) for t in tries):
            return right(
                f"b = {before[0]} zero taps in front, a = {after[0]} behind; output padding {o}, and both matrices are equal.",
                f"前面添 b = {before[0]} 个零抽头，后面添 a = {after[0]} 个；输出填充为 {o}，两个矩阵相等。",
            )
        return wrong(
            f"For six inputs the layer gives {same_as.shape[0]} outputs, yours {tries[0].shape[0]}, or they are shifted. A tap behind takes the place of output padding.",
            f"六个输入时原层有 {same_as.shape[0]} 个输出，您的有 {tries[0].shape[0]} 个，或者位置错开了。后面添的抽头可以代替输出填充。",
        )

    exercise(
        "widen",
        Text(
            "Widen k = 3, s = 2, p = 1, o = 1 to the next kernel that s divides, with the same outputs. Which k, p, o? *(three numbers)*",
            "把 k = 3、s = 2、p = 1、o = 1 加宽到下一个能被 s 整除的核，输出不变。k、p、o 各是多少？*（三个数）*",
        ),
        _widen,
        kind="numbers",
    )
    return


@app.cell
def _():
    def _project(answer: list[Fraction]) -> Verdict:
        import torch

        weight = torch.tensor([[[1.0, 2.0, 3.0]]], dtype=torch.float64)
        truth = upweave.nn.EqualPhaseGain(2)(weight).reshape(-1).numpy()
        layer = upweave.ConvTranspose(3, 2, 1)
        if len(answer) != 3:
            return wrong("Three weights.", "请填三个权重。")
        given = np.array([float(a) for a in answer])
        if np.abs(given - truth).max() < 0.006:
            return right(
                "g₀ = 4 over two taps, g₁ = 2 over one; γ = (4/2 + 2/1)/(1/2 + 1) = 8/3, not the mean 3.",
                "g₀ = 4 由两个抽头组成，g₁ = 2 由一个组成；γ = (4/2 + 2/1)/(1/2 + 1) = 8/3，而不是平均值 3。",
            )
        gains = upweave.dc_gain(layer, given.reshape(1, 1, 3)).reshape(-1)
        if abs(gains[0] - gains[1]) > 0.01:
            return wrong(f"Your phases have the gains {show(gains)}.", f"您的两个相位的增益是 {show(gains)}。")
        far, least = (float(np.linalg.norm(v - np.array([1.0, 2, 3]))) for v in (given, truth))
        return wrong(
            f"Equal gains, but {show(far)} away from w; it can be done with {show(least)}. Share each change over the phase's taps.",
            f"增益相等了，但离 w 有 {show(far)}；最近可以做到 {show(least)}。请把每个相位的改变量平摊到它的抽头上。",
        )

    exercise(
        "project",
        Text(
            "s = 2, w = (1, 2, 3). Which is the nearest weight (Euclidean) with equal phase gains, the one that EqualPhaseGain takes? "
            "*(three numbers, fractions are welcome)*",
            "s = 2、w = (1, 2, 3)。增益相等且（欧氏距离）最近的权重，也就是 EqualPhaseGain 所取的权重，是什么？*（三个数，可以用分数）*",
        ),
        _project,
        kind="numbers",
        hint=Text(
            "Phase 0 has the taps 0 and 2, phase 1 the tap 1 (without padding).",
            "（无填充时）相位 0 有抽头 0 和 2，相位 1 有抽头 1。",
        ),
    )
    return


@app.cell
def _():
    def _fold(answer: Fraction) -> Verdict:
        resize = upweave.ResizeConv((3, 3, 3), 2, 1)
        folded, _, _ = to_conv_transpose(upweave.phase_bank(resize, np.ones((1, 1, 3, 3, 3))), boundary(resize))
        truth = Fraction(upweave.multiplies(resize, 1, 1, (4, 4, 4)), upweave.multiplies(folded, 1, 1, (4, 4, 4)))
        if abs(answer - truth) < Fraction(1, 100):
            return right(
                f"27 · 8 = 216 against 4³ = 64 for each input: {show(float(truth))}.",
                f"每个输入 27 · 8 = 216 次对 4³ = 64 次：{show(float(truth))}。",
            )
        if abs(answer - Fraction(9, 4)) < Fraction(1, 100):
            return wrong("That is the plane. Here are three axes.", "这是二维的结果，这里有三个轴。")
        return wrong(
            "Count for each input sample: the convolution runs at s³ outputs with 3³ taps, the fold once with (3 + s − 1)³.",
            "按每个输入样本来数：卷积在 s³ 个输出处各用 3³ 个抽头，折叠之后只用一次 (3 + s − 1)³ 个。",
        )

    exercise(
        "fold",
        Text(
            "In a volume: nearest ×2, then a convolution 3 × 3 × 3. How many times fewer multiplications has the exact fold?",
            "三维体数据：最近邻 ×2，再做 3 × 3 × 3 卷积。精确折叠能让乘法次数减少到原来的 1/x，x 是多少？",
        ),
        _fold,
    )
    return


@app.cell
def _():
    def _lasting(answer: str) -> Verdict:
        last = study(answer, 2, 20)[-1]
        found = upweave.gain_imbalance(last.spec, last.weight).deviation
        if upweave.is_dc_flat(last.spec, last.weight, tolerance=1e-5):
            return right(
                f"After {last.step} steps its gains differ by {show(found)} of their size, which is rounding.",
                f"{last.step} 步之后，它的增益差异为 {show(found)}，只是舍入误差。",
            )
        return wrong(
            f"Trained just now, draw 2: after {last.step} steps the gains differ by {show(found)} of their size.",
            f"刚才用第 2 组随机数训练：{last.step} 步之后，增益差异为 {show(found)}。",
        )

    exercise(
        "lasting",
        Text(
            "Which of these still turns every constant into a constant after training?",
            "训练之后，下面哪一种仍然把任何常数变成常数？",
        ),
        _lasting,
        kind="choice",
        options={n: REMEDIES[n].title for n in ("icnr", "bilinear", "divisible", "equal", "penalty")},
    )
    return


@app.cell
def _():
    def _left(answer: Fraction) -> Verdict:
        found = lines(kernel("nearest", 2), Fraction(1, 2))
        base = next(q.level for q in found if q.band == 0)
        truth = max(decibels(q.level, base) for q in found if q.band)
        if abs(abs(float(answer)) - abs(truth)) < 0.15:
            return right(
                f"cos(3π/8)/cos(π/8): {show(truth)} dB. A resize is free of boards for constants; this is its blockiness.",
                f"cos(3π/8)/cos(π/8)：{show(truth)} dB。插值对常数没有棋盘，但这就是它的方块感。",
            )
        return wrong(
            "Nearest ×2 has the kernel (1, 1), |H(ω)| = 2·|cos(ω/2)|. The tone comes out at π/4, its image at 3π/4.",
            "最近邻 ×2 的核是 (1, 1)，|H(ω)| = 2·|cos(ω/2)|。单音出现在 π/4，它的镜像在 3π/4。",
        )

    exercise(
        "left",
        Text(
            "No remedy for constants removes the images of the rest. How many dB below a tone of ω₀ = π/2 is its image after nearest ×2? *(to 0.1 dB)*",
            "针对常数的办法都消除不了其余频率的镜像。最近邻 ×2 之后，ω₀ = π/2 的单音的镜像比单音低多少分贝？*（精确到 0.1 dB）*",
        ),
        _left,
    )
    return


@app.cell
def _():
    closing("remedies")
    return


if __name__ == "__main__":
    app.run()
