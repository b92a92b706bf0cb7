"""Lab 8d: volumes: a head in 64³ voxels."""

import marimo

app = marimo.App(
    width="full",
    app_title="Upweave · Volumes · 三维体数据",
    css_file="kit/static/page.css",
    html_head_file="kit/static/head.html",
)

with app.setup:
    import marimo as mo
    import numpy as np

    import upweave
    from upweave.labs.applied.data import missing
    from upweave.labs.applied.volume import CHANNELS, KINDS, SIZE, decoded, head, layer
    from upweave.labs.exercises import volume as exercises
    from upweave.labs.kit import (
        Choice,
        Panel,
        Picture,
        Slider,
        Switch,
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
        show,
        table,
    )


@app.cell
def _():
    opening("volume")
    return


@app.cell
def _():
    both(
        """
        ## Tissue that is the same all over

        Of the strided transposed convolutions in public models for volumes, more than half have a kernel that is no
        multiple of the stride. Here is a head of ellipsoids: skull, grey and white matter, fluid, one lesion
        of 10 % contrast. A decoder's features are constant where the tissue is, so inside white matter the next layer
        should give *one* number. It gives eight, one a phase.

        The layer is untrained; every random start is another pattern.
        """,
        """
        ## 处处相同的组织

        公开的体数据模型中，超过一半的跨步转置卷积，其核大小不是步长的整数倍。下面是一个由椭球拼成的头部：颅骨、灰质、白质、脑脊液，以及一处
        对比度为 10 % 的病灶。解码器的特征在同一组织内是常数，所以在白质内部，下一层本该给出*一个*数，它却给出八个，每个相位一个。

        这一层未经训练；换一个随机种子，就换一种花纹。
        """,
    )
    return


@app.cell
def _():
    lacking = missing("torch")
    mo.stop(lacking is not None, both(lacking.en, lacking.zh) if lacking else None)
    choice = controls(
        Choice("kind", Text("layer", "层"), {k: v[0] for k, v in KINDS.items()}, "k3"),
        Switch("thick", Text("thick slices: stride 1×2×2", "厚层扫描：步长 1×2×2")),
        Slider("seed", Text("random start", "随机种子"), 0, 7, 0),
        Slider("z", Text("slice", "切片"), 0, SIZE - 1, 26),
    )
    choice
    return (choice,)


@app.cell
def _(choice):
    v = choice.values
    kind, seed, z = str(v["kind"]), int(v["seed"]), int(v["z"])
    stride = (1, 2, 2) if v["thick"] else (2, 2, 2)
    spec = layer(kind, stride)
    made = decoded(kind, stride, seed)
    return kind, made, seed, spec, stride, z


@app.cell
def _(made, z):
    _grey = np.array([0.0, 0.95, 0.45, 0.7, 0.2, 0.85])[head()[z]]
    pictures(
        Picture(Text("The tissue", "组织"), _grey, width=256),
        Picture(
            Text("What the layer makes of it", "该层的输出"),
            0.5 + 0.22 * made.volume[z],
            Text("grey is 0; white matter has the mean square 1", "灰色为 0；白质的均方值为 1"),
            width=256,
        ),
        Picture(
            Text("Cut from top to bottom", "纵切面"),
            0.5 + 0.22 * made.volume[:, :, 30],
            Text("the pattern stands in all three directions", "花纹沿三个方向都存在"),
            width=256,
        ),
    )
    return


@app.cell
def _():
    drawing = figure()
    return (drawing,)


@app.cell
def _(drawing, made, spec, stride):
    def _draw():
        lines = [np.atleast_1d(upweave.coverage(a)) for a in spec.per_axis(3)]
        counts = np.multiply.outer(np.multiply.outer(lines[0], lines[1]), lines[2])
        panels = []
        side = 62
        for r in range(stride[0]):
            one = Panel(
                Text(f"Taps of a phase, z mod {stride[0]} = {r}", f"相位的抽头数，z mod {stride[0]} = {r}"),
                max(2 * side + 2, 150),
                2 * side + 2,
            )
            table(one, 1, 1, counts[r], side, name=f"c{r},")
            two = Panel(Text("White matter there", "该处的白质"), max(2 * side + 2, 150), 2 * side + 2)
            table(two, 1, 1, made.by_phase[r], side, name=f"m{r},", structure=np.ones((2, 2), dtype=bool))
            panels += [one, two]
        drawing.show(*panels)

    _draw()
    drawing
    return


@app.cell
def _(made, spec, stride):
    _size = tuple(SIZE // s for s in stride)
    _resize = upweave.ResizeConv((3, 3, 3), stride, (1, 1, 1), mode="nearest")
    _cost = upweave.multiplies(spec, CHANNELS, 1, _size)
    _plain = upweave.multiplies(_resize, CHANNELS, 1, _size)
    _lines = [np.atleast_1d(upweave.coverage(a)).tolist() for a in spec.per_axis(3)]
    both(
        f"""
        ## What the numbers say

        | | |
        |---|---|
        | taps of each phase, axis by axis | {number(_lines, "upweave.coverage")} |
        | white matter: standard deviation, where the root mean square is 1 | {show(made.variation)} |
        | contrast of the lesion over that deviation | {show(made.contrast)} |
        | multiplications of this layer | {number(_cost, "upweave.multiplies")} |
        | of nearest ×2 and a 3×3×3 convolution as written | {number(_plain, "upweave.multiplies")} |

        A lesion below a contrast of about 3 to 5 is not seen. With k3 or k4 at random it drowns; with equal gains, or
        with a resize, the white matter is flat to rounding and the contrast is without limit. Texture measures
        (radiomics) read the pattern as texture: it is the same in every patient and moves with the voxel grid.

        The resize costs less than it looks: repeating a voxel and convolving the copies multiplies equal numbers, and
        *folded* into one transposed convolution with k = 4 the same outputs need
        {number(_plain / upweave.multiplies(layer("folded", stride), CHANNELS, 1, _size), "upweave.multiplies")} times fewer
        multiplications. `upweave accelerate` makes that rewrite, and proves it by measurement.
        """,
        f"""
        ## 数字说明了什么

        | | |
        |---|---|
        | 各轴上每个相位的抽头数 | {number(_lines, "upweave.coverage")} |
        | 白质的标准差（均方根为 1） | {show(made.variation)} |
        | 病灶对比度与该标准差之比 | {show(made.contrast)} |
        | 这一层的乘法次数 | {number(_cost, "upweave.multiplies")} |
        | 照原样做最近邻 ×2 加 3×3×3 卷积 | {number(_plain, "upweave.multiplies")} |

        对比度低于 3 到 5 左右的病灶是看不见的。随机的 k3 或 k4 会把它淹没；增益相等，或者先插值再卷积，白质就平到舍入误差为止，对比度没有上限。
        纹理指标（影像组学）会把花纹当成组织纹理：它在每个病人身上都一样，并且跟着体素网格走。

        插值其实没有看上去那么贵：把体素重复之后再卷积，是在反复乘同样的数；*折叠*成一个 k = 4 的转置卷积，得到同样的输出只需
        1/{number(_plain / upweave.multiplies(layer("folded", stride), CHANNELS, 1, _size), "upweave.multiplies")} 的乘法。`upweave accelerate` 会做这个改写，并用实测证明其等价。
        """,
    )
    return


@app.cell
def _(kind, seed, spec, stride):
    import torch

    from upweave.labs.applied.volume import weight as _weight

    def _model():
        a = spec.per_axis(3)
        up = torch.nn.ConvTranspose3d(
            CHANNELS,
            1,
            tuple(int(x.kernel) for x in a),
            stride,
            tuple(x.begin for x in a),
            tuple(int(x.output_padding) for x in a),
            bias=False,
        )
        with torch.no_grad():
            up.weight.copy_(torch.tensor(_weight(kind, stride, seed)))
        return torch.nn.Sequential(torch.nn.ReLU(), up).eval()

    findings(
        upweave.audit(_model(), torch.zeros(1, CHANNELS, *(SIZE // s for s in stride))).findings,
        Text("The audit of this layer", "对这一层的检查"),
    )
    return


@app.cell
def _():
    both("## The layer as code", "## 写成代码")
    return


@app.cell
def _():
    snippets = code(upweave.ConvTranspose(3, 2, 1, 1), rank=3)
    snippets
    return (snippets,)


@app.cell
def _(snippets, spec):
    snippets.show(spec, rank=3)
    return


@app.cell
def _():
    both("## Exercises", "## 练习")
    return


@app.cell
def _():
    exercises.range_()
    return


@app.cell
def _():
    exercises.saved()
    return


@app.cell
def _():
    exercises.thick()
    return


@app.cell
def _():
    closing("volume")
    return


if __name__ == "__main__":
    app.run()
