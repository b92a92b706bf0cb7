"""Lab 1: a convolution is a matrix, and its transpose is the transposed convolution."""

import marimo

app = marimo.App(
    width="full",
    app_title="Upweave · The matrix and its transpose · 矩阵与转置",
    css_file="kit/static/page.css",
    html_head_file="kit/static/head.html",
)

with app.setup:
    import marimo as mo
    import numpy as np

    import upweave
    from upweave.labs.exercises import matrix as exercises
    from upweave.labs.kit import (
        Numbers,
        Panel,
        Slider,
        Text,
        both,
        closing,
        code,
        controls,
        figure,
        formula,
        number,
        opening,
        paths,
        practice,
        refusal,
        row,
        same,
        show,
        table,
    )
    from upweave.testing import dot_test
    from upweave.theory.adjoint import adjoint


@app.cell
def _():
    opening("matrix")
    return


@app.cell
def _():
    both(
        f"""
        ## One window, one row

        A convolution slides a window over its input and takes a weighted sum at every stop. Each stop is a row of
        numbers, so on an input of fixed length the whole layer is a matrix **C**, and the output is the product

        {formula("y = C·x")}

        Set the layer. Point at a cell, a weight or a matrix entry (or tap it; arrow keys work too): whatever takes part
        in the same products lights up.
        """,
        f"""
        ## 一个窗口，一行

        卷积让一个窗口在输入上滑动，每停一处就求一次加权和。每一处对应一行数，所以对固定长度的输入，整个层就是一个矩阵
        **C**，输出就是乘积

        {formula("y = C·x")}

        先设定这一层。把鼠标指向（或轻点，也可用方向键移到）一个单元格、一个权重或一个矩阵元素：凡是参与同一次乘法的部分都会亮起来。
        """,
    )
    return


@app.cell
def _():
    layer = controls(
        Numbers("w", Text("kernel w", "卷积核 w"), (2, -1, 3), most=6),
        Slider("s", Text("stride s", "步长 s"), 1, 4, 2),
        Slider("p", Text("padding p", "填充 p"), 0, 3, 1),
        Slider("N", Text("input length N", "输入长度 N"), 1, 12, 5),
    )
    layer
    return (layer,)


@app.cell
def _():
    forward, backward = figure(), figure()
    return backward, forward


@app.cell
def _(layer):
    v = layer.values
    w = np.array(v["w"])
    conv = upweave.Conv(len(w), int(v["s"]), int(v["p"]))
    N = int(v["N"])
    problem = refusal(conv, N)
    return N, conv, problem, w


@app.cell
def _(N, conv, forward, problem, w):
    def _draw():
        C = upweave.matrix(conv, N, w.reshape(1, 1, -1)).toarray()
        table_of = paths(conv, N)
        x = np.arange(1.0, N + 1)
        y = C @ x

        def product(n):
            terms = [f"{show(C[n, i])}·{show(x[i])}" for i in range(N) if table_of.entry(n, i)]
            return f"y[{n}] = {' + '.join(terms) or '0'} = {show(y[n])}"

        side = 34
        kernel = Panel(Text("Kernel w", "卷积核 w"), side * len(w) + 2, side + 2)
        row(kernel, 1, 1, w, side, name="w", on=table_of.of_tap, tip=lambda t: f"w[{t}] = {show(w[t])}")
        signal = Panel(Text("Input x", "输入 x"), side * N + 2, side + 2)
        row(signal, 1, 1, x, side, name="x", on=table_of.of_input, tip=lambda i: f"x[{i}] = {show(x[i])}")
        M = Panel(
            same(f"C   ({C.shape[0]} × {C.shape[1]})"),
            side * N + 2,
            side * len(y) + 2,
        )

        def entry(n, i):
            (path,) = table_of.entry(n, i)
            return f"C[{n}, {i}] = w[{table_of.taps[path]}] = {show(C[n, i])}"

        structure = np.zeros(C.shape, dtype=bool)
        structure[list(table_of.outputs), list(table_of.inputs)] = True
        table(M, 1, 1, C, side, name="C", on=table_of.entry, tip=entry, structure=structure)
        out = Panel(Text("Output y = C·x", "输出 y = C·x"), side + 12, side * len(y) + 2)
        row(out, 1, 1, y, side + 10, name="y", on=table_of.of_output, tip=product, vertical=True)
        out.height = (side + 10) * len(y) + 2
        return [kernel, signal, M, out]

    forward.show_unless(problem, _draw)
    forward
    return


@app.cell
def _():
    both(
        f"""
        ## The transpose

        Now turn the matrix over. **Cᵀ** takes as many numbers as C gave, and gives as many as C took:

        {formula("z = Cᵀ·y")}

        This is the transposed convolution with the same kernel, stride and padding. Read a *column*: input i stamps the
        whole kernel into the output, beginning at s·i − p, and what falls over the edge is cut off. Read a *row*: output
        n gathers from every stamp that reaches it. In some rows one entry stands, in others two; that unevenness has a
        lab of its own.
        """,
        f"""
        ## 转置

        现在把矩阵翻过来。**Cᵀ** 的输入长度等于 C 的输出长度，输出长度等于 C 的输入长度：

        {formula("z = Cᵀ·y")}

        这就是核、步长、填充都相同的转置卷积。按*列*读：输入 i 从 s·i − p 处开始，把整个核“盖章”到输出上，超出边界的部分被裁掉。
        按*行*读：输出 n 从所有够得着它的印记中收集贡献。有的行只有一个元素，有的行有两个；这种不均匀另有一个实验专门讨论。
        """,
    )
    return


@app.cell
def _(N, backward, conv, problem, w):
    def _draw():
        up = adjoint(conv, N)
        L = upweave.output_size(conv, N)
        Ct = upweave.matrix(up, L, w.reshape(1, 1, -1)).toarray()
        table_of = paths(up, L)
        y = np.arange(1.0, L + 1)
        z = Ct @ y
        side = 34

        def entry(n, i):
            (path,) = table_of.entry(n, i)
            return f"Cᵀ[{n}, {i}] = w[{table_of.taps[path]}] = {show(Ct[n, i])}"

        def gathered(n):
            terms = [f"{show(Ct[n, i])}·{show(y[i])}" for i in range(L) if table_of.entry(n, i)]
            return f"z[{n}] = {' + '.join(terms) or '0'} = {show(z[n])}"

        def stamped(i):
            places = [f"z[{table_of.outputs[j]}]" for j in table_of.of_input(i)]
            return f"y[{i}] = {show(y[i])} → {', '.join(places)}"

        kernel = Panel(Text("Kernel w", "卷积核 w"), side * len(w) + 2, side + 2)
        row(kernel, 1, 1, w, side, name="w", on=table_of.of_tap, tip=lambda t: f"w[{t}] = {show(w[t])}")
        signal = Panel(Text("Input y", "输入 y"), max(60, side * L + 2), side + 2)
        row(signal, 1, 1, y, side, name="y", on=table_of.of_input, tip=stamped)
        structure = np.zeros(Ct.shape, dtype=bool)
        structure[list(table_of.outputs), list(table_of.inputs)] = True
        M = Panel(same(f"Cᵀ   ({Ct.shape[0]} × {Ct.shape[1]})"), max(100, side * L + 2), side * N + 2)
        table(M, 1, 1, Ct, side, name="T", on=table_of.entry, tip=entry, structure=structure)
        out = Panel(Text("Output z = Cᵀ·y", "输出 z = Cᵀ·y"), max(110, side + 2), side * N + 2)
        row(out, 1, 1, z, side, name="z", on=table_of.of_output, tip=gathered, vertical=True)
        return [kernel, signal, M, out]

    backward.show_unless(problem, _draw)
    backward
    return


@app.cell
def _(N, conv, problem, w):
    mo.stop(problem is not None)

    _W = w.reshape(1, 1, -1)
    _up = adjoint(conv, N)
    _L = upweave.output_size(conv, N)
    _C = upweave.matrix(conv, N, _W)
    _T = upweave.matrix(_up, _L, _W)
    _apart = float(np.abs(_T.toarray() - _C.toarray().T).max())
    _dot = dot_test(_C, _T)
    _x = np.arange(1.0, N + 1)
    _back = _T @ (_C @ _x)
    _rank = int(np.linalg.matrix_rank(_C.toarray()))
    both(
        f"""
        ## What the numbers say

        | | |
        |---|---|
        | C is | {number(_C.shape, "upweave.matrix")}, Cᵀ is {number(_T.shape, "upweave.matrix")} |
        | output padding that leads back to length {N} | o = {number(_up.output_padding, "upweave.theory.adjoint.adjoint")} |
        | greatest difference between the layer's own matrix and C turned over | {number(_apart, "upweave.matrix")} |
        | ⟨C·x, y⟩ against ⟨x, Cᵀ·y⟩, relative difference | {number(_dot, "upweave.testing.dot_test")} |
        | rank of C | {_rank} of {N} |
        | Cᵀ·C·x for x = {show(_x)} | {number(_back, "upweave.matrix")} |

        The last line is the one to remember: going down and up again does **not** give x back. The transpose is not the
        inverse, and "deconvolution" is a misnomer. What holds for every x and y is the second-last product,
        ⟨C·x, y⟩ = ⟨x, Cᵀ·y⟩.
        """,
        f"""
        ## 数字说明了什么

        | | |
        |---|---|
        | C 的形状是 | {number(_C.shape, "upweave.matrix")}，Cᵀ 的形状是 {number(_T.shape, "upweave.matrix")} |
        | 要回到长度 {N}，需要的输出填充 | o = {number(_up.output_padding, "upweave.theory.adjoint.adjoint")} |
        | 转置卷积层自己的矩阵与翻转后的 C 的最大差 | {number(_apart, "upweave.matrix")} |
        | ⟨C·x, y⟩ 与 ⟨x, Cᵀ·y⟩ 的相对误差 | {number(_dot, "upweave.testing.dot_test")} |
        | C 的秩 | {_rank}（共 {N} 列） |
        | x = {show(_x)} 时的 Cᵀ·C·x | {number(_back, "upweave.matrix")} |

        最后一行最值得记住：先下采样再上采样，**得不到**原来的 x。转置不是逆，“反卷积”是个误称。对任何 x 和 y 都成立的是
        ⟨C·x, y⟩ = ⟨x, Cᵀ·y⟩。
        """,
    )
    return


@app.cell
def _():
    both(
        "## The layer as code\n\nThe transposed convolution of this page, with 16 channels in and 8 out.",
        "## 写成代码\n\n本页的转置卷积，16 个输入通道，8 个输出通道。",
    )
    return


@app.cell
def _():
    snippets = code(upweave.ConvTranspose(3, 2, 1), rank=1)
    snippets
    return (snippets,)


@app.cell
def _(N, conv, problem, snippets):
    mo.stop(problem is not None)
    snippets.show(adjoint(conv, N), rank=1)
    return


@app.cell
def _():
    practice(paper=True)
    return


@app.cell
def _():
    exercises.shape()
    return


@app.cell
def _():
    exercises.row_()
    return


@app.cell
def _():
    exercises.cut()
    return


@app.cell
def _():
    exercises.inverse()
    return


@app.cell
def _():
    closing("matrix")
    return


if __name__ == "__main__":
    app.run()
