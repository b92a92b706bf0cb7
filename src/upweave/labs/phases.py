"""Lab 6: a kernel is s kernels, interleaved; and a filter that has to remove the images of the spectrum."""

import marimo

app = marimo.App(
    width="full",
    app_title="Upweave · Phases and spectrum · 相位与频谱",
    css_file="kit/static/page.css",
    html_head_file="kit/static/head.html",
)

with app.setup:
    from fractions import Fraction

    import marimo as mo
    import numpy as np

    import upweave
    from upweave.convert import boundary
    from upweave.labs.exercises import phases as exercises
    from upweave.labs.kit import (
        Choice,
        Numbers,
        Preset,
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
        practice,
        refusal,
        show,
    )
    from upweave.labs.views import phases as views
    from upweave.labs.views.kernels import NAMES, Kernel, decibels, kernel, lines
    from upweave.rewrite.weights.pixel_shuffle import transposed_to_shuffle

    TITLES = {
        "nearest": Text("nearest", "最近邻"),
        "linear": Text("linear", "线性"),
        "cubic": Text("cubic", "三次"),
        "sinc": Text("windowed sinc", "加窗 sinc"),
        "equal": Text("equal taps", "等权抽头"),
        "random": Text("random", "随机"),
    }


@app.cell
def _():
    opening("phases")
    return


@app.cell
def _():
    both(
        """
        ## One kernel is s kernels

        Output n = s·q + r meets only every s-th tap. So the layer is **s ordinary filters** of the input, its *phases*,
        whose outputs are woven together: output 0 from phase 0, output 1 from phase 1, and so on. Colours say which phase
        a tap belongs to; padding only changes which phase is called which.
        """,
        """
        ## 一个核就是 s 个核

        输出 n = s·q + r 每隔 s 个抽头才碰到一个。所以这个层是输入的 **s 个普通滤波器**，即它的各个*相位*，它们的输出交错编织在
        一起：输出 0 来自相位 0，输出 1 来自相位 1，依此类推。颜色表示抽头属于哪个相位；填充只改变相位的编号。
        """,
    )
    return


@app.cell
def _():
    def _sets():
        made = {f"{n}{s}": kernel(n, s) for s in (2, 3) for n in NAMES if not (n in ("cubic", "sinc") and s == 3)}
        return {
            key: {"w": [round(float(v), 5) for v in k.weight], "s": k.spec.stride, "p": k.spec.padding}
            for key, k in made.items()
        }

    _presets = _sets()
    layer = controls(
        Preset(
            "preset",
            Text("kernel", "卷积核"),
            {key: Text(f"{TITLES[key[:-1]].en} ×{key[-1]}", f"{TITLES[key[:-1]].zh} ×{key[-1]}") for key in _presets},
            _presets,
            "linear2",
        ),
        Numbers("w", Text("weights w", "权重 w"), _presets["linear2"]["w"], most=12),
        Slider("s", Text("stride s", "步长 s"), 2, 4, 2),
        Slider("p", Text("padding p", "填充 p"), 0, 6, 1),
        Choice(
            "x",
            Text("input x", "输入 x"),
            {
                "step": Text("a step", "阶跃"),
                "constant": Text("a constant", "常数"),
                "impulse": Text("one impulse", "单个脉冲"),
            },
            "step",
        ),
    )
    layer
    return (layer,)


@app.cell
def _(layer):
    v = layer.values
    w = np.array(v["w"], dtype=float)
    H = 6
    spec = upweave.ConvTranspose(len(w), int(v["s"]), int(v["p"]))
    x = {"step": np.array([1.0, 1, 1, 2, 2, 2]), "constant": np.ones(H), "impulse": np.eye(H)[2]}[v["x"]]
    problem = refusal(spec, H)
    if problem is None and not w.any():
        problem = Text("All weights are 0: there is no filter to look at.", "权重全为 0：没有滤波器可看。")
    return H, problem, spec, w, x


@app.cell
def _():
    weaving = figure()
    return (weaving,)


@app.cell
def _(H, problem, spec, w, weaving, x):
    def offset_text(offset):
        return show(offset) if offset < 0 else f"+{offset}" if offset else ""

    weaving.show_unless(problem, lambda: views.weaving(spec, H, w, x))
    weaving
    return


@app.cell
def _(H, problem, spec, w):
    mo.stop(problem is not None)

    _W = w.reshape(1, 1, -1)
    _M = upweave.matrix(spec, H, _W).toarray()
    _bank = upweave.phase_bank(spec, _W)
    _by_phases = float(np.abs(upweave.bank_matrix(_bank, H, boundary(spec)).toarray() - _M).max())
    _shuffle = transposed_to_shuffle(spec, _W)
    _begin, _end = _shuffle.crop[0]
    _S = upweave.matrix(_shuffle.spec, H, _shuffle.weight).toarray()
    _by_shuffle = float(np.abs(_S[_begin : len(_S) - _end] - _M).max())
    _work = Fraction(upweave.multiplies(_shuffle.spec, 1, 1, H), upweave.multiplies(spec, 1, 1, H))
    _taps = _shuffle.spec.kernel[0] if isinstance(_shuffle.spec.kernel, tuple) else _shuffle.spec.kernel
    _weight = [[float(v) for v in line] for line in _shuffle.weight[:, 0]]
    both(
        f"""
        ## The same layer as convolution and pixel shuffle

        A convolution with s output channels, one for each phase, then a shuffle that puts them side by side:

        | | |
        |---|---|
        | weights of the convolution, a row for each phase | {number(_weight, "upweave.rewrite.weights.pixel_shuffle.transposed_to_shuffle")} |
        | its kernel, and the crop (begin, end) behind the shuffle | {number((_taps, (_begin, _end)), "upweave.rewrite.weights.pixel_shuffle.transposed_to_shuffle")} |
        | greatest difference between its matrix and the layer's | {number(_by_shuffle, "upweave.matrix")} |
        | the same, woven from the phase bank | {number(_by_phases, "upweave.bank_matrix")} |
        | multiplications, against the layer's | {number(str(_work), "upweave.multiplies")} |

        The rows are the phases *as a correlation*: in a transposed convolution later taps meet earlier inputs, so they
        stand in reverse. Where s does not divide k, the shorter phases are filled with zeros, and those are multiplied
        too. "Sub-pixel convolution instead of transposed convolution" is therefore no other family of layers: with
        free weights it has the same checkerboards.
        """,
        f"""
        ## 同一个层写成卷积加像素重排

        一个有 s 个输出通道的卷积，每个相位一个通道，然后由像素重排把它们并排摆好：

        | | |
        |---|---|
        | 该卷积的权重，每个相位一行 | {number(_weight, "upweave.rewrite.weights.pixel_shuffle.transposed_to_shuffle")} |
        | 它的核大小，以及重排之后的裁剪（首, 尾） | {number((_taps, (_begin, _end)), "upweave.rewrite.weights.pixel_shuffle.transposed_to_shuffle")} |
        | 它的矩阵与原层矩阵的最大差 | {number(_by_shuffle, "upweave.matrix")} |
        | 由相位组编织而成的矩阵与原层矩阵的最大差 | {number(_by_phases, "upweave.bank_matrix")} |
        | 乘法次数与原层之比 | {number(str(_work), "upweave.multiplies")} |

        每一行是相位写成*互相关*的样子：在转置卷积里，靠后的抽头遇到的是靠前的输入，所以次序相反。如果 s 不整除 k，较短的相位用零补齐，
        而这些零也要参与乘法。因此“用亚像素卷积代替转置卷积”并没有换成另一类层：只要权重自由，棋盘伪影照样出现。
        """,
    )
    return


@app.cell
def _():
    both(
        f"""
        ## Zero insertion makes images

        Upsampling by zero insertion squeezes the spectrum: {formula("X↑(e^jω) = X(e^jsω)")} A tone of frequency ω₀ comes out at
        ω₀/s, and again at |2πm ± ω₀|/s, **as strong as itself**. These are the images. The kernel is the filter that has
        to remove them; the ideal one has gain s up to π/s and nothing beyond (dashed). Move the tone, point at a dot.
        """,
        f"""
        ## 插零产生镜像

        插零上采样会压缩频谱：{formula("X↑(e^jω) = X(e^jsω)")} 频率为 ω₀ 的单音出现在 ω₀/s 处，还会出现在 |2πm ± ω₀|/s 处，而且**和它本身一样强**。
        这些就是频谱镜像。卷积核正是负责滤除它们的滤波器；理想的滤波器在 π/s 以内增益为 s，以外为零（虚线）。移动单音，或指向一个圆点看看。
        """,
    )
    return


@app.cell
def _():
    tone = controls(Slider("f", Text("tone ω₀, in π/16", "单音 ω₀（单位 π/16）"), 0, 15, 10))
    tone
    return (tone,)


@app.cell
def _():
    spectra = figure()
    return (spectra,)


@app.cell
def _(problem, spec, spectra, tone, w):
    spectra.show_unless(problem, lambda: views.spectra(spec, w, Fraction(int(tone.values["f"]), 16)))
    spectra
    return


@app.cell
def _(problem, spec, tone, w):
    mo.stop(problem is not None)

    _s, _W = spec.stride, w.reshape(1, 1, -1)
    _g = upweave.dc_gain(spec, _W).reshape(-1)
    _Hs = np.abs(upweave.frequency_response(spec, _W, n=_s)[0, 0])
    _dft = float(np.abs(np.abs(np.fft.fft(_g)) - _Hs).max())
    _found = lines(Kernel(spec, w), Fraction(int(tone.values["f"]), 16))
    _base = next(q.level for q in _found if q.band == 0)
    _images = [decibels(q.level, _base) if _base else float("nan") for q in _found if q.band]
    both(
        f"""
        ## Three numbers of one kernel

        | | |
        |---|---|
        | gains of the phases, g₀ … g₍ₛ₋₁₎ | {number(_g, "upweave.dc_gain")} |
        | &#124;H&#124; at 2πm/s, m = 0 … s−1 | {number(_Hs, "upweave.frequency_response")} |
        | difference between the second list and the transform of the first | {number(_dft, "upweave.frequency_response")} |
        | share of the gains that differs between phases | {number(upweave.gain_imbalance(spec, _W).deviation, "upweave.gain_imbalance")} |
        | images of the tone above, dB against it | {number(_images, "upweave.labs.views.kernels.lines")} |
        | image rejection, over all frequencies alike | {number(upweave.image_rejection(spec, _W).typical, "upweave.image_rejection")} dB |

        The first two lists say **the same**: the second is the size of the first one's Fourier transform. Equal gains mean
        a zero of H at every 2πm/s, and that is why a constant then makes no checkerboard. It says nothing of any other frequency. A tone is a
        checkerboard's neighbour: its image sits next to 2πm/s, and a zero there is narrow.
        """,
        f"""
        ## 一个核的三个数

        | | |
        |---|---|
        | 各相位的增益 g₀ … g₍ₛ₋₁₎ | {number(_g, "upweave.dc_gain")} |
        | &#124;H&#124; 在 2πm/s 处的值，m = 0 … s−1 | {number(_Hs, "upweave.frequency_response")} |
        | 第二行与第一行的傅里叶变换之差 | {number(_dft, "upweave.frequency_response")} |
        | 增益中各相位不同的部分所占比例 | {number(upweave.gain_imbalance(spec, _W).deviation, "upweave.gain_imbalance")} |
        | 上面单音的镜像，相对单音的 dB 数 | {number(_images, "upweave.labs.views.kernels.lines")} |
        | 镜像抑制，所有频率同等看待 | {number(upweave.image_rejection(spec, _W).typical, "upweave.image_rejection")} dB |

        前两行说的是**同一件事**：第二行是第一行傅里叶变换的模。增益相等意味着 H 在每个 2πm/s 处为零，所以常数输入不会产生棋盘。
        但它对其他频率什么也没说。单音就是棋盘的邻居：它的镜像紧挨着 2πm/s，而那里的零点很窄。
        """,
    )
    return


@app.cell
def _(layer):
    _s = int(layer.values["s"])

    def _table(en):
        rows_ = []
        for name in NAMES:
            k = kernel(name, _s)
            W = k.weight.reshape(1, 1, -1)
            found = lines(k, Fraction(1, 2))
            base = next(q.level for q in found if q.band == 0)
            worst = max(decibels(q.level, base) for q in found if q.band)
            title = TITLES[name].en if en else TITLES[name].zh
            rows_.append(
                f"| {title} | {len(k.weight)} | {number(upweave.gain_imbalance(k.spec, W).deviation, 'upweave.gain_imbalance')} "
                f"| {number(worst, 'upweave.labs.views.kernels.lines')} "
                f"| {number(upweave.image_rejection(k.spec, W).typical, 'upweave.image_rejection')} |"
            )
        head = (
            "| kernel | taps | gains that differ | strongest image of ω₀ = π/2, dB | image rejection, dB |"
            if en
            else "| 卷积核 | 抽头数 | 增益差异 | ω₀ = π/2 最强的镜像（dB） | 镜像抑制（dB） |"
        )
        return "\n".join([head, "|---|---|---|---|---|", *rows_])

    both(
        f"""## The kernels that everybody knows, for s = {_s}

{_table(True)}

Nearest, linear, cubic and sinc all keep a constant; what sets them apart are the images of everything else. Nearest
neighbour, the "artifact-free" resize, leaves more than any of these four: the block edges that one sees. The convolution
behind such a resize is there to filter the rest, and nothing but training tells it to.
""",
        f"""## 人人都知道的几种核，s = {_s}

{_table(False)}

最近邻、线性、三次和 sinc 都能保持常数不变；区别在于其余一切频率的镜像。号称“没有伪影”的最近邻插值，留下的镜像是这四种里最多的：
那就是肉眼看到的方块边缘。插值后面的卷积本应滤掉剩下的部分，但除了训练，没有什么会要求它这么做。
""",
    )
    return


@app.cell
def _():
    both(
        "## The layer as code\n\nThe layer of this page, with 16 channels in and 8 out.",
        "## 写成代码\n\n本页的层，16 个输入通道，8 个输出通道。",
    )
    return


@app.cell
def _():
    snippets = code(upweave.ConvTranspose(4, 2, 1), rank=1)
    snippets
    return (snippets,)


@app.cell
def _(problem, snippets, spec):
    mo.stop(problem is not None)
    snippets.show(spec, rank=1)
    return


@app.cell
def _():
    practice(paper=True)
    return


@app.cell
def _():
    exercises.phase()
    return


@app.cell
def _():
    exercises.flat()
    return


@app.cell
def _():
    exercises.images()
    return


@app.cell
def _():
    exercises.better()
    return


@app.cell
def _():
    exercises.shuffle()
    return


@app.cell
def _():
    closing("phases")
    return


if __name__ == "__main__":
    app.run()
