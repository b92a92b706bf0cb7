"""Lab 8c: the best kernel for photographs, in closed form."""

import marimo

app = marimo.App(
    width="full",
    app_title="Upweave · The best kernel for photographs · 照片超分辨率的最优核",
    css_file="kit/static/page.css",
    html_head_file="kit/static/head.html",
)

with app.setup:
    from fractions import Fraction

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
    from upweave.labs.kit import (
        Choice,
        Panel,
        Picture,
        Switch,
        Text,
        Verdict,
        axes,
        both,
        closing,
        code,
        controls,
        curve,
        exercise,
        figure,
        findings,
        number,
        opening,
        pictures,
        right,
        same,
        show,
        table,
        wrong,
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
    def _reads(answer: list[Fraction]) -> Verdict:
        counts = upweave.coverage(LAYERS["k3"])
        truth = sorted(int(a * b) for a in counts for b in counts)
        if sorted(answer) == truth:
            return right(
                "Of every 2×2 outputs one is a copy, scaled, of a single small pixel.",
                "每 2×2 个输出中，有一个只是某个小图像素乘上一个数。",
            )
        if len(answer) != 4:
            return wrong("Four numbers, one for each pixel of a 2×2 square.", "四个数，2×2 方块的每个像素一个。")
        return wrong(
            f"Together they are the 9 taps of the kernel; yours add up to {show(float(sum(answer)))}. On one axis the two "
            "phases have 1 and 2.",
            f"它们合起来就是核的 9 个抽头；您的和是 {show(float(sum(answer)))}。在一个轴上，两个相位分别有 1 个和 2 个。",
        )

    exercise(
        "reads",
        Text(
            "k3 s2 p1 o1 in the plane: from how many small pixels is each of the four kinds of output made? *(four numbers, any "
            "order)*",
            "二维的 k3 s2 p1 o1：四种输出像素各由几个小图像素得来？*（四个数，顺序不限）*",
        ),
        _reads,
        kind="numbers",
    )
    return


@app.cell
def _(choice):
    assert choice is not None  # needs what the controls need

    def _centre(answer: str) -> Verdict:
        weight = best_weight("k9", "camera")
        found = upweave.alignment(LAYERS["k9"], weight).axes[0]
        paper, centroid = float(found.shift_half_pixel), float(found.centroid_shift_half_pixel or 0)
        truth = "middle" if abs(centroid) < 0.1 else "paper" if abs(centroid - paper) < 0.1 else "other"
        if answer == truth:
            return right(
                f"By structure {show(paper)}, by weight {show(centroid)} pixels.",
                f"按结构是 {show(paper)} 像素，按权重是 {show(centroid)} 像素。",
            )
        return wrong(
            f"Computed: the centroid of the best weight lies {show(centroid)} pixels from the half-pixel grid.",
            f"算一下：最优权重的重心与半像素网格相差 {show(centroid)} 像素。",
        )

    exercise(
        "centre",
        Text(
            "Where does the best weight of FSRCNN's k9 s2 p4 o1 put a small pixel?",
            "FSRCNN 的 k9 s2 p4 o1 的最优权重，把小图像素放在哪里？",
        ),
        _centre,
        kind="choice",
        options={
            "paper": Text("half a pixel off, as k, s and p say", "偏半个像素，与 k、s、p 所说一致"),
            "middle": Text("where it belongs, to a tenth of a pixel", "放在应在之处，误差不到十分之一像素"),
            "other": Text("somewhere else", "别的地方"),
        },
    )
    return


@app.cell
def _(choice):
    assert choice is not None  # needs what the controls need

    def _price(answer: str) -> Verdict:
        truth = photograph("camera")
        small, free = reduced(truth), best_weight("k4", "camera")
        spec = LAYERS["k4"]
        lost = psnr(enlarged(small, spec, free), truth) - psnr(enlarged(small, spec, equal_gains(free, 2)), truth)
        kept = "nothing" if abs(lost) < 0.01 else "some" if lost < 1 else "much"
        if answer == kept:
            return right(
                f"Computed: {show(lost)} dB. A constant stays a constant from the first step on, and quality does not pay for it.",
                f"算得 {show(lost)} dB。从第一步起常数就保持为常数，而质量没有为此付出代价。",
            )
        return wrong(f"Computed on the first photograph: {show(lost)} dB.", f"在第一张照片上算得：{show(lost)} dB。")

    exercise(
        "price",
        Text(
            "Force all phases of the best k4 weight to one gain. What does that cost on the first photograph?",
            "强制最优 k4 权重的各相位增益相等，在第一张照片上要付出多大代价？",
        ),
        _price,
        kind="choice",
        options={
            "nothing": Text("less than 0.01 dB", "不到 0.01 dB"),
            "some": Text("a few tenths of a dB", "零点几 dB"),
            "much": Text("more than 1 dB", "1 dB 以上"),
        },
    )
    return


@app.cell
def _():
    closing("superresolution")
    return


if __name__ == "__main__":
    app.run()
