"""Lab 5: how many taps reach each output, and when that becomes a checkerboard."""

import marimo

app = marimo.App(
    width="full",
    app_title="Upweave · Coverage and checkerboards · 覆盖与棋盘伪影",
    css_file="kit/static/page.css",
    html_head_file="kit/static/head.html",
)

with app.setup:
    import math
    from fractions import Fraction

    import marimo as mo
    import numpy as np

    import upweave
    from upweave.labs.exercises import coverage as exercises
    from upweave.labs.kit import (
        Choice,
        Slider,
        Switch,
        Text,
        both,
        closing,
        code,
        controls,
        figure,
        fitted,
        formula,
        layer_sliders,
        number,
        opening,
        practice,
        refusal,
        scene,
        show,
        shrunk,
        transposed,
    )
    from upweave.labs.views import coverage as views
    from upweave.theory.coverage import overlap


@app.cell
def _():
    opening("coverage")
    return


@app.cell
def _():
    both(
        """
        ## Counting stamps

        Every input stamps the kernel into the output, and the stamps stand s apart. So an output is reached by as many
        stamps as its place allows: that number is its **coverage**. Below, each line is the stamp of one input; what
        the padding cuts off is empty. The last line counts. Point at a count to see where it comes from.
        """,
        """
        ## 数一数印记

        每个输入都把卷积核“盖章”到输出上，相邻印记相距 s。一个输出被多少个印记盖到，取决于它的位置：这个数就是它的**覆盖数**。
        下图中每一行是一个输入的印记，被填充裁掉的部分是空的，最后一行是计数。把鼠标指向某个计数，就能看到它从哪里来。
        """,
    )
    return


@app.cell
def _():
    layer = controls(*layer_sliders(3, 2, 1, 1, 1, 6, most={"k": 9, "s": 4, "H": 8}))
    layer
    return (layer,)


@app.cell
def _(layer):
    spec, H = transposed(layer.values), int(layer.values["H"])
    problem = refusal(spec, H)
    return H, problem, spec


@app.cell
def _():
    stamps = figure()
    return (stamps,)


@app.cell
def _(H, problem, spec, stamps):
    stamps.show_unless(problem, lambda: views.stamps(spec, H))
    stamps
    return


@app.cell
def _(H, problem, spec):
    mo.stop(problem is not None)

    _line, _inner = upweave.coverage_line(spec, H), upweave.coverage(spec)
    _plane = upweave.coverage(
        upweave.ConvTranspose((spec.kernel,) * 2, spec.stride, spec.padding, spec.output_padding, spec.dilation)
    )
    _rho, _floor, _V = overlap(spec.kernel, spec.stride)
    _d1 = spec.dilation == 1
    _border = int((_line != _inner[np.arange(len(_line)) % spec.stride]).sum())
    _closed_en = (
        f"ρ = k mod s = {_rho}: {_rho} of {spec.stride} residues have {_floor + 1}, the others {_floor}; V = {number(str(_V), 'upweave.theory.coverage.overlap')}"
        if _d1
        else f"holds for d = 1 only; here taps lie on a lattice of gcd(d, s) = {math.gcd(spec.dilation, spec.stride)}"
    )
    _closed_zh = (
        f"ρ = k mod s = {_rho}：{spec.stride} 个余数中有 {_rho} 个为 {_floor + 1}，其余为 {_floor}；V = {number(str(_V), 'upweave.theory.coverage.overlap')}"
        if _d1
        else f"只对 d = 1 成立；这里抽头落在间距为 gcd(d, s) = {math.gcd(spec.dilation, spec.stride)} 的格点上"
    )
    _low, _high = int(_plane.min()), int(_plane.max())
    both(
        f"""
        ## What the count depends on

        Far from the border it depends on **n mod s** alone, since tap t reaches residue r if

        {formula("d·t ≡ r + p  (mod s)")}

        | | |
        |---|---|
        | coverage by residue, r = 0 … s−1 | {number(_inner, "upweave.coverage")} |
        | its variance V | {number(upweave.coverage_variance(spec), "upweave.coverage_variance")} |
        | the article's closed form | {_closed_en} |
        | least and greatest in the plane | {number((_low, _high), "upweave.coverage")} |
        | residues that nothing reaches | {number(upweave.gaps(spec)[0], "upweave.gaps")} |
        | outputs of this line that have less than their residue should | {_border} of {len(_line)} |
        | outputs at the ends that no input reaches (bias only) | {number(upweave.uncovered_border(spec)[0], "upweave.uncovered_border")} |

        Three things that "choose k divisible by s" does not say:

        - **The border is uneven whatever k is.** Try k4 s2 p1: the interior is even, the first and last output are not.
        - **Dilation can make gaps that no kernel fills.** Try k9 s2 d2: half of the outputs get nothing.
        - **Output padding can add outputs without any input.** Try o > p: k2 s2 p0 o1.
        """,
        f"""
        ## 覆盖数取决于什么

        远离边界时它只取决于 **n mod s**，因为抽头 t 到达余数 r 的条件是

        {formula("d·t ≡ r + p  (mod s)")}

        | | |
        |---|---|
        | 按余数 r = 0 … s−1 的覆盖数 | {number(_inner, "upweave.coverage")} |
        | 其方差 V | {number(upweave.coverage_variance(spec), "upweave.coverage_variance")} |
        | 文中的闭式 | {_closed_zh} |
        | 二维中的最小值与最大值 | {number((_low, _high), "upweave.coverage")} |
        | 没有任何抽头到达的余数个数 | {number(upweave.gaps(spec)[0], "upweave.gaps")} |
        | 这一行中少于其余数应有覆盖数的输出 | {len(_line)} 个中有 {_border} 个 |
        | 两端没有任何输入到达的输出（只有偏置） | {number(upweave.uncovered_border(spec)[0], "upweave.uncovered_border")} |

        “让 k 是 s 的整数倍”这句话没有告诉您的三件事：

        - **无论 k 取多少，边界总是不均匀的。** 试试 k4 s2 p1：内部均匀，首尾两个输出却不然。
        - **膨胀会造成任何大小的核都填不上的空洞。** 试试 k9 s2 d2：一半的输出什么也得不到。
        - **输出填充会添上没有任何输入的输出。** 试试 o > p：k2 s2 p0 o1。
        """,
    )
    return


@app.cell
def _():
    both(
        """
        ## Layer after layer

        A decoder has several such layers. A path now leads from an input through one tap of each layer, and the number
        of paths to an output has the period of all strides together. With weights of one size this is what the output
        looks like.
        """,
        """
        ## 一层接一层

        解码器里有好几个这样的层。此时一条路径从输入出发，经过每一层的一个抽头；到达某个输出的路径数以各层步长之积为周期。
        当所有权重大小相同时，输出看起来就是这样。
        """,
    )
    return


@app.cell
def _():
    stack = controls(
        Slider("depth", Text("layers", "层数"), 1, 4, 3),
        Slider("kernel", Text("kernel k", "核大小 k"), 1, 6, 3),
        Slider("stride", Text("stride s", "步长 s"), 2, 3, 2),
        Switch("between", Text("a convolution of 3 equal taps after each", "每层之后加一个 3 个等权抽头的卷积"), False),
    )
    stack
    return (stack,)


@app.cell
def _():
    tower = figure()
    return (tower,)


@app.cell
def _(stack):
    def _banks():
        v = stack.values
        one = upweave.phase_bank(upweave.ConvTranspose(int(v["kernel"]), int(v["stride"])))
        smooth = upweave.phase_bank(upweave.ConvTranspose(3, 1, 1))
        out = []
        for _ in range(int(v["depth"])):
            out.append(one @ out[-1] if out else one)
            if v["between"]:
                out[-1] = smooth @ out[-1]
        return out

    depths = [upweave.coverage(bank) for bank in _banks()]
    return (depths,)


@app.cell
def _(depths, tower):
    tower.show(*views.tower(depths))
    tower
    return


@app.cell
def _(depths):
    def _ratio(counts, power):
        least, most = int(counts.min()), int(counts.max())
        return "∞" if not least else show(Fraction(most, least) ** power)

    _one = upweave.phase_bank(upweave.ConvTranspose(3, 2))
    _after = upweave.coverage(upweave.phase_bank(upweave.ConvTranspose(3, 1, 1)) @ _one)
    _left = show(Fraction(int(_after.max()), int(_after.min())))

    def _rows(en):
        lines = []
        for d, counts in enumerate(depths, 1):
            one, two = (number(_ratio(counts, p), "upweave.coverage") for p in (1, 2))
            lines.append(f"| {d} | {one} | {two} |")
        head = "| layers | most : least, one axis | in the plane |" if en else "| 层数 | 最多 : 最少（一维） | 二维 |"
        return "\n".join([head, "|---|---|---|", *lines])

    both(
        f"""{_rows(True)}

The contrast grows with depth, and the pattern gets coarser periods as well as fine ones: a late smoothing layer reaches
only the finest. Switch the convolution of equal taps on: after one layer k3 s2 it pulls 2 : 1 down to {_left} : 1 and does
not remove it, since a window of 3 sees two of one kind and one of the other.
""",
        f"""{_rows(False)}

反差随深度增大，而且图案除了细的周期还有粗的周期：后面的平滑层只够得着最细的那一种。打开等权卷积的开关：
对一个 k3 s2 的层，它把 2 : 1 降到 {_left} : 1，却不能消除它，因为宽度为 3 的窗口总是看到两个这一种和一个那一种。
""",
    )
    return


@app.cell
def _():
    both(
        """
        ## From counts to a checkerboard

        Counting looks at structure, a picture also at weights. Send a **constant** through one layer: each phase returns
        its gain, the sum of its taps, and unequal gains are the checkerboard. Three kinds of weights:

        - *equal*: every weight is the same, so gains are counts.
        - *random*: drawn as before training.
        - *fitted*: what training would find. Least squares: enlarge one picture of 16 × 16 samples, with some noise, by s.
        """,
        """
        ## 从覆盖数到棋盘

        覆盖数只看结构，图像还要看权重。让一个**常数**通过一层：每个相位返回自己的增益，也就是它的抽头之和；增益不等就是棋盘。
        有三种权重：

        - *相等*：所有权重相同，增益就是覆盖数。
        - *随机*：训练之前随机抽取。
        - *拟合*：训练会找到的权重。最小二乘：把一幅 16 × 16、带一些噪声的图像放大 s 倍。
        """,
    )
    return


@app.cell
def _():
    kind = controls(
        Choice(
            "weights",
            Text("weights", "权重"),
            {"equal": Text("equal", "相等"), "random": Text("random", "随机"), "fitted": Text("fitted", "拟合")},
            "equal",
        ),
        Slider("k2", Text("kernel k", "核大小 k"), 2, 6, 3),
        Slider("s2", Text("stride s", "步长 s"), 2, 3, 2),
        Slider("noise", Text("noise, %", "噪声（%）"), 0, 30, 15),
        Slider("seed", Text("another draw", "换一组随机数"), 0, 9, 1),
    )
    kind
    return (kind,)


@app.cell
def _():
    board = figure()
    return (board,)


@app.cell
def _(kind):
    def _layer():
        v = kind.values
        k, s, seed = int(v["k2"]), int(v["s2"]), int(v["seed"])
        # the least padding that leaves s·H outputs or one more stride's worth; the rest is output padding
        p = max(0, -((s - k) // 2))
        o = s - k + 2 * p
        layer = upweave.ConvTranspose((k, k), s, p, o)
        draw = np.random.default_rng(seed)
        if v["weights"] == "equal":
            w = np.full((k, k), (s / k) ** 2)
        elif v["weights"] == "random":
            w = draw.standard_normal((k, k)) * s / k
        else:
            target = scene(16 * s, seed)
            given = shrunk(target, s) + v["noise"] / 100 * draw.standard_normal((16, 16))
            w = fitted(layer, [(given, target)])
        return layer, w

    plane, weights = _layer()
    return plane, weights


@app.cell
def _(board, plane, weights):
    board.show(*views.board(plane, weights))
    board
    return


@app.cell
def _(kind, plane, weights):
    def _many():
        k, s = plane.kernel[0], plane.stride
        w = np.random.default_rng(0).standard_normal((64, 64, k, k)) / 8
        gains = upweave.gain_imbalance(upweave.ConvTranspose((k, k), s, plane.padding, plane.output_padding), w)
        counts = upweave.coverage(plane)
        covered = bool(counts.min())
        return (
            float(gains.per_phase.max() - gains.per_phase.min()) if covered else math.inf,
            10 * math.log10(counts.max() / counts.min()) if covered else math.inf,
        )

    _found = upweave.gain_imbalance(plane, weights)
    _V = upweave.coverage_variance(plane)
    _flat = upweave.is_dc_flat(plane, weights, tolerance=1e-6)
    _measured, _law = _many()
    _even_en = "even" if _V == 0 else "uneven"
    _even_zh = "均匀" if _V == 0 else "不均匀"
    both(
        f"""
        | | |
        |---|---|
        | layer | k{plane.kernel[0]} s{plane.stride} p{plane.padding} o{plane.output_padding} |
        | coverage | {_even_en}, variance {number(_V, "upweave.coverage_variance")} |
        | strongest phase over the weakest, these weights | {number(_found.max, "upweave.gain_imbalance")} dB |
        | share of the gains that differs between phases | {number(_found.deviation, "upweave.gain_imbalance")} |
        | 64 → 64 channels of random weights: strongest phase over weakest | {number(_measured, "upweave.gain_imbalance")} dB |
        | 10·log₁₀ of the counts' ratio | {show(_law)} dB |

        **Equal** weights: gains are counts, 20·log₁₀ of their ratio. **Random** weights of many channels add up like noise:
        their *power* goes with the count, so the same layer shows half as many decibels, and a single channel shows a
        checkerboard even where the coverage is even. **Fitted** weights undo most of an uneven count, and that is why
        such layers work at all; but raise the noise with k = 3: a phase with one tap cannot average, its gain shrinks
        most, and the board returns. With k = 4 all phases shrink alike. Coverage is a risk, the gains are the fact;
        Upweave reports the two as two rules.
        """,
        f"""
        | | |
        |---|---|
        | 层 | k{plane.kernel[0]} s{plane.stride} p{plane.padding} o{plane.output_padding} |
        | 覆盖 | {_even_zh}，方差 {number(_V, "upweave.coverage_variance")} |
        | 当前权重下最强相位与最弱相位之比 | {number(_found.max, "upweave.gain_imbalance")} dB |
        | 增益中各相位不同的部分所占比例 | {number(_found.deviation, "upweave.gain_imbalance")} |
        | 64 → 64 通道的随机权重：最强相位与最弱相位之比 | {number(_measured, "upweave.gain_imbalance")} dB |
        | 覆盖数之比的 10·log₁₀ | {show(_law)} dB |

        **相等**的权重：增益就是覆盖数，分贝数是其比值的 20·log₁₀。许多通道的**随机**权重像噪声一样相加：与覆盖数成正比的是
        *功率*，所以同一层的分贝数减半；而单个通道即使覆盖均匀，也会出现棋盘。**拟合**的权重抵消了大部分不均匀，这正是此类层
        还能用的原因；但在 k = 3 时增大噪声试试：只有一个抽头的相位无法取平均，它的增益缩得最多，棋盘又回来了。k = 4 时所有相位
        缩得一样多。覆盖说的是风险，增益才是事实；Upweave 把两者作为两条规则分别报告。
        """,
    )
    return


@app.cell
def _():
    both(
        "## The layer as code\n\nThe layer at the top of this page, with 16 channels in and 8 out.",
        "## 写成代码\n\n本页最上面的那一层，16 个输入通道，8 个输出通道。",
    )
    return


@app.cell
def _():
    snippets = code(upweave.ConvTranspose(3, 2, 1, 1))
    snippets
    return (snippets,)


@app.cell
def _(snippets, spec):
    snippets.show(spec)
    return


@app.cell
def _():
    practice(paper=True)
    return


@app.cell
def _():
    exercises.residues()
    return


@app.cell
def _():
    exercises.even()
    return


@app.cell
def _():
    exercises.gaps()
    return


@app.cell
def _():
    exercises.two()
    return


@app.cell
def _():
    exercises.decibels()
    return


@app.cell
def _():
    closing("coverage")
    return


if __name__ == "__main__":
    app.run()
