"""Lab 8f: checkerboards that one can hear."""

import marimo

app = marimo.App(
    width="full",
    app_title="Upweave · Checkerboards that one can hear · 听得见的棋盘伪影",
    css_file="kit/static/page.css",
    html_head_file="kit/static/head.html",
)

with app.setup:
    import marimo as mo
    import numpy as np

    import upweave
    from upweave.labs.applied.data import missing
    from upweave.labs.applied.vocoder import (
        KINDS,
        RATE,
        STRIDE,
        levels,
        measured_whistles,
        rendered,
        spectrogram,
        weight,
        whistles,
    )
    from upweave.labs.exercises import vocoder as exercises
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
        findings,
        number,
        opening,
        pictures,
        show,
        sound,
    )


@app.cell
def _():
    opening("vocoder")
    return


@app.cell
def _():
    both(
        """
        ## Listen to one layer

        A vocoder such as HiFi-GAN makes sound out of features by transposed convolutions; its first has k = 16, s = 8. Here
        is such a layer alone: a tune sampled at 2 kHz goes in, sound at 16 kHz comes out. A constant is added to the tune,
        because the features inside a network have a mean that is not 0, behind a ReLU always.

        Choose a kernel, play it, and listen to the *pauses* too. (Begin softly.)
        """,
        """
        ## 听一听单独一层

        HiFi-GAN 这样的声码器用转置卷积把特征变成声音，它的第一层是 k = 16、s = 8。这里单独取这样一层：输入是以 2 kHz 采样的曲调，输出是
        16 kHz 的声音。曲调上加了一个常数，因为网络内部的特征均值并不为 0，经过 ReLU 之后更是如此。

        请选一个核，播放，也请留意*停顿*处的声音。（先把音量调低。）
        """,
    )
    return


@app.cell
def _():
    lacking = missing("torch")
    mo.stop(lacking is not None, both(lacking.en, lacking.zh) if lacking else None)
    choice = controls(
        Choice("kind", Text("kernel", "核"), {k: v[0] for k, v in KINDS.items()}, "trained"),
        Slider("offset", Text("constant, tenths", "常数（十分之几）"), 0, 10, 5),
    )
    choice
    return (choice,)


@app.cell
def _(choice):
    v = choice.values
    kind, offset = str(v["kind"]), int(v["offset"]) / 10
    spec = KINDS[kind][1]
    heard = rendered(kind, offset)
    return heard, kind, offset, spec


@app.cell
def _(heard, kind):
    _peak = float(np.abs(heard).max())
    _loud = _peak > 0.8
    _quieter = Text("made quieter to fit", "已降低音量以免削波") if _loud else None
    mo.Html(
        sound(KINDS[kind][0], heard * 0.8 / _peak if _loud else heard, RATE, _quieter).text
        + sound(Text("For comparison: windowed sinc", "对照：加窗 sinc"), rendered("sinc", 0.0), RATE).text
    )
    return


@app.cell
def _(heard):
    pictures(
        Picture(
            Text("Spectrogram, 0 to 8 kHz", "语谱图，0 到 8 kHz"),
            spectrogram(heard)[:, :300],
            Text(
                "time to the right, pitch upwards. The tune is in the lowest eighth; all above it is images of the "
                "spectrum, and level lines are whistles.",
                "横轴为时间，纵轴为频率。曲调在最低的八分之一；其上都是频谱镜像，水平的直线就是啸叫。",
            ),
            width=620,
        )
    )
    return


@app.cell
def _():
    drawing = figure()
    return (drawing,)


@app.cell
def _(drawing, heard, spec, kind):
    def _draw():
        box, limits = (44, 12, 290, 180), (0.0, 8.0, -110.0, 0.0)
        ticks = [(float(t), str(t)) for t in (0, 2, 4, 6, 8)]
        mean = Panel(
            Text("Mean spectrum of the sound, dB", "声音的平均频谱，dB"),
            345,
            225,
            note=Text("over kHz; shaded: where the tune is", "横轴 kHz；阴影：曲调所在频段"),
        )
        mean.rect(box[0], box[1], box[2] / 8, box[3], value=0.12, style="shade")
        axes(mean, box, limits, ticks, [(float(t), show(t)) for t in (0, -20, -40, -60, -80, -100)])
        found = levels(heard)
        curve(mean, box, (np.arange(len(found)) * 8 / (len(found) - 1)).tolist(), found.tolist(), limits)
        response = Panel(
            Text("What the kernel lets pass, dB", "核的频率响应，dB"),
            345,
            225,
            note=Text("dots: 2, 4, 6, 8 kHz, where a constant whistles", "圆点：2、4、6、8 kHz，常数在此啸叫"),
        )
        span = (0.0, 8.0, -80.0, 20.0)
        response.rect(box[0], box[1], box[2] / 8, box[3], value=0.12, style="shade")
        axes(response, box, span, ticks, [(float(t), show(t)) for t in (20, 0, -20, -40, -60, -80)])
        n = 512
        h = np.abs(upweave.frequency_response(spec, weight(kind), n=n)[0, 0]) / STRIDE
        h_db = 20 * np.log10(np.maximum(h, 1e-6))
        curve(response, box, [8 * m / (n // 2) for m in range(n // 2 + 1)], h_db[: n // 2 + 1].tolist(), span)
        for m in range(1, 5):
            at = float(min(max(h_db[m * n // STRIDE], -80), 20))
            x, y = box[0] + m / 4 * box[2], box[1] + (20 - at) / 100 * box[3]
            response.circle(
                x,
                y,
                4.5,
                style="second",
                on=[m],
                name=f"h{m}",
                tip=f"{2 * m} kHz: {show(float(h_db[m * n // STRIDE]))} dB",
            )
        drawing.show(mean, response)

    _draw()
    drawing
    return


@app.cell
def _(heard, kind, offset, spec):
    _theory = whistles(kind, offset)
    _measured = measured_whistles(heard)
    _gain = upweave.gain_imbalance(spec, weight(kind)).max
    both(
        f"""
        ## What the numbers say

        | | |
        |---|---|
        | taps of each phase | {number(upweave.coverage(spec), "upweave.coverage")} |
        | strongest phase over weakest | {number(_gain, "upweave.gain_imbalance")} dB |
        | image rejection | {number(upweave.image_rejection(spec, weight(kind)).typical, "upweave.image_rejection")} dB |
        | whistles at 2, 4, 6, 8 kHz, constant · ∣H(2πm/s)∣ / s | {number(_theory, "upweave.frequency_response")} |
        | the same, measured in the first pause | {show(_measured)} |

        Two defects that pictures mix up can be told apart by ear:

        - **Whistles** at rate/s · m are the checkerboard of a constant. They do not depend on what is played, they stand
          in the pauses, and they vanish *exactly* where all phases have one gain. A triangle and even the crudest kernel,
          nearest, have none; the kernel that is "a little off" has one that is plainly heard.
        - **Images** at 2 kHz · m ± f move with the tune, as a metallic, buzzing brightness. Equal gains do not help
          against them (choose nearest); a longer, smoother kernel does.

        So project on equal gains first, which costs nothing, and spend taps on the images afterwards.
        """,
        f"""
        ## 数字说明了什么

        | | |
        |---|---|
        | 每个相位的抽头数 | {number(upweave.coverage(spec), "upweave.coverage")} |
        | 最强相位与最弱相位之比 | {number(_gain, "upweave.gain_imbalance")} dB |
        | 镜像抑制 | {number(upweave.image_rejection(spec, weight(kind)).typical, "upweave.image_rejection")} dB |
        | 2、4、6、8 kHz 的啸叫幅度：常数 · ∣H(2πm/s)∣ / s | {number(_theory, "upweave.frequency_response")} |
        | 在第一个停顿处实测 | {show(_measured)} |

        有两种缺陷，在图像里混在一起，用耳朵却能分开：

        - **啸叫**出现在 采样率/s · m 处，是常数的棋盘。它与演奏的内容无关，停顿时也在；只要各相位增益相等，它就*完全*消失。三角形核没有啸叫，
          连最粗糙的最近邻核也没有；而那个“略有偏差”的核，啸叫清晰可闻。
        - **镜像**出现在 2 kHz · m ± f 处，随曲调移动，听起来是发亮的金属般的嗡嗡声。增益相等对它没有用（请选最近邻），更长、更平滑的核才有用。

        所以应当先投影到等增益（不花代价），再把抽头用来对付镜像。
        """,
    )
    return


@app.cell
def _(kind, spec):
    import torch

    def _model():
        a = spec.per_axis(1)[0]
        up = torch.nn.ConvTranspose1d(1, 1, int(a.kernel), STRIDE, a.begin, bias=False)
        with torch.no_grad():
            up.weight.copy_(torch.tensor(weight(kind)))
        return torch.nn.Sequential(torch.nn.ReLU(), up).eval()

    findings(upweave.audit(_model(), torch.zeros(1, 1, 64)).findings, Text("The audit of this layer", "对这一层的检查"))
    return


@app.cell
def _():
    both("## The layer as code", "## 写成代码")
    return


@app.cell
def _():
    snippets = code(upweave.ConvTranspose(16, 8, 4), rank=1)
    snippets
    return (snippets,)


@app.cell
def _(snippets, spec):
    snippets.show(spec, rank=1, channels=(512, 256))
    return


@app.cell
def _():
    both("## Exercises", "## 练习")
    return


@app.cell
def _():
    exercises.pitch()
    return


@app.cell
def _():
    exercises.images()
    return


@app.cell
def _(choice):
    assert choice is not None  # needs what the controls need
    exercises.silent()
    return


@app.cell
def _():
    closing("vocoder")
    return


if __name__ == "__main__":
    app.run()
