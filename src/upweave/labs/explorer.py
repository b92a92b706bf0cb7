"""The explorer: one layer, or several, seen from every side at once."""

import marimo

app = marimo.App(
    width="full",
    app_title="Upweave · Explorer · 探索器",
    css_file="kit/static/page.css",
    html_head_file="kit/static/head.html",
)

with app.setup:
    from base64 import b64decode

    import marimo as mo
    import numpy as np

    import upweave
    from upweave.errors import UpweaveError
    from upweave.labs.kit import (
        Choice,
        File,
        Preset,
        Slider,
        Switch,
        Text,
        both,
        closing,
        code,
        controls,
        facts,
        figure,
        number,
        opening,
        refusal,
        same,
        show,
        stretch,
        transposed,
    )
    from upweave.labs.views import bank, line, models, plane, stack, study
    from upweave.labs.views.presets import KNOWN


@app.cell
def _():
    opening("explorer")
    return


@app.cell
def _():
    both(
        """
        Choose a layer of a known model or set your own. Point at any cell, tap or bar (tap it on a phone; arrow keys move
        on): whatever takes part in the same products lights up in every picture.
        """,
        """
        选一个知名模型的层，或者自己设定。指向任意单元格、抽头或柱子（手机上轻点，也可用方向键移动）：凡是参与同一次乘法的部分，
        在每幅图中都会亮起来。
        """,
    )
    return


@app.cell
def _():
    layer = controls(
        Preset(
            "preset",
            Text("layer of", "取自"),
            {name: known.title for name, known in KNOWN.items()},
            {name: {**known.numbers, "axes": str(known.axes)} for name, known in KNOWN.items()},
        ),
        Choice("axes", Text("axes", "维数"), {"1": same("1"), "2": same("2")}, "1"),
        Slider("k", Text("kernel k", "核大小 k"), 1, 16, 4),
        Slider("s", Text("stride s", "步长 s"), 1, 8, 2),
        Slider("p", Text("padding p", "填充 p"), 0, 8, 1),
        Slider("o", Text("output padding o", "输出填充 o"), 0, 7, 0, below=("s", "d")),
        Slider("d", Text("dilation d", "膨胀 d"), 1, 3, 1),
        Slider("H", Text("input H", "输入长度 H"), 1, 16, 6),
        Choice("kernel", Text("weights", "权重"), study.KERNELS, "triangle"),
        Choice("signal", Text("signal", "信号"), study.SIGNALS, "ramp"),
        Switch("own", Text("columns differ from rows (2 axes)", "列与行不同（二维）")),
    )
    # A cell that names `layer` runs when a reader moves a slider; one that names its widget may move them itself.
    sliders = layer.widget
    layer
    return layer, sliders


@app.cell
def _():
    columns = controls(
        Slider("kc", Text("columns: k", "列：k"), 1, 16, 3),
        Slider("sc", Text("stride s", "步长 s"), 1, 8, 1),
        Slider("pc", Text("padding p", "填充 p"), 0, 8, 1),
        Slider("oc", Text("output padding o", "输出填充 o"), 0, 7, 0, below=("sc", "dc")),
        Slider("dc", Text("dilation d", "膨胀 d"), 1, 3, 1),
        Slider("Hc", Text("input H", "输入长度 H"), 1, 16, 6),
    )
    column_sliders = columns.widget
    return column_sliders, columns


@app.cell
def _(columns, layer):
    columns if layer.values["own"] and layer.values["axes"] == "2" else mo.Html("")
    return


@app.cell
def _():
    _names = models.examples()
    # Opening a file ends the choice of an example, and the reverse.
    _example = [
        Preset(
            "example",
            Text("or an example", "或示例模型"),
            {n: same(n.partition(":")[2]) for n in _names},
            {n: {"file": {}} for n in _names},
        )
    ] * bool(_names)
    opened = controls(
        File("file", Text("open a model (.onnx, .pt2)", "打开模型（.onnx、.pt2）"), models.SUFFIXES),
        *_example,
    )
    opened
    return (opened,)


@app.cell
def _(opened):
    # Found layers, and what a reader should know of the rest; a message instead where the model cannot be read.
    def _read():
        file, name = opened.values["file"], opened.values.get("example")
        try:
            if file:
                return *models.read_upload(file["name"], b64decode(file["data"])), None
            if name:
                return *models.read_example(name), None
        except (UpweaveError, ImportError) as e:
            return [], [], Text(f"This model cannot be read: {e}", f"无法读取这个模型：{e}")
        return [], [], None

    found, left_out, trouble = _read()
    return found, left_out, trouble


@app.cell
def _(found, left_out, trouble):
    picker = controls(
        Choice(
            "layer",
            Text("layer", "层"),
            {"": Text("choose a layer", "请选择一层"), **{str(j): f.title for j, f in enumerate(found)}},
            "",
        )
    )

    def _notes():
        if trouble is not None:
            return both(trouble.en, trouble.zh)
        if left_out:
            return both(
                "*Not shown:* " + "; ".join(t.en for t in left_out), "*未显示：*" + "；".join(t.zh for t in left_out)
            )
        return mo.Html("")

    _notes()
    return (picker,)


@app.cell
def _(found, picker):
    picker if found else mo.Html("")
    return


@app.cell
def _(column_sliders, found, picker, sliders):
    # The sliders go to the layer that was picked, once; cells that name `weights` run after them.
    weights = None
    if picker.values["layer"]:
        _layer = found[int(picker.values["layer"])]
        _rows, _columns = _layer.numbers[0], _layer.numbers[-1]
        weights = _layer.weights
        sliders.values = {
            **sliders.values,
            **_rows,
            "H": min(sliders.values["H"], 8),
            "axes": str(len(_layer.numbers)),
            "own": _rows != _columns,
            "kernel": "triangle" if weights is None else "model",
            "preset": "",
        }
        column_sliders.values = {**column_sliders.values, **{f"{n}c": v for n, v in _columns.items()}}
    return (weights,)


@app.cell
def _(columns, layer, weights):
    def _study():
        v = layer.values
        if v["axes"] == "1":
            axes = ({n: v[n] for n in "kspodH"},)
        else:
            rows = {n: v[n] for n in "kspodH"}
            axes = (rows, {n: columns.values[f"{n}c"] for n in "kspodH"} if v["own"] else rows)
        for axis in axes:
            spec = upweave.ConvTranspose(*(axis[n] for n in "kspod"))
            if (why := refusal(spec, axis["H"])) is not None:
                return None, why
        return study.study(axes, v["kernel"], v["signal"], weights), None

    seen, problem = _study()
    return problem, seen


@app.cell
def _():
    scrub = controls(
        Choice("view", Text("view", "视图"), line.VIEWS, "scatter"), Slider("step", Text("position", "位置"), 0, 5, 5)
    )
    scrub
    return (scrub,)


@app.cell
def _():
    pictures = figure()
    return (pictures,)


@app.cell
def _(pictures, problem, scrub, seen):
    def _draw():
        views = line if seen.rank == 1 else plane
        view = scrub.values["view"]
        stretch(scrub, "step", views.steps(seen, view) - 1)
        panels = views.layer_panels(seen, view, scrub.values["step"])
        for axis in range(1 if seen.is_square else 2):
            panels += [
                bank.coverage_panel(seen, axis),
                bank.phases_panel(seen, axis),
                bank.grid_panel(seen, axis),
                bank.spectrum_panel(seen, axis),
            ]
        return panels

    # Of cells that can run, the one that stands higher runs first: what a reader watches comes before all below.
    pictures.show_unless(problem, _draw)
    pictures
    return


@app.cell
def _():
    both("## In numbers", "## 数字")
    return


@app.cell
def _(layer, seen, weights):
    mo.stop(seen is None)

    def _numbers():
        spec, w = seen.spec, seen.weight
        counts = upweave.coverage(spec)
        gains = upweave.dc_gain(spec, w)[..., 0, 0]
        rejection = float(upweave.image_rejection(spec, w).typical)
        shift = ", ".join(str(a.shift_half_pixel) for a in upweave.alignment(spec).axes)
        size = seen.out_size if seen.rank == 2 else seen.out_size[0]

        def shown(values):
            if seen.rank == 1:
                return show(values)
            return show(np.reshape(values, -1)) if np.size(values) <= 16 else f"{np.size(values)} …"

        return facts(
            [
                (Text("output size", "输出尺寸"), number(size, "upweave.output_size")),
                (
                    Text("taps an output gets, by residue", "各余数类的覆盖数"),
                    number(shown(counts), "upweave.coverage"),
                ),
                (
                    Text("variance of the coverage", "覆盖数的方差"),
                    number(upweave.coverage_variance(spec), "upweave.coverage_variance"),
                ),
                (Text("shift on the half-pixel grid", "相对半像素网格的偏移"), number(shift, "upweave.alignment")),
                (Text("gain of each phase", "各相位的直流增益"), number(shown(gains), "upweave.dc_gain")),
                (
                    Text("images below the base band by", "镜像低于基带"),
                    number(f"{show(rejection)} dB", "upweave.image_rejection"),
                ),
                (
                    Text("multiplications, one channel", "乘法次数（单通道）"),
                    number(upweave.multiplies(spec, 1, 1, seen.size), "upweave.multiplies"),
                ),
            ],
            None
            if study.kernel_used(layer.values["kernel"], seen.kernel.shape, weights) == layer.values["kernel"]
            else Text(
                "No layer of a model of this shape is open, so the triangle stands in.",
                "没有打开这种形状的模型层，这里用三角形代替。",
            ),
        )

    _numbers()
    return


@app.cell
def _():
    both(
        """
        ## Layers behind each other

        The same layer several times, or a chain from a model, along one axis. Unevenness multiplies, shifts add up, and
        each input sample reaches a whole cone of outputs.
        """,
        """
        ## 多层堆叠

        把同一层重复几次，或取某个模型中的一串层，只看一个轴。不均匀会相乘，偏移会累加，每个输入样本影响输出中的一个锥形区域。
        """,
    )
    return


@app.cell
def _():
    chain = controls(
        Choice(
            "chain",
            Text("stack", "堆叠"),
            {
                "this2": Text("the layer above, twice", "上面的层重复两次"),
                "this3": Text("the layer above, three times", "上面的层重复三次"),
                **{name: title for name, (title, _) in stack.CHAINS.items()},
            },
            "this2",
        ),
        Slider("length", Text("input length", "输入长度"), 1, 8, 4),
    )
    chain
    return (chain,)


@app.cell
def _():
    cone = figure()
    return (cone,)


@app.cell
def _(chain, cone, layer, weights):
    _ = weights  # a layer picked from a model has moved the sliders
    _name = chain.values["chain"]
    _this = transposed(layer.values)
    _layers = stack.CHAINS[_name][1] if _name in stack.CHAINS else (_this,) * int(_name.removeprefix("this"))
    stacked = stack.Stack(_layers, int(chain.values["length"]))
    stack_problem = stack.why_not(stacked)
    if stack_problem is None:
        cone.show_of(stacked, lambda: stack.panels(stacked))
    else:
        cone.refuse(stack_problem)
    cone
    return stack_problem, stacked


@app.cell
def _(stack_problem, stacked):
    mo.stop(stack_problem is not None)
    _counts = upweave.coverage(stacked.bank)
    _alignment = upweave.alignment(stacked.bank).axes[0]
    _least, _most, _period = (
        number(n, "upweave.coverage") for n in (int(_counts.min()), int(_counts.max()), len(_counts))
    )
    facts(
        [
            (
                Text("sizes", "尺寸"),
                " → ".join(number(n, "upweave.output_size") for n in stacked.sizes),
            ),
            (
                Text("ways to an output, least and greatest", "到一个输出的路径数，最少与最多"),
                Text(f"{_least} to {_most}", f"{_least} 至 {_most}"),
            ),
            (Text("period of the pattern", "图样的周期"), Text(f"{_period} outputs", f"{_period} 个输出")),
            (
                Text("shift on the half-pixel grid", "相对半像素网格的偏移"),
                number(_alignment.shift_half_pixel, "upweave.alignment"),
            ),
        ]
    )
    return


@app.cell
def _():
    both("## The layer as code", "## 写成代码")
    return


@app.cell
def _():
    snippets = code(upweave.ConvTranspose(4, 2, 1), rank=1)
    snippets
    return (snippets,)


@app.cell
def _(seen, snippets):
    mo.stop(seen is None)
    snippets.show(seen.spec, rank=seen.rank)
    return


@app.cell
def _():
    closing("explorer")
    return


if __name__ == "__main__":
    app.run()
