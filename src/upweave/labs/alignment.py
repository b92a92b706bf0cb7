"""Lab 4: where a layer puts its samples, when a shift is a fault, and what it costs."""

import marimo

app = marimo.App(
    width="full",
    app_title="Upweave · Alignment · 网格对齐",
    css_file="kit/static/page.css",
    html_head_file="kit/static/head.html",
)

with app.setup:
    from fractions import Fraction

    import marimo as mo
    import numpy as np

    import upweave
    from upweave.labs.exercises import alignment as exercises
    from upweave.labs.kit import (
        Choice,
        Numbers,
        Slider,
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
        transposed,
    )
    from upweave.labs.networks import DOWN, UP, Network, grid_of
    from upweave.labs.pictures import SHAPES, overlap, reconstructed
    from upweave.labs.views import alignment as views
    from upweave.theory.alignment import first_pixel_offset
    from upweave.theory.resize import resize_coordinates

    DECODERS = {n: s.label for n, s in UP.items() if n != "k3"}  # k3 s2 p1 alone makes other lengths
    KINDS = {
        "centred": Text("centred: on the half-pixel grid", "居中：在半像素网格上"),
        "phase-0": Text("phase 0: sample 0 on sample 0", "零相位：样本 0 对样本 0"),
        "corner": Text("corner: first on first, last on last", "角点对齐：首对首，尾对尾"),
        "causal": Text("causal: nothing before its input", "因果：不会早于其输入"),
        "other": Text("on neither grid", "不在任何一种网格上"),
    }


@app.cell
def _():
    opening("alignment")
    return


@app.cell
def _():
    both(
        f"""
        ## Where an output sample sits

        Input n comes out as the whole kernel. The centre of that footprint is

        {formula("f(n) = s·n − p + d(k−1)/2")}

        Whether it is *right* depends on what samples mean. If they are areas, pixel n of the input covers outputs s·n to
        s·n + s − 1, and its centre should be s·n + (s−1)/2: the **half-pixel grid**. If they are points, it should be s·n:
        the **point grid**. Above, every input pixel as wide as the outputs it covers; below, the outputs; between them each
        input's footprint with its centre. Dashed lines are the half-pixel ideal. Move p and watch; then move o.
        """,
        f"""
        ## 一个输出样本落在哪里

        输入 n 变成整个核，这个印记的中心是

        {formula("f(n) = s·n − p + d(k−1)/2")}

        它**对不对**，取决于样本的含义。如果样本是面积，输入像素 n 覆盖输出 s·n 到 s·n + s − 1，中心应在 s·n + (s−1)/2，
        这就是**半像素网格**；如果样本是点，中心应在 s·n，这就是**点网格**。下图上方是输入像素，画得与它所覆盖的输出一样宽；
        下方是输出；中间是每个输入的印记及其中心。虚线是半像素网格的理想位置。移动 p 看看，再移动 o。
        """,
    )
    return


@app.cell
def _():
    layer = controls(
        Numbers("w", Text("kernel w", "卷积核 w"), (1, 3, 3, 1), most=7),
        *layer_sliders(4, 2, 1, 0, 1, 4, without="k", most={"H": 6, "d": 2}),
    )
    layer
    return (layer,)


@app.cell
def _():
    rulers = figure()
    return (rulers,)


@app.cell
def _(layer):
    w = np.array(layer.values["w"])
    spec = transposed({**layer.values, "k": len(w)})
    H = int(layer.values["H"])
    problem = refusal(spec, H)
    return H, problem, spec, w


@app.cell
def _(H, problem, rulers, spec):
    rulers.show_unless(problem, lambda: views.rulers(spec, H))
    rulers
    return


@app.cell
def _(H, problem, spec, w):
    mo.stop(problem is not None)

    _axis = upweave.alignment(spec, w.reshape(1, 1, -1)).axes[0]
    _out = upweave.output_size(spec, H)
    _middle = _axis.centre(Fraction(H - 1, 2)) - Fraction(_out - 1, 2)
    _heavy = _axis.centroid_shift_half_pixel
    _source = "upweave.alignment"
    _p = spec.dilation * (spec.kernel - 1) - spec.padding
    _reach = spec.dilation * (spec.kernel - 1) + 1
    _first = first_pixel_offset(_reach, _p, spec.stride)
    both(
        f"""
        | | |
        |---|---|
        | f(n) − s·n, the shift against the point grid | {number(_axis.shift_point, _source)} |
        | shift against the half-pixel grid, in output samples | {number(_axis.shift_half_pixel, _source)} |
        | this layer is | **{KINDS[_axis.kind].en}** |
        | the same shift by weight (centroid of w) | {number(_heavy, _source) if _heavy is not None else "none: the weights sum to 0"} |
        | the middle of the input lands off the middle of the output by | {number(_middle, _source)} |
        | output 0 looks at input place | {number(_first, "upweave.theory.alignment.first_pixel_offset")} |

        p moves every sample by one. o moves none: it only adds samples at the end, so it moves the *middle of the output*
        by half a sample. And weights that lean to one side shift the picture although the footprint is centred: try
        w = 3 1 0 0. The last line is the centre of what output 0 sees, often written (k−1−2p)/4 for s = 2; p is there the
        padding of the convolution behind zero insertion, k − 1 minus the p of this page, which turns the sign.
        """,
        f"""
        | | |
        |---|---|
        | f(n) − s·n，即相对点网格的偏移 | {number(_axis.shift_point, _source)} |
        | 相对半像素网格的偏移，以输出样本计 | {number(_axis.shift_half_pixel, _source)} |
        | 这一层属于 | **{KINDS[_axis.kind].zh}** |
        | 按权重计算的同一偏移（w 的质心） | {number(_heavy, _source) if _heavy is not None else "无：权重之和为 0"} |
        | 输入的中点偏离输出中点 | {number(_middle, _source)} |
        | 输出 0 所看的输入位置 | {number(_first, "upweave.theory.alignment.first_pixel_offset")} |

        p 每加 1，所有样本移动一格。o 不移动任何样本，只在末端添加样本，因此它把**输出的中点**移动半个样本。
        此外，权重若偏向一侧，即使印记居中，图像也会平移：试试 w = 3 1 0 0。最后一行是输出 0 的感受野中心，s = 2 时常写作
        (k−1−2p)/4；那里的 p 是插零之后那个卷积的填充，等于 k − 1 减去本页的 p，所以符号相反。
        """,
    )
    return


@app.cell
def _():
    both(
        """
        ## A shift is no fault by itself

        What is wrong is a *meeting* of grids that disagree. Below, an encoder and a decoder on one axis of 16 samples.
        Each row is one tensor; its dots stand where its samples sit on the input's axis. Open dots are the encoder's,
        filled ones what the decoder makes, drawn beneath the skip that they are concatenated with. A convolution
        k3 s2 p1 puts sample n on input 2n; k3 s2 p1 o1 does the same on the way up, so the two cancel exactly. Behind a
        pool, the same layer is half a sample off at every level.
        """,
        """
        ## 偏移本身并不是错误

        错的是让不一致的网格**相遇**。下面是一个轴上（16 个样本）的编码器与解码器。每行是一个张量，圆点画在其样本在输入轴上的位置。
        空心点属于编码器，实心点是解码器的输出，画在与之拼接的跳跃连接下方。卷积 k3 s2 p1 把样本 n 放在输入 2n 上；
        上采样的 k3 s2 p1 o1 也是如此，两者恰好抵消。但如果前面是池化，同样的层在每一级都差半个样本。
        """,
    )
    return


@app.cell
def _():
    net = controls(
        Choice("down", Text("encoder", "编码器"), {n: s.label for n, s in DOWN.items()}, "pool"),
        Choice("up", Text("decoder", "解码器"), DECODERS, "k3o1"),
        Slider("levels", Text("levels", "级数"), 1, 3, 2),
    )
    net
    return (net,)


@app.cell
def _():
    places = figure()
    return (places,)


@app.cell
def _(net, places):
    _v = net.values
    network = Network(str(_v["down"]), str(_v["up"]), int(_v["levels"]))
    grids = network.grids(16)
    places.show(*views.places(network, grids, 16))
    places
    return grids, network


@app.cell
def _(grids, network):
    def _apart(down, up):
        meetings = Network(down, up, network.levels).grids(16).meetings
        return max((m.displacement for m in meetings), default=Fraction(0))

    def _alone(down, up):
        plain = Network(down, up, network.levels, skips=False)
        return grid_of(plain.grids(16), "up1").origin

    def _rows(lang):
        source = "upweave.graph.infer.infer"
        lines = [
            "| " + " | ".join(["", *(getattr(t, lang) for t in DECODERS.values())]) + " |",
            "|---" * (len(DECODERS) + 1) + "|",
        ]
        for down, step in DOWN.items():
            cells = [getattr(step.label, lang)]
            for up in DECODERS:
                text = number(_apart(down, up), source)
                here = (down, up) == (network.down, network.up)
                cells.append(f"**→ {text}**" if here else text)
            lines.append("| " + " | ".join(cells) + " |")
        return "\n        ".join(lines)

    _total = _alone(network.down, network.up)
    _worst = max((m.displacement for m in grids.meetings), default=Fraction(0))
    both(
        f"""
        How far apart samples of the same index lie where encoder and decoder meet, in samples of that level:

        {_rows("en")}

        Skips hide how shifts add up, because the analysis goes on with the grid of the skip. Without them, the output of
        these {network.levels} levels sits {number(_total, "upweave.graph.infer.infer")} input samples from where it
        should: each shift is multiplied by all the strides behind it. `upweave.audit` reports a meeting as UW202.
        """,
        f"""
        编码器与解码器相遇处，同一编号的样本相距多远（以该级的样本计）：

        {_rows("zh")}

        跳跃连接掩盖了偏移的累积，因为分析在相遇之后沿用跳跃连接的网格。去掉它们，这 {network.levels} 级的输出就偏离应有位置
        {number(_total, "upweave.graph.infer.infer")} 个输入样本：每个偏移都要乘以其后所有的步长。`upweave.audit` 把这样的相遇报告为 UW202。
        """,
    )
    return


@app.cell
def _():
    both(
        """
        ## What it costs

        Take a mask of 64×64 pixels through the network above, without skips and with smooth kernels that keep a constant
        constant: down, up again, cut at one half. Some of what is lost is blur, and an aligned network loses it as well; the
        rest is alignment alone. A trained decoder can learn to shift back, with taps that it then lacks for other things.
        """,
        """
        ## 代价是多少

        让一张 64×64 的掩膜通过上面的网络（去掉跳跃连接，用保持常数不变的平滑核）：下采样，再上采样，然后以 1/2 为阈值。
        损失中有一部分是模糊，对齐的网络也有；其余的都是偏移造成的。训练过的解码器可以学会移回来，但要占用本可另作他用的抽头。
        """,
    )
    return


@app.cell
def _():
    scene = controls(
        Choice("shape", Text("mask", "掩膜"), {n: s.label for n, s in SHAPES.items()}, "cells"),
    )
    scene
    return (scene,)


@app.cell
def _():
    masks = figure()
    return (masks,)


@app.cell
def _(masks, network, scene):
    ALIGNED = {"pool": "k4", "conv3": "k3o1", "conv4": "k4"}

    truth = SHAPES[str(scene.values["shape"])].mask(64)
    aligned = Network(network.down, ALIGNED[network.down], network.levels)
    _ours, _best = (reconstructed(n, truth) for n in (network, aligned))
    masks.show(
        views.mask(truth, _ours, Text("this pair", "当前组合"), "a"),
        views.mask(
            truth,
            _best,
            Text(f"aligned: {UP[aligned.up].label.en}", f"对齐的组合：{UP[aligned.up].label.zh}"),
            "b",
        ),
    )
    masks
    return aligned, truth


@app.cell
def _(aligned, network, truth):
    def _score(down, up, levels):
        return float(overlap(truth, reconstructed(Network(down, up, levels), truth)))

    def _rows():
        source = "upweave.matrix"
        return "\n        ".join(
            f"| {n} | {number(_score(network.down, network.up, n), source)} | {number(_score(network.down, aligned.up, n), source)} |"
            for n in (1, 2, 3)
        )

    both(
        f"""
        Pale blue is found, blue is found where nothing is, orange is missed. A shift shows as blue on one side and orange
        on the other. The overlap (IoU) by the number of levels:

        | levels | this pair | aligned |
        |---|---|---|
        {_rows()}
        """,
        f"""
        浅蓝是找到的，蓝色是误报的，橙色是漏掉的。偏移的特征是一侧蓝、另一侧橙。不同级数下的交并比（IoU）：

        | 级数 | 当前组合 | 对齐的组合 |
        |---|---|---|
        {_rows()}
        """,
    )
    return


@app.cell
def _():
    both(
        """
        ## align_corners, and why it has no phase

        A resize chooses its grid by an argument. *Half-pixel* (`align_corners=False`) is centred. *Asymmetric* (n/s) is
        phase 0. *align_corners=True* matches the first and the last sample, so its step is (H−1)/(sH−1): it depends on the
        **size of the image**, no kernel repeats, and what it does to a 64-pixel crop it does not do to the photograph. The
        curves show where each reads, against half-pixel, in input samples.
        """,
        """
        ## align_corners，以及它为何没有相位

        缩放操作用一个参数来选择网格。**半像素**（`align_corners=False`）是居中的；**asymmetric**（n/s）是零相位；
        **align_corners=True** 让首尾样本对齐，步距为 (H−1)/(sH−1)：它取决于**图像的尺寸**，没有周期性的核，
        对 64 像素的裁块和对整张照片做的并不是同一件事。曲线表示各方式的读取位置与半像素方式之差，以输入样本计。
        """,
    )
    return


@app.cell
def _():
    resizing = controls(
        Slider("H", Text("input length H", "输入长度 H"), 2, 32, 8),
        Slider("s", Text("factor s", "倍数 s"), 2, 4, 2),
    )
    resizing
    return (resizing,)


@app.cell
def _():
    reading = figure()
    return (reading,)


@app.cell
def _(reading, resizing):
    _H, _s = int(resizing.values["H"]), int(resizing.values["s"])
    _half = resize_coordinates(_H, _s * _H)
    offsets = {
        name: [a - b for a, b in zip(resize_coordinates(_H, _s * _H, name), _half, strict=True)]
        for name in ("align_corners", "asymmetric")
    }

    reading.show(*views.offsets(offsets))
    reading
    return (offsets,)


@app.cell
def _(offsets, resizing):
    _s = int(resizing.values["s"])
    _source = "upweave.theory.resize.resize_coordinates"

    def _step(size):
        first, second = resize_coordinates(size, _s * size, "align_corners")[:2]
        return number(float(second - first), _source)

    both(
        f"""
        | | |
        |---|---|
        | align_corners: greatest displacement | {number(float(max(map(abs, offsets["align_corners"]))), _source)} |
        | asymmetric: displacement, everywhere | {number(float(offsets["asymmetric"][0]), _source)} |
        | step of align_corners at H = 8, 64, 512 | {_step(8)}, {_step(64)}, {_step(512)} |
        | step of half-pixel, at any H | {number(1 / _s, _source)} |
        """,
        f"""
        | | |
        |---|---|
        | align_corners：最大偏移 | {number(float(max(map(abs, offsets["align_corners"]))), _source)} |
        | asymmetric：处处相同的偏移 | {number(float(offsets["asymmetric"][0]), _source)} |
        | H = 8、64、512 时 align_corners 的步距 | {_step(8)}、{_step(64)}、{_step(512)} |
        | 半像素方式的步距，与 H 无关 | {number(1 / _s, _source)} |
        """,
    )
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
    snippets = code(upweave.ConvTranspose(4, 2, 1), rank=2)
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
    exercises.shift()
    return


@app.cell
def _():
    exercises.centre()
    return


@app.cell
def _():
    exercises.stack()
    return


@app.cell
def _():
    exercises.meet()
    return


@app.cell
def _():
    exercises.padding()
    return


@app.cell
def _():
    closing("alignment")
    return


if __name__ == "__main__":
    app.run()
