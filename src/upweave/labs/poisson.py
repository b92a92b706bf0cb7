"""Lab 8e: a transposed convolution as the prolongation of a multigrid solver."""

import marimo

app = marimo.App(
    width="full",
    app_title="Upweave · A transposed convolution solves Poisson's equation · 用转置卷积求解泊松方程",
    css_file="kit/static/page.css",
    html_head_file="kit/static/head.html",
)

with app.setup:
    import numpy as np

    import upweave
    from upweave.labs.applied.multigrid import (
        LINEAR,
        LINES,
        PROLONGATION,
        charges,
        order,
        prolong,
        reductions,
        solve,
        two_grid_factor,
    )
    from upweave.labs.exercises import poisson as exercises
    from upweave.labs.kit import (
        Choice,
        Panel,
        Picture,
        Slider,
        Text,
        axes,
        both,
        closing,
        code,
        controls,
        curve,
        figure,
        formula,
        number,
        opening,
        pictures,
        show,
        table,
    )


@app.cell
def _():
    opening("poisson")
    return


@app.cell
def _():
    both(
        f"""
        ## Upsampling that somebody measured fifty years ago

        The field of some charges on a square solves Poisson's equation,

        {formula("−Δu = f,  u = 0 on the border")}

        Jacobi's iteration smooths the error quickly and then gets nowhere: what is left varies slowly. Multigrid takes
        what is left to a grid of half as many points, solves there (in the same way, down to one point), and brings the
        correction back up. That last step is a transposed convolution with k = 3, s = 2, p = 0; the way down is its
        adjoint, a strided convolution. With bilinear weights one such V-cycle divides the error by the same factor on every
        grid, and the textbook says by which. Choose other weights, and see what they cost.
        """,
        f"""
        ## 五十年前就有人量过的上采样

        正方形上若干电荷的场满足泊松方程

        {formula("−Δu = f，边界上 u = 0")}

        雅可比迭代很快就能把误差磨平，然后便停滞不前：剩下的误差变化缓慢。多重网格把剩余量送到点数减半的网格上，在那里求解（同样的办法，直到只剩
        一个点），再把修正量送回来。最后这一步就是一个 k = 3、s = 2、p = 0 的转置卷积；向下的一步是它的伴随，即一个跨步卷积。用双线性权重时，
        每个 V 循环在任何网格上都把误差缩小同样的倍数，教科书给出了这个倍数。换别的权重，看看代价是什么。
        """,
    )
    return


@app.cell
def _():
    choice = controls(
        Choice("line", Text("weights on each axis", "每个轴上的权重"), {k: v[0] for k, v in LINES.items()}, "repeat"),
        Slider("levels", Text("levels (2ˡ − 1 points)", "层数（2ˡ − 1 个点）"), 3, 6, 5),
        Slider("before", Text("sweeps before", "前光滑次数"), 0, 3, 1),
        Slider("after", Text("sweeps after", "后光滑次数"), 0, 3, 1),
    )
    choice
    return (choice,)


@app.cell
def _(choice):
    v = choice.values
    line = LINES[str(v["line"])][1]
    levels, before, after = int(v["levels"]), int(v["before"]), max(int(v["after"]), 0 if int(v["before"]) else 1)
    measured = reductions(levels, before, after, cycles=20, line=line)
    return after, before, levels, line, measured


@app.cell
def _(after, before, levels, line):
    def _scaled(u):
        high = np.abs(u).max() or 1.0
        return 0.5 + 0.5 * u / high

    _n = 2**levels - 1
    _f = charges(_n)
    _fields = solve(_f, 6, before, after, line)
    pictures(
        Picture(
            Text("Charges f", "电荷 f"),
            _scaled(_f),
            Text("white positive, black negative", "白为正，黑为负"),
            width=200,
        ),
        Picture(Text("Field after 1 cycle", "1 个循环后的场"), _scaled(_fields[0]), width=200),
        Picture(Text("Field after 6 cycles", "6 个循环后的场"), _scaled(_fields[-1]), width=200),
        Picture(
            Text("One value, brought up", "一个粗网格值被送上来"),
            prolong(np.pad([[1.0]], 2), line),
            Text("the kernel: what the transposed convolution stamps", "核：转置卷积盖下的印记"),
            width=200,
        ),
    )
    return


@app.cell
def _():
    drawing = figure()
    return (drawing,)


@app.cell
def _(after, before, drawing, levels, line, measured):
    def _draw():
        box, limits = (48, 12, 280, 180), (0.0, 20.0, -12.0, 4.0)
        panel = Panel(
            Text("Size of the error, powers of 10", "误差大小（10 的幂）"),
            345,
            228,
            note=Text(
                "against the number of V-cycles; blue: bilinear; orange: your weights",
                "横轴为 V 循环次数；蓝：双线性；橙：当前权重",
            ),
        )
        axes(
            panel,
            box,
            limits,
            [(float(t), str(t)) for t in (0, 5, 10, 15, 20)],
            [(float(t), show(t)) for t in (-12, -8, -4, 0, 4)],
        )
        for factors, style in ((reductions(levels, before, after, cycles=20), "first"), (measured, "second")):
            levels_of = np.concatenate([[0.0], np.cumsum(np.log10(factors))])
            shown = [(float(j), float(a)) for j, a in enumerate(levels_of) if -12 <= a <= 4]
            curve(panel, box, [a for a, _ in shown], [b for _, b in shown], limits, style)
        kernel = Panel(Text("The kernel", "核"), 3 * 44 + 2, 3 * 44 + 2)
        table(kernel, 1, 1, np.outer(line, line), 44, structure=np.ones((3, 3), dtype=bool), name="w")
        drawing.show(panel, kernel)

    _draw()
    drawing
    return


@app.cell
def _(after, before, levels, line, measured):
    _gains = upweave.dc_gain(PROLONGATION, np.asarray(line, dtype=float).reshape(1, 1, 3)).ravel()
    _order = order(line)
    _by_level = [float(reductions(m, before, after, cycles=20, line=line)[-5:].mean()) for m in (3, 4, 5, 6)]
    _book = two_grid_factor(before, after, line=line) if _order else float("nan")
    both(
        f"""
        ## What the numbers say

        | | |
        |---|---|
        | gain of the two phases on an axis | {number(_gains, "upweave.dc_gain")} |
        | order of the zero that the kernel has at π | {number(_order, "upweave.frequency_response")} |
        | the error is multiplied in each V({before},{after}) by | {number(float(measured[-5:].mean()), "upweave.labs.applied.multigrid.reductions")} on {2**levels - 1}² points |
        | the same on 7², 15², 31², 63² points | {number(_by_level, "upweave.labs.applied.multigrid.reductions")} |
        | two-grid factor of the textbook | {number(_book, "upweave.labs.applied.multigrid.two_grid_factor")} |

        The zero at π is what labs on checkerboards ask of a kernel, under another name: **order 1 means equal gains** (a
        constant comes up as a constant), **order 2 means that ramps come up as ramps**. The rule of multigrid is that
        the orders of the way up and the way down together must *exceed* the order of the equation, here 2.

        - Bilinear has 2 + 2 > 2: the same factor on every grid.
        - Repeating each value has 1 + 1 = 2, not more: no checkerboard on a constant, a faultless two-grid factor, and
          still the factor grows with every level until the solver diverges.
        - Gains that differ by a few per cent have order 0: on small grids hardly to be seen, on large ones the end. A
          coarse grid sends up its smoothest, largest error, and the little checkerboard on top of it weighs 1/h² in −Δ.

        An image decoder of six levels is no solver; but this is the cleanest measurement there is of what a pattern of
        a few per cent becomes when levels are stacked and something behind them amplifies high frequencies.
        """,
        f"""
        ## 数字说明了什么

        | | |
        |---|---|
        | 一个轴上两个相位的增益 | {number(_gains, "upweave.dc_gain")} |
        | 核在 π 处零点的阶 | {number(_order, "upweave.frequency_response")} |
        | {2**levels - 1}² 个点上，每个 V({before},{after}) 循环误差乘以 | {number(float(measured[-5:].mean()), "upweave.labs.applied.multigrid.reductions")} |
        | 在 7²、15²、31²、63² 个点上 | {number(_by_level, "upweave.labs.applied.multigrid.reductions")} |
        | 教科书的两网格因子 | {number(_book, "upweave.labs.applied.multigrid.two_grid_factor")} |

        π 处的零点，正是讨论棋盘伪影时对核的要求，只是换了名字：**一阶零点就是增益相等**（常数送上来仍是常数），**二阶零点就是斜坡送上来仍是斜坡**。
        多重网格的规则是：向上与向下两步的阶数之和必须*大于*方程的阶，这里是 2。

        - 双线性：2 + 2 > 2，在任何网格上因子都相同。
        - 每个值重复一次：1 + 1 = 2，不大于 2。常数上没有棋盘，两网格因子也无可挑剔，可是因子仍随层数增长，直到发散。
        - 增益相差百分之几：零阶。小网格上几乎看不出，大网格上就无法收敛。粗网格送上来的是最光滑、最大的误差，叠在上面的小棋盘在 −Δ 中的
          权重是 1/h²。

        六层的图像解码器并不是求解器；但若想知道百分之几的花纹在层层堆叠、后面又有放大高频的环节时会变成什么，没有比这更干净的测量。
        """,
    )
    return


@app.cell
def _():
    both("## The layer as code", "## 写成代码")
    return


@app.cell
def _():
    code(PROLONGATION, channels=(1, 1))
    return


@app.cell
def _():
    both("## Exercises", "## 练习")
    return


@app.cell
def _():
    exercises.flat()
    return


@app.cell
def _():
    exercises.factor()
    return


@app.cell
def _():
    exercises.grows()
    return


@app.cell
def _():
    assert LINES["linear"][1] == LINEAR
    closing("poisson")
    return


if __name__ == "__main__":
    app.run()
