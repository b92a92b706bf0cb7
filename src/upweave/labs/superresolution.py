"""Lab 8c: the best kernel for photographs, in closed form."""

import marimo

app = marimo.App(
    width="full",
    app_title="Upweave · The best kernel for photographs · 照片超分辨率的最优核",
    css_file="kit/static/page.css",
    html_head_file="kit/static/head.html",
)

with app.setup:
    import marimo as mo
    import numpy as np

    import upweave
    from upweave.labs.applied.data import PHOTOGRAPHS, missing, photograph
    from upweave.labs.applied.gains import equal_gains
    from upweave.labs.applied.superresolution import (
        FIXED,
        LAYERS,
        bank_of,
        best_weight,
        enlarged,
        psnr,
        reduced,
        resized,
    )
    from upweave.labs.exercises import superresolution as exercises
    from upweave.labs.kit import (
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
        table,
    )

    def title(spec):
        """The layer's numbers."""
        a = spec.per_axis(1)[0]
        more = f" o{a.output_padding}" if a.output_padding else ""
        return f"k{a.kernel} s2 p{a.begin}{more}"


@app.cell
def _():
    opening("superresolution")
    return


@app.cell
def _():
    both(
        """
        ## A layer without training

        The last layer of a super-resolution network such as FSRCNN is one transposed convolution. Take it alone. The small
        picture is the large one averaged over 2×2 squares, and the output is *linear in the weight*: so the weight with
        the least squared error solves k² linear equations. No training, no learning rate, no luck. It is found on four
        photographs and shown on the fifth.
        """,
        """
        ## 不用训练的一层

        FSRCNN 这类超分辨率网络的最后一层就是一个转置卷积。我们单独看它。小图是大图在 2×2 方块上的平均，而输出对*权重是线性的*：所以平方误差
        最小的权重就是 k² 个线性方程的解。不用训练，没有学习率，也不靠运气。它由四张照片求出，在第五张上展示。
        """,
    )
    return


@app.cell
def _():
    lacking = missing("torch", "skimage")
    mo.stop(lacking is not None, both(lacking.en, lacking.zh) if lacking else None)
    choice = controls(
        Choice("photo", Text("photograph", "照片"), PHOTOGRAPHS, "camera"),
        Choice("layer", Text("layer", "层"), {k: same(title(v)) for k, v in LAYERS.items()}, "k3"),
        Switch("equal", Text("equal gains of all phases", "各相位增益相等")),
    )
    choice
    return (choice,)


@app.cell
def _(choice):
    v = choice.values
    photo, name = str(v["photo"]), str(v["layer"])
    spec = LAYERS[name]
    truth = photograph(photo)
    small = reduced(truth)
    free = best_weight(name, photo)
    weight = equal_gains(free, 2) if v["equal"] else free
    large = enlarged(small, spec, weight)
    return free, large, name, photo, small, spec, truth, weight


@app.cell
def _(large, small, truth):
    _part = (slice(12, 92), slice(40, 120))
    _half = (slice(6, 46), slice(20, 60))
    _off = large - truth
    pictures(
        Picture(Text("Small", "小图"), small[_half], width=225),
        Picture(Text("Enlarged by the layer", "由该层放大"), large[_part], width=225),
        Picture(Text("Truth", "真值"), truth[_part], width=225),
        Picture(
            Text("Error", "误差"),
            0.5 + 2.5 * _off[_part],
            Text("grey is none; five times stronger than it is", "灰色为零；放大五倍显示"),
            width=225,
        ),
    )
    return


@app.cell
def _():
    drawing = figure()
    return (drawing,)


@app.cell
def _(drawing, name, photo, small, spec, truth, weight):
    def _draw():
        k = weight.shape[-1]
        side = 34 if k < 7 else 28
        kernel = Panel(
            Text(f"The best weight, {title(spec)}", f"最优权重，{title(spec)}"),
            side * k + 2,
            side * k + 2,
            note=Text("blue above 0, orange below", "蓝为正，橙为负"),
        )
        values = np.round(weight[0, 0], 2)
        table(kernel, 1, 1, values, side, name="w", structure=np.ones(values.shape, dtype=bool))
        box, limits = (40, 12, 280, 180), (0.5, 7.5, 0.0, 1.0)
        found = {key: psnr(enlarged(small, s, best_weight(key, photo)), truth) for key, s in LAYERS.items()}
        fixed = {m: psnr(resized(small, m), truth) for m in FIXED}
        low, high = np.floor(min(found.values()) - 0.3), np.ceil(max(found.values()) + 0.2)
        limits = (0.5, 7.5, float(low), float(high))
        plot = Panel(
            Text("PSNR in dB against the kernel", "PSNR（dB）与核大小"),
            340,
            225,
            note=Text(
                "dots: best weights; orange: yours; dashed: fixed resizes",
                "点：最优权重；橙：当前；虚线：固定插值",
            ),
        )
        step = max(1.0, np.ceil((high - low) / 5))
        axes(
            plot,
            box,
            limits,
            [(1.0 + j, key[1:]) for j, key in enumerate(LAYERS)],
            [(float(t), show(float(t))) for t in np.arange(low, high + 0.1, step)],
        )
        names = {
            "nearest": Text("nearest", "最近邻"),
            "linear": Text("bilinear", "双线性"),
            "cubic": Text("bicubic", "双三次"),
        }
        for m, value in fixed.items():
            y = box[1] + (high - value) / (high - low) * box[3]
            plot.line(box[0], y, box[0] + box[2], y, style="dashed")
            place, anchor = (box[0] + box[2], "end") if m == "nearest" else (box[0] + 4, "start")
            plot.text(place, y - 7, names[m], anchor=anchor, style="small soft")
        xs = [1.0 + j for j in range(len(found))]
        curve(plot, box, xs, list(found.values()), limits)
        for j, (key, value) in enumerate(found.items()):
            x = box[0] + (xs[j] - 0.5) / 7 * box[2]
            y = box[1] + (high - value) / (high - low) * box[3]
            style = "second" if key == name else "dot"
            plot.circle(
                x,
                y,
                5 if key == name else 4,
                style=style,
                on=[j],
                tip=f"{title(LAYERS[key])}: {value:.2f} dB",
                name=key,
            )
        drawing.show(kernel, plot)

    _draw()
    drawing
    return


@app.cell
def _(free, large, small, spec, truth, weight):
    _axis = upweave.alignment(spec, weight).axes[0]
    _gain = upweave.gain_imbalance(spec, free)
    _score = upweave.artifacts.score(large, 2)
    both(
        f"""
        ## What the numbers say

        | | |
        |---|---|
        | PSNR of this layer | {show(psnr(large, truth))} dB |
        | bilinear, bicubic | {show(psnr(resized(small, "linear"), truth))}, {show(psnr(resized(small, "cubic"), truth))} dB |
        | strongest phase over weakest, best weight | {number(_gain.max, "upweave.gain_imbalance")} dB |
        | share of the output's variance that is a checkerboard | {number(max(0.0, float(_score.imbalance)), "upweave.artifacts.score")} |
        | shift that k, s and p say | {number(float(_axis.shift_half_pixel), "upweave.alignment")} pixels |
        | shift of the weight's centroid | {number(_axis.centroid_shift_half_pixel, "upweave.alignment")} pixels |
        | image rejection of this weight, and of bilinear | {number(upweave.image_rejection(spec, weight).typical, "upweave.image_rejection")} and {number(upweave.image_rejection(bank_of("linear")).typical, "upweave.image_rejection")} dB |

        Three things that one does not expect:

        - **Uneven coverage makes no checkerboard here.** k3 and k5 are no multiples of 2, and yet the best weights have
          gains within hundredths of a dB. What unevenness costs is *quality*: with k3 a quarter of the pixels is made
          from one small pixel.
        - **FSRCNN's k9 s2 p4 o1 is half a pixel off on paper, not in the weights.** Least squares moves the centroid
          back; the outermost row and column serve only for that. k3 has no room to do so, and stays off.
        - **From k = 6 on the best kernels reject images worse than bilinear**, and are better by a decibel or more:
          photographs have little power where the images of a white signal would come from, and sharpness there pays.
        """,
        f"""
        ## 数字说明了什么

        | | |
        |---|---|
        | 这一层的 PSNR | {show(psnr(large, truth))} dB |
        | 双线性、双三次 | {show(psnr(resized(small, "linear"), truth))}、{show(psnr(resized(small, "cubic"), truth))} dB |
        | 最优权重：最强相位与最弱相位之比 | {number(_gain.max, "upweave.gain_imbalance")} dB |
        | 输出方差中棋盘所占的比例 | {number(max(0.0, float(_score.imbalance)), "upweave.artifacts.score")} |
        | 由 k、s、p 得出的位移 | {number(float(_axis.shift_half_pixel), "upweave.alignment")} 像素 |
        | 权重重心的位移 | {number(_axis.centroid_shift_half_pixel, "upweave.alignment")} 像素 |
        | 镜像抑制：该权重与双线性 | {number(upweave.image_rejection(spec, weight).typical, "upweave.image_rejection")} 与 {number(upweave.image_rejection(bank_of("linear")).typical, "upweave.image_rejection")} dB |

        有三点出人意料：

        - **覆盖不均匀在这里并不产生棋盘。** k3、k5 不是 2 的倍数，最优权重各相位的增益却只差百分之几 dB。不均匀的代价是*质量*：用 k3 时，
          四分之一的像素只由一个小图像素得来。
        - **FSRCNN 的 k9 s2 p4 o1 在纸面上偏了半个像素，权重却没有偏。** 最小二乘把重心移了回来，最外面的一行一列只为此服务。k3 没有这个余地，
          所以仍然偏着。
        - **k = 6 起，最优核的镜像抑制不如双线性**，PSNR 却高出一个分贝以上：照片在会产生镜像的频段能量很小，保留锐度更划算。
        """,
    )
    return


@app.cell
def _(spec):
    import torch

    def _model():
        a = spec.per_axis(1)[0]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return torch.nn.Sequential(
                torch.nn.Conv2d(1, 12, 5, padding=2),
                torch.nn.PReLU(),
                torch.nn.ConvTranspose2d(12, 1, int(a.kernel), 2, a.begin, int(a.output_padding)),
            ).eval()

    findings(
        upweave.audit(_model(), torch.zeros(1, 1, 32, 32)).findings,
        Text("The audit of a small network with this layer, untrained", "对含有这一层的小网络（未训练）的检查"),
    )
    return


@app.cell
def _():
    both("## The layer as code", "## 写成代码")
    return


@app.cell
def _():
    snippets = code(LAYERS["k9"])
    snippets
    return (snippets,)


@app.cell
def _(snippets, spec):
    snippets.show(spec, channels=(56, 1))
    return


@app.cell
def _():
    both("## Exercises", "## 练习")
    return


@app.cell
def _():
    exercises.reads()
    return


@app.cell
def _(choice):
    assert choice is not None  # needs what the controls need
    exercises.centre()
    return


@app.cell
def _(choice):
    assert choice is not None  # needs what the controls need
    exercises.price()
    return


@app.cell
def _():
    closing("superresolution")
    return


if __name__ == "__main__":
    app.run()
