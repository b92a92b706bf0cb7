"""Lab 8b: a segmenter's scores, brought back to the picture's grid."""

import marimo

app = marimo.App(
    width="full",
    app_title="Upweave · Scores back to the picture's grid · 把分割得分送回图像网格",
    css_file="kit/static/page.css",
    html_head_file="kit/static/head.html",
)

with app.setup:
    import marimo as mo

    import upweave
    from upweave.labs.applied.data import missing, silhouette
    from upweave.labs.applied.segmentation import errors_picture, layer, pooled, result, shift, skip_model
    from upweave.labs.exercises import segmentation as exercises
    from upweave.labs.kit import (
        ALIGNMENTS,
        Choice,
        Panel,
        Picture,
        Switch,
        Text,
        axes,
        both,
        closing,
        code,
        controls,
        curve,
        figure,
        findings,
        number,
        opening,
        pictures,
        same,
        show,
    )


@app.cell
def _():
    opening("segmentation")
    return


@app.cell
def _():
    both(
        """
        ## What the last layer does

        A segmenter in the manner of FCN decides on a coarse grid, one score for each s×s square, and a transposed
        convolution with k = 2s brings the scores back to the pixels. Its weights usually start, and often stay, bilinear.

        Here the encoder is as good as an encoder of its stride can be: each score *is* the share of the square that the
        horse covers. What goes wrong now goes wrong in the one layer on this page. Set its padding.
        """,
        """
        ## 最后一层做了什么

        FCN 式的分割网络在粗网格上做判断，每个 s×s 方块一个得分，再用一个 k = 2s 的转置卷积把得分送回像素。它的权重通常从双线性核开始，
        并且常常一直保持不变。

        这里的编码器好到了该步长的极限：每个得分*就是*方块中马所占的比例。因此若有差错，就只可能出在本页的这一层。请设定它的填充。
        """,
    )
    return


@app.cell
def _():
    lacking = missing("torch", "skimage")
    mo.stop(lacking is not None, both(lacking.en, lacking.zh) if lacking else None)
    horse = silhouette()
    choice = controls(
        Choice("s", Text("stride s", "步长 s"), {str(s): same(s) for s in (4, 8, 16, 32)}, "16"),
        Choice(
            "p",
            Text("padding p", "填充 p"),
            {"0": same("0"), "1": same("s/4"), "2": same("s/2"), "3": same("3s/4"), "4": same("s")},
            "0",
        ),
        Switch("middle", Text("cut off both ends alike", "两端裁掉同样多")),
    )
    choice
    return choice, horse


@app.cell
def _(choice, horse):
    v = choice.values
    s, middle = int(v["s"]), bool(v["middle"])
    p = int(v["p"]) * s // 4
    full, iou, moved = result(horse, s, p, middle=middle)
    return full, iou, middle, moved, p, s


@app.cell
def _(full, horse, iou, s):
    pictures(
        Picture(Text("Scores on the coarse grid", "粗网格上的得分"), pooled(horse, s), width=250),
        Picture(Text("Brought back", "送回之后"), full, width=250),
        Picture(
            Text("Where result and truth differ", "结果与真值的差别"),
            errors_picture(full, horse),
            Text(
                f"grey: both; blue: missed; orange: wrongly taken. Overlap {show(iou)}",
                f"灰：一致；蓝：漏掉；橙：多出。重叠率 {show(iou)}",
            ),
            width=250,
        ),
    )
    return


@app.cell
def _():
    plot = figure()
    return (plot,)


@app.cell
def _(horse, middle, p, plot, s):
    def _draw():
        box, limits = (46, 12, 280, 170), (-s / 2, s / 2, 0.5, 1.0)
        panel = Panel(
            Text("Overlap against the layer's shift", "重叠率与该层位移的关系"),
            340,
            225,
            note=Text("each dot one padding; orange: yours", "每个点对应一个填充值；橙色为当前设置"),
        )
        ticks = [(t, show(t)) for t in (-s / 2, -s / 4, 0.0, s / 4, s / 2)]
        axes(panel, box, limits, ticks, [(t, show(t)) for t in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)])
        panel.text(box[0] + box[2] / 2, 214, Text("shift in pixels", "位移（像素）"), style="small soft")
        some = sorted({*range(0, s + 1, max(1, s // 8)), p})
        points = sorted((shift(s, q, middle=middle), result(horse, s, q, middle=middle)[1], q) for q in some)
        curve(panel, box, [a for a, _, _ in points], [b for _, b, _ in points], limits)
        for j, (a, b, q) in enumerate(points):
            x = box[0] + (a + s / 2) / s * box[2]
            y = box[1] + (1 - max(0.5, b)) / 0.5 * box[3]
            tip = f"p = {q}: {show(a)}, {show(b)}"
            panel.circle(x, y, 5.5 if q == p else 4, style="second" if q == p else "dot", on=[j], tip=tip, name=f"p{q}")
        plot.show(panel)

    _draw()
    plot
    return


@app.cell
def _(horse, iou, middle, moved, p, s):
    _theory, _kind = shift(s, p, middle=middle), upweave.alignment(layer(s, p)).kind
    _ceiling = {t: result(horse, t, t // 2)[1] for t in (4, 8, 16, 32)}
    both(
        f"""
        ## What the numbers say

        | | |
        |---|---|
        | the layer | k = {2 * s}, s = {s}, p = {p} |
        | its kind of alignment | {number(_kind, "upweave.alignment")} |
        | shift that follows from k, s and p (less what is cut off in front) | {number(_theory, "upweave.alignment")} pixels |
        | how far the horse's centre of mass moved down, measured | {show(moved)} pixels |
        | overlap (intersection over union) | {show(iou)} |
        | the best overlap for strides 4, 8, 16, 32, centred | {", ".join(show(v) for v in _ceiling.values())} |

        The last line is the price of the stride itself, with a perfect encoder and a centred layer. Whatever you lose
        beyond it is geometry: with k = 2s and no padding the result is s pixels too long, and cutting off *the end*, as
        `out[..., :h, :w]` does, leaves everything s/2 pixels down and to the right. Cut both ends, or set p = s/2.

        Nothing breaks, so nobody notices: training moves the encoder's receptive fields a little, the loss falls, and
        thin parts (look at the legs) stay a few per cent worse.
        """,
        f"""
        ## 数字说明了什么

        | | |
        |---|---|
        | 这一层 | k = {2 * s}，s = {s}，p = {p} |
        | 对齐类别 | {ALIGNMENTS[_kind].zh}（{number(_kind, "upweave.alignment")}） |
        | 由 k、s、p 推出的位移（已减去前端裁掉的部分） | {number(_theory, "upweave.alignment")} 像素 |
        | 实测：马的重心向下移动 | {show(moved)} 像素 |
        | 重叠率（交并比） | {show(iou)} |
        | 步长 4、8、16、32 在居中时的最高重叠率 | {", ".join(show(v) for v in _ceiling.values())} |

        最后一行是步长本身的代价：编码器完美、层也居中时仍然如此。超出这部分的损失都是几何问题：k = 2s 且无填充时，结果长出 s 个像素，
        若像 `out[..., :h, :w]` 那样只裁掉*末端*，整个结果就会向右下偏 s/2 个像素。应当两端同时裁，或者取 p = s/2。

        程序不会报错，所以没有人发现：训练会让编码器的感受野稍稍挪动，损失照样下降，而细的部分（看看马腿）始终差几个百分点。
        """,
    )
    return


@app.cell
def _():
    both(
        """
        ## Where two grids meet

        Inside the network a shift is worse: at a skip connection, what came up is *added* to what stayed. Here is a small
        network with one skip, its up layers with p = 0 and the ends cut off, and then with p = 1. The audit follows the
        grids through the model; it needs no data.
        """,
        """
        ## 两个网格相遇之处

        在网络内部，位移更糟：在跳跃连接处，上来的特征要与留下的特征*相加*。下面是一个带一个跳跃连接的小网络：先是上采样层 p = 0 并裁掉
        末端，再是 p = 1。检查程序沿着模型追踪网格，不需要任何数据。
        """,
    )
    return


@app.cell
def _(choice):
    import torch

    assert choice is not None
    _x = torch.zeros(1, 3, 64, 64)
    _before, _after = (upweave.audit(skip_model(q), _x).findings for q in (0, 1))
    mo.Html(
        findings([f for f in _before if f.name != "fragile-size"], Text("p = 0, ends cut off", "p = 0，裁掉末端")).text
        + findings([f for f in _after if f.name != "fragile-size"], Text("p = 1", "p = 1")).text
    )
    return


@app.cell
def _():
    both("## The layer as code", "## 写成代码")
    return


@app.cell
def _():
    snippets = code(layer(16, 8))
    snippets
    return (snippets,)


@app.cell
def _(p, s, snippets):
    snippets.show(layer(s, p), channels=(21, 21))
    return


@app.cell
def _():
    both("## Exercises", "## 练习")
    return


@app.cell
def _():
    exercises.centred()
    return


@app.cell
def _():
    exercises.stacked()
    return


@app.cell
def _():
    exercises.meets()
    return


@app.cell
def _():
    closing("segmentation")
    return


if __name__ == "__main__":
    app.run()
