"""Lab 2: the backward pass of a convolution is a transposed convolution, and the reverse."""

import marimo

app = marimo.App(
    width="full",
    app_title="Upweave · Gradients and duality · 梯度与对偶",
    css_file="kit/static/page.css",
    html_head_file="kit/static/head.html",
)

with app.setup:
    import marimo as mo
    import numpy as np

    import upweave
    from upweave.labs.exercises import duality as exercises
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
    )
    from upweave.labs.views import duality as views
    from upweave.testing import dot_test
    from upweave.theory.adjoint import adjoint


@app.cell
def _():
    opening("duality")
    return


@app.cell
def _():
    both(
        f"""
        ## One set of wires, read three ways

        A convolution and a transposed convolution are both a set of wires: input i, through tap t, to output n. Let a
        loss depend on the outputs, and call **g** its gradient there, g[n] = ∂𝓛/∂y[n]. As far as this layer goes, the
        loss is then the sum over all wires

        {formula("𝓛 = Σ x[i] · w[t] · g[n]")}

        It holds one factor of each kind. Leave out g, and what is left at output n is y[n]: the **forward** pass. Leave
        out x, and what is left at input i is ∂𝓛/∂x[i]: the wires read **backward**. Leave out w, and what is left at tap
        t is ∂𝓛/∂w[t]. There is nothing else to learn about backward; point at any cell to see which wires it sums.
        """,
        f"""
        ## 同一组连线，三种读法

        卷积和转置卷积都是一组连线：从输入 i 出发，经过抽头 t，到达输出 n。设损失依赖于输出，记它在输出处的梯度为 **g**（上游梯度），
        g[n] = ∂𝓛/∂y[n]。就这一层而言，损失就是对所有连线求和：

        {formula("𝓛 = Σ x[i] · w[t] · g[n]")}

        每一项里，三种因子各有一个。去掉 g，输出 n 处剩下的就是 y[n]，即**前向传播**；去掉 x，输入 i 处剩下的就是
        ∂𝓛/∂x[i]，即把连线**反过来读**；去掉 w，抽头 t 处剩下的就是 ∂𝓛/∂w[t]。反向传播的全部内容就是这些。
        指向任意一个单元格，看看它对哪些连线求和。
        """,
    )
    return


@app.cell
def _():
    layer = controls(
        Choice(
            "layer",
            Text("forward layer", "前向的层"),
            {
                "conv": Text("convolution", "卷积"),
                "transposed": Text("transposed convolution", "转置卷积"),
            },
            "conv",
        ),
        Numbers("w", Text("kernel w", "卷积核 w"), (2, -1, 3), most=5),
        Slider("s", Text("stride s", "步长 s"), 1, 3, 2),
        Slider("p", Text("padding p", "填充 p"), 0, 2, 1),
        Slider("H", Text("input length H", "输入长度 H"), 1, 9, 5),
    )
    layer
    return (layer,)


@app.cell
def _():
    wires = figure()
    return (wires,)


@app.cell
def _(layer):
    v = layer.values
    w = np.array(v["w"])
    H = int(v["H"])
    _kind = upweave.Conv if v["layer"] == "conv" else upweave.ConvTranspose
    spec = _kind(len(w), int(v["s"]), int(v["p"]))
    problem = refusal(spec, H)
    return H, problem, spec, w


@app.cell
def _(H, problem, spec, w):
    def _sums():
        _W = w.reshape(1, 1, -1)
        A = upweave.matrix(spec, H, _W)
        x = np.arange(1.0, H + 1)
        g = np.resize([1.0, 2.0, -1.0], A.shape[0])
        return {
            "A": A,
            "x": x,
            "g": g,
            "y": A @ x,
            "gx": A.T @ g,
            "gw": upweave.weight_gradient(spec, x, g),
        }

    sums = None if problem is not None else _sums()
    return (sums,)


@app.cell
def _(H, problem, spec, sums, w, wires):
    wires.show_unless(problem, lambda: views.wires(spec, H, w, sums))
    wires
    return


@app.cell
def _(H, problem, spec, sums, w):
    mo.stop(problem is not None)

    _A, _x, _g = sums["A"], sums["x"], sums["g"]
    _L = float(_g @ sums["y"])
    # the loss is linear in x: a step of any size gives the exact slope, from forward passes alone
    _nudged = np.array([_g @ (_A @ (_x + e)) - _L for e in np.eye(len(_x))])
    _apart = float(np.abs(_nudged - sums["gx"]).max())
    _dot = dot_test(_A, upweave.matrix(spec, H, w.reshape(1, 1, -1)).T)
    _other = adjoint(spec, H) if isinstance(spec, upweave.Conv) else adjoint(spec)
    _back = np.asarray(upweave.matrix(_other, len(_g), w.reshape(1, 1, -1)) @ _g)
    _same = bool(np.array_equal(_back[:H], sums["gx"]) and len(_back) == H)
    _en = "a transposed convolution" if isinstance(spec, upweave.Conv) else "a convolution"
    _zh = "转置卷积" if isinstance(spec, upweave.Conv) else "卷积"
    both(
        f"""
        The gradient at the input is the output of the *other* layer, with the same weights and g as its input:

        | | |
        |---|---|
        | ∂𝓛/∂x | {number(sums["gx"], "upweave.matrix")} |
        | {_en} applied to g | {number(_back, "upweave.theory.adjoint.adjoint")}, {
            "the same" if _same else "another length"
        } |
        | greatest difference to what forward passes say when each x[i] is raised by 1 | {
            number(_apart, "upweave.matrix")
        } |
        | ⟨A·x, y⟩ against ⟨x, Aᵀ·y⟩ on random x and y, relative difference | {
            number(_dot, "upweave.testing.dot_test")
        } |

        And because every wire holds one factor of each kind, three inner products are one number, wherever you move the
        sliders:

        {formula(f"⟨g, y⟩ = {number(_L, 'upweave.matrix')}")}
        {formula(f"⟨x, ∂𝓛/∂x⟩ = {number(float(_x @ sums['gx']), 'upweave.matrix')}")}
        {formula(f"⟨w, ∂𝓛/∂w⟩ = {number(float(w @ sums['gw']), 'upweave.weight_gradient')}")}

        This is a test worth having for any layer you write by hand: it needs no second implementation.
        """,
        f"""
        输入梯度就是**另一种**层的输出：权重相同，以 g 为输入。

        | | |
        |---|---|
        | ∂𝓛/∂x | {number(sums["gx"], "upweave.matrix")} |
        | 对 g 施加{_zh} | {number(_back, "upweave.theory.adjoint.adjoint")}，{"两者相同" if _same else "长度不同"} |
        | 把每个 x[i] 加 1、只做前向传播得到的变化，与上面的最大差 | {number(_apart, "upweave.matrix")} |
        | 随机 x、y 下 ⟨A·x, y⟩ 与 ⟨x, Aᵀ·y⟩ 的相对误差 | {number(_dot, "upweave.testing.dot_test")} |

        由于每根连线里三种因子各有一个，无论怎样移动滑块，下面三个内积始终是同一个数：

        {formula(f"⟨g, y⟩ = {number(_L, 'upweave.matrix')}")}
        {formula(f"⟨x, ∂𝓛/∂x⟩ = {number(float(_x @ sums['gx']), 'upweave.matrix')}")}
        {formula(f"⟨w, ∂𝓛/∂w⟩ = {number(float(w @ sums['gw']), 'upweave.weight_gradient')}")}

        自己手写一个层时，这是很值得做的检验：不需要第二份实现。
        """,
    )
    return


@app.cell
def _():
    both(
        """
        ## Three operators are all there is

        Call them **gather** (the convolution: y from x and w), **stamp** (the transposed convolution: x's side from g and
        w) and **correlate** (the weights' side from x and g). Each pass of each layer is one of the three:

        | | forward | gradient of the input | gradient of the weights |
        |---|---|---|---|
        | convolution | gather | stamp | correlate |
        | transposed convolution | stamp | gather | correlate |

        Double backward asks for nothing new. A gradient penalty, a meta-learning step or a Hessian–vector product needs
        the derivative of ∂𝓛/∂x = stamp(g, w) itself; along a direction v it is one factor of the same sum exchanged:

        | derivative of ⟨v, stamp(g, w)⟩ | with respect to g | with respect to w |
        |---|---|---|
        | | gather(v, w), a forward pass | correlate(v, g), with v in the place of x |

        So whoever has a fast transposed convolution has a fast backward of every strided convolution, and the reverse. In
        PyTorch you can look at it:

        ```python
        import torch
        import torch.nn.functional as F

        x = torch.randn(1, 4, 9, requires_grad=True)
        w = torch.randn(6, 4, 3, requires_grad=True)
        y = F.conv1d(x, w, stride=2, padding=1)
        g = torch.randn_like(y, requires_grad=True)
        (gx,) = torch.autograd.grad(y, x, g, create_graph=True)
        # backward is the other layer, with the same weights
        assert torch.allclose(gx, F.conv_transpose1d(g, w, stride=2, padding=1), atol=1e-5)
        # and its own derivative in g is the forward pass again
        v = torch.randn_like(gx)
        (gg,) = torch.autograd.grad(gx, g, v)
        assert torch.allclose(gg, F.conv1d(v, w, stride=2, padding=1), atol=1e-5)
        ```
        """,
        """
        ## 一共只有三种运算

        不妨称它们为**收集**（卷积：由 x 和 w 得到 y）、**盖章**（转置卷积：由 g 和 w 得到 x 那一侧）和**相关**（由 x 和 g 得到权重那一侧）。
        两种层的每一次传播都是三者之一：

        | | 前向 | 输入梯度 | 权重梯度 |
        |---|---|---|---|
        | 卷积 | 收集 | 盖章 | 相关 |
        | 转置卷积 | 盖章 | 收集 | 相关 |

        二次反向传播也不需要新的运算。梯度惩罚、元学习、Hessian 与向量的乘积，都要对 ∂𝓛/∂x = 盖章(g, w) 本身再求导；
        沿方向 v 求导，只是把同一个和式中的一个因子换掉：

        | ⟨v, 盖章(g, w)⟩ 的导数 | 对 g | 对 w |
        |---|---|---|
        | | 收集(v, w)，即一次前向传播 | 相关(v, g)，v 占据 x 的位置 |

        所以，有了快的转置卷积，就有了所有带步长卷积的快的反向传播，反之亦然。在 PyTorch 里可以亲眼看到：

        ```python
        import torch
        import torch.nn.functional as F

        x = torch.randn(1, 4, 9, requires_grad=True)
        w = torch.randn(6, 4, 3, requires_grad=True)
        y = F.conv1d(x, w, stride=2, padding=1)
        g = torch.randn_like(y, requires_grad=True)
        (gx,) = torch.autograd.grad(y, x, g, create_graph=True)
        # 反向就是另一种层，权重相同
        assert torch.allclose(gx, F.conv_transpose1d(g, w, stride=2, padding=1), atol=1e-5)
        # 它对 g 的导数又是前向传播
        v = torch.randn_like(gx)
        (gg,) = torch.autograd.grad(gx, g, v)
        assert torch.allclose(gg, F.conv1d(v, w, stride=2, padding=1), atol=1e-5)
        ```
        """,
    )
    return


@app.cell
def _():
    both(
        f"""
        ## A kernel's phases never meet

        For a transposed convolution the weights' gradient is

        {formula("∂𝓛/∂w[t] = Σ x[i] · g[s·i + t − p]")}

        Tap t looks at every s-th sample of g only, those of the phase (t − p) mod s. Taps of different phases have no
        gradient sample in common: the layer is s separate filters that share an input. Nothing but the data makes them
        agree, and that is where checkerboards come from. Point at a tap.
        """,
        f"""
        ## 一个核的各个相位互不相干

        转置卷积的权重梯度是

        {formula("∂𝓛/∂w[t] = Σ x[i] · g[s·i + t − p]")}

        抽头 t 只看 g 中每隔 s 个的样本，即相位为 (t − p) mod s 的那些。不同相位的抽头没有任何共同的梯度样本：
        这一层其实是共用一个输入的 s 个独立滤波器。只有数据能让它们一致，棋盘伪影正由此而来。请指向一个抽头。
        """,
    )
    return


@app.cell
def _():
    learner = controls(
        Slider("k", Text("kernel k", "核大小 k"), 1, 7, 4),
        Slider("s", Text("stride s", "步长 s"), 1, 4, 2),
        Slider("p", Text("padding p", "填充 p"), 0, 3, 1),
        Slider("H", Text("input length H", "输入长度 H"), 1, 8, 5),
    )
    learner
    return (learner,)


@app.cell
def _():
    learning = figure()
    return (learning,)


@app.cell
def _(learner, learning):
    _v = learner.values
    _up = upweave.ConvTranspose(int(_v["k"]), int(_v["s"]), int(_v["p"]))
    _why = refusal(_up, int(_v["H"]))
    learning.show_unless(_why, lambda: views.learning(_up, int(_v["H"])))
    learning
    return


@app.cell
def _():
    both(
        """
        ## Gradients make checkerboards, too

        A strided convolution with k = 3, s = 2 has a clean forward pass: every output is computed alike. Its backward pass
        is the transposed convolution of the same numbers, and that one is uneven. The map shows, for every pixel of a
        feature map that such a layer takes, through how many taps its gradient comes back. Saliency maps, adversarial
        examples, guided generation and losses on features all look through it. Where it is 0, the pixel is never read: it
        changes nothing and learns nothing.
        """,
        """
        ## 梯度也会产生棋盘

        k = 3、s = 2 的带步长卷积，前向传播很干净：每个输出的算法都一样。它的反向传播是同样参数的转置卷积，而后者并不均匀。
        下图给出这种层所接收的特征图的每个像素，其梯度经由多少个抽头回传。显著图、对抗样本、引导式生成、特征上的损失，都要透过它来看。
        值为 0 的像素从来没有被读取：它什么也改变不了，也得不到任何梯度。
        """,
    )
    return


@app.cell
def _():
    reading = controls(
        Preset(
            "from",
            Text("as in", "取自"),
            {
                "vgg": Text("encoder, k3 s2", "编码器 k3 s2"),
                "stem": Text("ResNet stem, k7 s2", "ResNet 首层 k7 s2"),
                "shortcut": Text("ResNet shortcut, k1 s2", "ResNet 捷径 k1 s2"),
                "gan": Text("DCGAN critic, k4 s2", "DCGAN 判别器 k4 s2"),
                "patch": Text("ViT patches, k4 s4", "ViT 图块 k4 s4"),
            },
            {
                "vgg": {"k": 3, "s": 2, "p": 1},
                "stem": {"k": 7, "s": 2, "p": 3},
                "shortcut": {"k": 1, "s": 2, "p": 0},
                "gan": {"k": 4, "s": 2, "p": 1},
                "patch": {"k": 4, "s": 4, "p": 0},
            },
            "vgg",
        ),
        Slider("k", Text("kernel k", "核大小 k"), 1, 7, 3),
        Slider("s", Text("stride s", "步长 s"), 1, 4, 2),
        Slider("p", Text("padding p", "填充 p"), 0, 3, 1),
    )
    reading
    return (reading,)


@app.cell
def _():
    returned = figure()
    return (returned,)


@app.cell
def _(reading, returned):
    _v = reading.values
    strided = upweave.Conv(int(_v["k"]), int(_v["s"]), int(_v["p"]))
    returning = adjoint(strided, 12)
    returned.show(*views.returned(returning, strided, 12))
    returned
    return returning, strided


@app.cell
def _(returning, strided):
    _counts = upweave.coverage(returning)
    _two = np.multiply.outer(_counts, _counts)
    _fans = upweave.fans(strided, 16, 16), upweave.fans(returning, 16, 16)
    both(
        f"""
        | | |
        |---|---|
        | taps along one axis, by position mod s | {number(_counts, "upweave.coverage")} |
        | taps in two dimensions, least and most | {number((int(_two.min()), int(_two.max())), "upweave.coverage")} |
        | share of the pixels that get any gradient | {number(float((_two > 0).mean()), "upweave.coverage")} |
        | weights into an output (fan-in), 16 channels, 1-D: convolution, its transpose | {number(_fans[0][0], "upweave.fans")}, {number(_fans[1][0], "upweave.fans")} |
        | weights out of an input (fan-out): convolution, its transpose | {number(_fans[0][1], "upweave.fans")}, {number(_fans[1][1], "upweave.fans")} |

        The two last lines are why an initialiser made for convolutions does not fit a transposed one: fan-in and
        fan-out change places. `upweave.audit` reports uneven gradients as UW105.
        """,
        f"""
        | | |
        |---|---|
        | 单轴上的抽头数，按位置 mod s | {number(_counts, "upweave.coverage")} |
        | 二维情形的抽头数：最少与最多 | {number((int(_two.min()), int(_two.max())), "upweave.coverage")} |
        | 能得到梯度的像素所占比例 | {number(float((_two > 0).mean()), "upweave.coverage")} |
        | 流入一个输出的权重数（扇入），16 通道、一维：卷积及其转置 | {number(_fans[0][0], "upweave.fans")}、{number(_fans[1][0], "upweave.fans")} |
        | 流出一个输入的权重数（扇出）：卷积及其转置 | {number(_fans[0][1], "upweave.fans")}、{number(_fans[1][1], "upweave.fans")} |

        最后两行说明了为什么为卷积设计的初始化不适用于转置卷积：扇入与扇出互换了位置。`upweave.audit` 把不均匀的梯度报告为 UW105。
        """,
    )
    return


@app.cell
def _():
    both(
        """
        ## The layer as code

        The transposed convolution among the two at the top of this page: the layer itself, or the backward pass of it.
        16 channels in, 8 out.
        """,
        """
        ## 写成代码

        本页顶部那一对层中的转置卷积：要么是该层本身，要么是它的反向传播。16 个输入通道，8 个输出通道。
        """,
    )
    return


@app.cell
def _():
    snippets = code(upweave.ConvTranspose(3, 2, 1), rank=1)
    snippets
    return (snippets,)


@app.cell
def _(H, problem, snippets, spec):
    mo.stop(problem is not None)
    snippets.show(adjoint(spec, H) if isinstance(spec, upweave.Conv) else spec, rank=1)
    return


@app.cell
def _():
    practice()
    return


@app.cell
def _():
    exercises.gradient()
    return


@app.cell
def _():
    exercises.sees()
    return


@app.cell
def _():
    exercises.shortcut()
    return


@app.cell
def _():
    exercises.double()
    return


@app.cell
def _():
    closing("duality")
    return


if __name__ == "__main__":
    app.run()
