"""Lab 3: how long the output is, why there are several answers, and which sizes survive a whole network."""

import marimo

app = marimo.App(
    width="full",
    app_title="Upweave · Output sizes · 输出尺寸",
    css_file="kit/static/page.css",
    html_head_file="kit/static/head.html",
)

with app.setup:
    import marimo as mo

    import upweave
    from upweave.errors import SpecError
    from upweave.graph.sizes import sizes_of
    from upweave.labs.exercises import sizes as exercises
    from upweave.labs.frameworks import pytorch, same_lower, same_upper, valid
    from upweave.labs.kit import (
        ALIGNMENTS,
        Choice,
        Slider,
        Switch,
        Text,
        both,
        closing,
        code,
        controls,
        figure,
        formula,
        layer_sliders,
        number,
        opening,
        practice,
        refusal,
        show,
        transposed,
    )
    from upweave.labs.networks import DOWN, UP, Network
    from upweave.labs.views import sizes as views


@app.cell
def _():
    opening("sizes")
    return


@app.cell
def _():
    both(
        f"""
        ## Down rounds, up has to guess

        A convolution with stride s rounds down, so s different lengths come out as one. Each wire below is a length N of
        the upper row and the length that the convolution makes of it. A transposed convolution goes the other way, and
        finds s answers; for d = 1 they are

        {formula("s(H−1)+k−2p ≤ H_T < sH+k−2p")}

        **Output padding** o is nothing but the choice among them:

        {formula("H_T = s(H−1) − 2p + d(k−1) + 1 + o")}
        """,
        f"""
        ## 往下要取整，往上只能选

        步长为 s 的卷积会向下取整，于是 s 个不同的长度变成同一个。下图中每根连线的上端是长度 N，下端是卷积把它变成的长度。
        转置卷积反向走，就会遇到 s 个答案；d = 1 时是

        {formula("s(H−1)+k−2p ≤ H_T < sH+k−2p")}

        **输出填充** o 不过是在它们之中选一个：

        {formula("H_T = s(H−1) − 2p + d(k−1) + 1 + o")}
        """,
    )
    return


@app.cell
def _():
    layer = controls(*layer_sliders(3, 2, 1, 0, 1, 5, most={"k": 7, "p": 3, "d": 2, "H": 7}))
    layer
    return (layer,)


@app.cell
def _():
    ladder, window = figure(), figure()
    return ladder, window


@app.cell
def _(layer):
    spec = transposed(layer.values)
    H = int(layer.values["H"])
    problem = refusal(spec, H)
    return H, problem, spec


@app.cell
def _(H, ladder, problem, spec):
    ladder.show_unless(problem, lambda: views.ladder(spec, H))
    ladder
    return


@app.cell
def _():
    both(
        """
        ## What padding and output padding cut

        First every input stamps its kernel. Then a window is cut out: it begins at p, and o moves its *end*. Nothing is
        padded, and no sample moves. The numbers count the taps that reach each sample; where the window hangs over the
        end of what was stamped (o > p), it contains samples that no tap reaches, which hold the bias alone.
        """,
        """
        ## 填充与输出填充裁出了什么

        先由每个输入把自己的核盖上去，再从结果中裁出一个窗口：窗口从 p 开始，o 只移动它的**末端**。没有补任何东西，也没有样本移动。
        图中的数字是到达每个样本的抽头数；当窗口超出盖章结果的末端时（o > p），里面就有任何抽头都到不了的样本，它们只有偏置。
        """,
    )
    return


@app.cell
def _(H, problem, spec, window):
    window.show_unless(problem, lambda: views.window(spec, H))
    window
    return


@app.cell
def _(H, problem, spec):
    mo.stop(problem is not None)

    _out = upweave.output_size(spec, H)
    try:
        _all = upweave.output_sizes(spec, H)
    except SpecError:  # d > s: o may reach beyond every length from which the convolution comes back
        _all = ()
    _begin, _end = upweave.uncovered_border(spec)[0]
    _axis = upweave.alignment(spec).axes[0]
    _o = [o for h, o in upweave.input_sizes(spec, _out) if h == H]
    _more = [(h, o) for h, o in upweave.input_sizes(spec, _out) if h != H]
    both(
        f"""
        | | |
        |---|---|
        | output length H_T | {number(_out, "upweave.output_size")} |
        | the lengths from which the convolution comes back to {H} | {number(_all, "upweave.output_sizes") if _all else "none"} |
        | other inputs that reach {_out} with this k, s, p, d, as (H, o) | {number(_more, "upweave.input_sizes") if _more else "none"} |
        | outputs that no tap reaches, at the beginning and at the end | {number((_begin, _end), "upweave.uncovered_border")} |
        | where sample 0 of the input lands (the same for every o) | {number(_axis.centre(0), "upweave.alignment")} |

        In PyTorch you need not work out o: `layer(x, output_size=skip.shape[2:])` finds it, if the size asked for is one
        of the {int(spec.stride)}.
        """,
        f"""
        | | |
        |---|---|
        | 输出长度 H_T | {number(_out, "upweave.output_size")} |
        | 经卷积会回到 {H} 的那些长度 | {number(_all, "upweave.output_sizes") if _all else "没有"} |
        | k、s、p、d 不变，还有哪些 (H, o) 也得到 {_out} | {number(_more, "upweave.input_sizes") if _more else "没有"} |
        | 首、尾两端没有任何抽头到达的输出个数 | {number((_begin, _end), "upweave.uncovered_border")} |
        | 输入样本 0 落在何处（与 o 无关） | {number(_axis.centre(0), "upweave.alignment")} |

        在 PyTorch 里不必自己算 o：`layer(x, output_size=skip.shape[2:])` 会找到它，只要所要的长度是那 {int(spec.stride)} 个之一。
        """,
    )
    return


@app.cell
def _():
    both(
        """
        ## "same" is not the same

        Frameworks agree on what is stamped, and disagree about the window. When k − s is odd, one sample more has to be
        cropped at one end than at the other. Keras, JAX, TensorFlow and ONNX's SAME_UPPER crop it at the **end**;
        PyTorch's symmetric padding with output padding, and SAME_LOWER, crop it at the **beginning**. Weights carried
        from one to the other run without complaint, give the right shape, and move the picture by one sample.
        """,
        """
        ## “same” 并不相同

        各框架盖章的结果一致，分歧在于窗口。当 k − s 为奇数时，总有一端要比另一端多裁一个样本。Keras、JAX、TensorFlow 和 ONNX 的
        SAME_UPPER 裁在**末端**；PyTorch 的对称填充加输出填充，以及 SAME_LOWER，裁在**始端**。
        把权重从一边搬到另一边，程序不会报错，形状也对，但图像平移了一个样本。
        """,
    )
    return


@app.cell
def _():
    porting = controls(
        Slider("k", Text("kernel k", "核大小 k"), 1, 7, 3),
        Slider("s", Text("stride s", "步长 s"), 2, 4, 2),
        Slider("H", Text("input length H", "输入长度 H"), 1, 6, 4),
    )
    porting
    return (porting,)


@app.cell
def _():
    windows = figure()
    return (windows,)


@app.cell
def _(porting, windows):
    _k, _s, _H = (int(porting.values[n]) for n in "ksH")
    ways = {
        "PyTorch p, o": pytorch(_k, _s),
        "SAME_LOWER": same_lower(_k, _s),
        "Keras same": same_upper(_k, _s),
        "Keras valid": valid(_k, _s),
    }
    windows.show(*views.windows(ways, _k, _s, _H))
    windows
    return (ways,)


@app.cell
def _(porting, ways):
    _H = int(porting.values["H"])
    _p = ways["PyTorch p, o"]

    def _cut(spec):
        (a,) = spec.per_axis(1)
        return (int(a.begin), int(a.end) - int(a.output_padding))

    def _line(name, spec):
        axis = upweave.alignment(spec).axes[0]
        (size,) = upweave.output_size(spec, (_H,))
        return (
            f"| {name} | {number(size, 'upweave.output_size')} | {show(_cut(spec))} "
            f"| {number(axis.shift_half_pixel, 'upweave.alignment')} |"
        )

    def _lines(indent="        "):
        return f"\n{indent}".join(_line(name, spec) for name, spec in ways.items())

    _apart = upweave.alignment(_p).axes[0].offset - upweave.alignment(ways["Keras same"]).axes[0].offset
    both(
        f"""
        | | length | cropped | shift |
        |---|---|---|---|
        {_lines()}

        Cropped: at the beginning and at the end; a negative number is added there. Shift: against the half-pixel grid, in
        output samples.

        In PyTorch this is `kernel_size={_p.kernel}, stride={_p.stride}, padding={_p.padding},
        output_padding={_p.output_padding}`; against Keras "same" it moves the picture by
        {number(_apart, "upweave.alignment")} samples. Where that is not 0, port with padding 0 and crop by hand. Keras
        "valid" with k < s also differs: it is s − k samples longer than PyTorch without padding.
        """,
        f"""
        | | 长度 | 裁掉 | 偏移 |
        |---|---|---|---|
        {_lines()}

        裁掉：首端与尾端各裁掉的样本数，负数表示添加。偏移：相对半像素网格，以输出样本计。

        在 PyTorch 里，它写作 `kernel_size={_p.kernel}, stride={_p.stride}, padding={_p.padding},
        output_padding={_p.output_padding}`；与 Keras 的 “same” 相比，图像平移了
        {number(_apart, "upweave.alignment")} 个样本。只要它不为 0，移植时就应当用填充 0，再自己裁剪。k < s 时 Keras 的 “valid”
        也不同：它比不加填充的 PyTorch 长 s − k 个样本。
        """,
    )
    return


@app.cell
def _():
    both(
        """
        ## The inverse question

        More often you know both lengths and look for the layer. `upweave.design` tries every k, s, p and o and ranks what
        it finds: no gaps, even coverage, nothing uncovered, centred, then cheap.
        """,
        """
        ## 反过来问

        更常见的是两端长度已知，要找的是层。`upweave.design` 会试遍所有的 k、s、p、o，并给结果排序：没有间隙、覆盖均匀、
        边界没有落空、居中，最后才比计算量。
        """,
    )
    return


@app.cell
def _():
    wish = controls(
        Slider("from", Text("from length", "输入长度"), 1, 32, 7),
        Slider("to", Text("to length", "输出长度"), 1, 64, 14),
    )
    wish
    return (wish,)


@app.cell
def _(wish):
    def _answer(h, wanted):
        try:
            found = upweave.design(h, wanted, max_kernel=12, limit=5)
        except SpecError as e:
            return both(f"Nothing does it: {e}", f"没有这样的层：{e}")

        def lines(lang):
            return "\n".join(
                f"| k{c.spec.kernel} s{c.spec.stride} p{c.spec.padding} o{c.spec.output_padding} "
                f"| {number(c.coverage, 'upweave.coverage')} | {getattr(ALIGNMENTS[c.alignment.kind], lang)} "
                f"| {number(c.shift[0], 'upweave.design')} | {c.cost} |"
                for c in found
            )

        return both(
            "| layer | coverage | grid | picture moved by | taps |\n|---|---|---|---|---|\n" + lines("en"),
            "| 层 | 覆盖数 | 网格 | 图像偏移 | 抽头数 |\n|---|---|---|---|---|\n" + lines("zh"),
        )

    _answer(int(wish.values["from"]), int(wish.values["to"]))
    return


@app.cell
def _():
    both(
        """
        ## A whole network

        An encoder rounds at every level, a decoder multiplies, and at every level they must meet. Move the input length:
        it works on the crops of training and fails on the first photograph. The strip below lists all lengths; blue ones
        go through.
        """,
        """
        ## 整个网络

        编码器每一级都取整，解码器每一级都相乘，而每一级上它们都必须对得上。移动输入长度试试：训练时的裁块都能通过，
        第一张真实照片就失败了。下方的长条列出所有长度，蓝色的能通过。
        """,
    )
    return


@app.cell
def _():
    net = controls(
        Choice("down", Text("encoder", "编码器"), {n: s.label for n, s in DOWN.items()}, "pool"),
        Choice("up", Text("decoder", "解码器"), {n: s.label for n, s in UP.items()}, "k2"),
        Slider("levels", Text("levels", "级数"), 1, 4, 3),
        Slider("N", Text("input length", "输入长度"), 1, 64, 50),
        Switch("follow", Text("fit to the skip (output_size)", "按跳跃连接取长度（output_size）")),
    )
    net
    return (net,)


@app.cell
def _():
    shape = figure()
    return (shape,)


@app.cell
def _(net, shape):
    _v = net.values
    network = Network(str(_v["down"]), str(_v["up"]), int(_v["levels"]), bool(_v["follow"]))
    N = int(_v["N"])
    shape.show(*views.lengths(network, N))
    shape
    return N, network


@app.cell
def _(N, network):
    def _say():
        fits = [n for n in range(1, N + 33) if network.fits(n)]
        if not fits:
            return both(
                "No length goes through: this layer always makes an odd length, and this encoder's skips are even.",
                "没有任何长度能通过：这种层总是得到奇数长度，而这种编码器要求偶数长度。",
            )
        bad = next((s for s in network.decoder(N) if not s.fits), None) if network.encoder(N) else None
        padded = next((n for n in fits if n >= N), None)
        if network.follow:
            if bad is not None:
                reach = upweave.output_sizes(UP[network.up].spec, bad.size)
                return both(
                    f"""
                    Not even `output_size` helps: of {bad.size} samples this layer makes
                    {number(reach, "upweave.output_sizes")}, whatever o is, and the skip has {bad.skip}. The layer that
                    fits every length is the transpose of the one that went down: k2 s2 of a 2×2 pool, k3 s2 p1 of a
                    convolution k3 s2 p1.
                    """,
                    f"""
                    连 `output_size` 也无济于事：无论 o 取何值，这种层只能把 {bad.size} 个样本变成
                    {number(reach, "upweave.output_sizes")}，而跳跃连接有 {bad.skip} 个。能适应一切长度的，是往下那一层的转置：
                    2×2 池化对应 k2 s2，卷积 k3 s2 p1 对应 k3 s2 p1。
                    """,
                )
            o = {s.output_padding for n in fits for s in network.decoder(n)}
            border = upweave.uncovered_border(
                upweave.ConvTranspose(
                    UP[network.up].spec.kernel, UP[network.up].spec.stride, UP[network.up].spec.padding, max(o)
                )
            )[0][1]
            return both(
                f"""
                With `output_size`, the decoder takes o from {sorted(o)} by what the skip asks for. The price: with the
                greatest of them, {number(border, "upweave.uncovered_border")} samples at the end of a level have no tap at
                all. Where that is not 0, take a layer with p ≥ 1.
                """,
                f"""
                使用 `output_size` 时，解码器按跳跃连接的要求从 {sorted(o)} 中选取 o。代价是：取其中最大的 o 时，该级末端有
                {number(border, "upweave.uncovered_border")} 个样本没有任何抽头。若它不为 0，请改用 p ≥ 1 的层。
                """,
            )
        found = sizes_of(network.grids(network.some_size(16))).axes[0]
        left = ", ".join(map(str, found.residues))
        en = "multiples of" if found.residues == (0,) else f"lengths that leave {left} when divided by"
        zh = f"{found.period} 的倍数" if found.residues == (0,) else f"除以 {found.period} 余 {left} 的长度"
        source = "upweave.graph.sizes.sizes_of"
        what_en = f"{N} goes through." if bad is None else f"{N} fails where {bad.made} meets {bad.skip}."
        what_zh = f"{N} 能通过。" if bad is None else f"{N} 在 {bad.made} 遇到 {bad.skip} 处失败。"
        return both(
            f"""
            {what_en} From the graph alone, without trying: {en} {number(found.period, source)}, at least
            {number(found.least, source)}. So pad {N} up to {padded} and crop the output back; resizing the skip instead
            would move its samples. `upweave sizes MODEL` says this for a model of yours.
            """,
            f"""
            {what_zh}只看计算图、不必试跑就能得出：{zh}（周期 {number(found.period, source)}），至少
            {number(found.least, source)}。所以应当把 {N} 填充到 {padded}，再把输出裁回来；若改为缩放跳跃连接，样本的位置就变了。
            `upweave sizes MODEL` 会对您自己的模型给出同样的结论。
            """,
        )

    try:
        _said = _say()
    except SpecError:
        _said = both(f"{N} is too short for {network.levels} levels.", f"{N} 太短，不够 {network.levels} 级。")
    _said
    return


@app.cell
def _():
    both(
        "## The layer as code\n\nThe layer of the first figure, with 16 channels in and 8 out.",
        "## 写成代码\n\n第一张图的层，16 个输入通道，8 个输出通道。",
    )
    return


@app.cell
def _():
    snippets = code(upweave.ConvTranspose(3, 2, 1), rank=2)
    snippets
    return (snippets,)


@app.cell
def _(snippets, spec):
    snippets.show(spec, rank=2)
    return


@app.cell
def _():
    practice()
    return


@app.cell
def _():
    exercises.length()
    return


@app.cell
def _():
    exercises.from_()
    return


@app.cell
def _():
    exercises.design()
    return


@app.cell
def _():
    exercises.photo()
    return


@app.cell
def _():
    exercises.port()
    return


@app.cell
def _():
    closing("sizes")
    return


if __name__ == "__main__":
    app.run()
