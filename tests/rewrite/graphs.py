"""Small graphs out of the IR's vocabulary, by hand and at random, with numbers in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from upweave.graph.check import check
from upweave.graph.ir import (
    AdaptivePool,
    Concat,
    Convolution,
    Graph,
    Linear,
    Merge,
    Node,
    Op,
    Pad,
    Permute,
    PixelShuffle,
    Pointwise,
    Reduce,
    Resize,
    Shape,
    TransposedConvolution,
    Weight,
)
from upweave.rewrite.interpret import run
from upweave.spec import Conv, ConvTranspose
from upweave.theory.sizes import output_size


@dataclass
class Net:
    """A graph in the making. Every method returns the name of the value that it adds."""

    shape: Shape
    seed: int = 0
    dtype: str = "float64"
    nodes: list[Node] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.input(self.shape)

    @property
    def x(self) -> str:
        return self.inputs[0]

    def input(self, shape: Shape) -> str:
        self.inputs.append(f"x{len(self.inputs)}")
        self.shapes[self.inputs[-1]] = shape
        return self.inputs[-1]

    def numbers(self, *shape: int) -> Weight:
        array = self.rng.standard_normal(shape).astype(self.dtype)
        return Weight(f"w{len(self.nodes)}", shape, self.dtype, lambda: array)

    def add(self, op: Op, inputs: Any, shape: Shape, weights: dict[str, Weight] | None = None) -> str:
        k = len(self.nodes)
        self.nodes.append(Node(f"n{k}", op, tuple(inputs), (f"v{k}",), f"layer{k}", None, weights or {}))
        self.shapes[f"v{k}"] = shape
        return f"v{k}"

    def rank(self, x: str) -> int:
        return len(self.shapes[x]) - 2

    def conv(
        self, x: str, c_out: int, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
        bias: bool = True, weights: dict[str, Weight] | None = None,
    ) -> str:  # fmt: skip
        r = self.rank(x)
        spec = Conv(many(kernel, r), many(stride, r), many(padding, r), many(dilation, r), groups)
        c_in = self.shapes[x][1]
        if weights is None:
            weights = {"weight": self.numbers(c_out, c_in // groups, *many(kernel, r))}
            weights |= {"bias": self.numbers(c_out)} if bias else {}
        shape = (self.shapes[x][0], c_out, *output_size(spec, self.shapes[x][2:]))
        return self.add(Convolution(spec, c_in, c_out), [x], shape, weights)

    def up(
        self, x: str, c_out: int, kernel: Any, stride: Any = 2, padding: Any = 0, output_padding: Any = 0,
        dilation: Any = 1, groups: int = 1, bias: bool = True,
    ) -> str:  # fmt: skip
        r = self.rank(x)
        spec = ConvTranspose(
            many(kernel, r), many(stride, r), many(padding, r), many(output_padding, r), many(dilation, r), groups
        )
        c_in = self.shapes[x][1]
        weights = {"weight": self.numbers(c_in, c_out // groups, *many(kernel, r))}
        weights |= {"bias": self.numbers(c_out)} if bias else {}
        shape = (self.shapes[x][0], c_out, *output_size(spec, self.shapes[x][2:]))
        return self.add(TransposedConvolution(spec, c_in, c_out), [x], shape, weights)

    def resize(self, x: str, factors: Any = 2, mode: Any = "nearest") -> str:
        r = self.rank(x)
        factors = many(factors, r)
        size = tuple(n * f for n, f in zip(self.shapes[x][2:], factors, strict=True))
        op = Resize(mode, "asymmetric", tuple(range(2, r + 2)), tuple(map(Fraction, factors)), size)
        return self.add(op, [x], (*self.shapes[x][:2], *size))

    def pad(self, x: str, pads: Any, mode: str = "zeros") -> str:
        pairs = ((0, 0), (0, 0), *(((p, p) if isinstance(p, int) else p) for p in many(pads, self.rank(x))))
        shape = tuple(n + b + e for n, (b, e) in zip(self.shapes[x], pairs, strict=True))
        return self.add(Pad(pairs, mode), [x], shape)

    def shuffle(self, x: str, factor: Any = 2, order: Any = "CRD") -> str:
        f = many(factor, self.rank(x))
        n, c, *size = self.shapes[x]
        shape = (n, c // int(np.prod(f)), *(s * k for s, k in zip(size, f, strict=True)))
        return self.add(PixelShuffle(f, order), [x], shape)

    def point(self, x: str, kind: str = "relu") -> str:
        return self.add(Pointwise(kind, kind not in ("identity", "dropout")), [x], self.shapes[x])

    def norm(self, x: str) -> str:
        c = self.shapes[x][1]
        weights = {r: self.numbers(c) for r in ("scale", "bias", "mean")}
        variance = np.abs(self.rng.standard_normal(c)) + 0.5
        weights["variance"] = Weight("variance", (c,), self.dtype, lambda: variance.astype(self.dtype))
        weights["epsilon"] = Weight("epsilon", (), "float64", lambda: np.array(1e-3))
        return self.add(Pointwise("batch_normalization", False), [x], self.shapes[x], weights)

    def prelu(self, x: str, shape: Shape) -> str:
        return self.add(Pointwise("prelu"), [x], self.shapes[x], {"slope": self.numbers(*shape)})

    def over(self, x: str, kind: str, dims: Shape, scale: Shape | None = None) -> str:
        """A normalisation whose statistics run over these dimensions."""
        weights = {} if scale is None else {"scale": self.numbers(*scale)}
        return self.add(Pointwise(kind, True, dims), [x], self.shapes[x], weights)

    def constant(self, x: str, kind: str, shape: Shape, role: str = "right") -> str:
        """Arithmetic with a constant that is not linear, or not by channel."""
        return self.add(Pointwise(kind, True), [x], self.shapes[x], {role: self.numbers(*shape)})

    def reduce(self, x: str, kind: str, dims: Shape) -> str:
        shape = tuple(1 if d in dims else n for d, n in enumerate(self.shapes[x]))
        return self.add(Reduce(dims, True, kind), [x], shape)

    def mean(self, x: str) -> str:
        r = self.rank(x)
        return self.add(AdaptivePool("average", (1,) * r), [x], (*self.shapes[x][:2], *(1,) * r))

    def scale(self, x: str, kind: str = "mul") -> str:
        c = self.shapes[x][1]
        weights = {"operand": self.numbers(1, c, *(1,) * self.rank(x))}
        return self.add(Pointwise(kind, False), [x], self.shapes[x], weights)

    def cat(self, *values: str) -> str:
        n, _, *size = self.shapes[values[0]]
        return self.add(Concat(1), values, (n, sum(self.shapes[v][1] for v in values), *size))

    def sum(self, *values: str, kind: str = "add") -> str:
        return self.add(Merge(kind), values, np.broadcast_shapes(*(self.shapes[v] for v in values)))

    def permute(self, x: str, order: tuple[int, ...]) -> str:
        return self.add(Permute(order), [x], tuple(self.shapes[x][d] for d in order))

    def matrix(self, x: str, out: int) -> str:
        *lead, c = self.shapes[x]
        weights = {"weight": self.numbers(out, c), "bias": self.numbers(out)}
        return self.add(Linear(c, out), [x], (*lead, out), weights)

    def graph(self, *outputs: str) -> Graph:
        return check(Graph(tuple(self.inputs), outputs, tuple(self.nodes), dict(self.shapes), framework="onnx"))


def many(value: Any, rank: int) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,) * rank


def outputs(graph: Graph, seed: int = 0) -> dict[str, np.ndarray]:
    """What a graph computes on random inputs."""
    rng = np.random.default_rng(seed)
    values = {v: rng.standard_normal(graph.shapes[v]) for v in graph.inputs}
    found = run(graph.nodes, values)
    for value, shape in graph.shapes.items():
        assert found[value].shape == shape, (value, found[value].shape, shape)
    return {v: found[v] for v in graph.outputs}


KINDS = ("relu", "sigmoid", "leaky_relu", "instance_normalization", "group_normalization", "identity")


KIND_OF_STEP = (
    *("resize", "resize", "conv", "conv", "up", "block", "point", "norm", "cat", "sum", "shuffle", "skip"),
    *("pad", "prelu", "over", "constant", "centred", "last"),
)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A graph of up to nine nodes over the whole vocabulary; upsamplers and what stands behind them are frequent."""
    rank = draw(st.sampled_from([1, 2, 2, 2]))
    net = Net((1, 4, *(draw(st.integers(2, 5)) for _ in range(rank))), draw(st.integers(0, 99)))
    values = [net.x]
    for _ in range(draw(st.integers(2, 9))):
        recent = values[-1] if draw(st.booleans()) else draw(st.sampled_from(values))
        values.append(_step(draw, net, recent, values))
    ends = draw(st.sets(st.sampled_from(values[1:]), min_size=0, max_size=2)) | {values[-1]}
    return net.graph(*sorted(ends))


def _step(draw: st.DrawFn, net: Net, x: str, values: list[str]) -> str:
    kind = draw(st.sampled_from(KIND_OF_STEP))
    c, *size = net.shapes[x][1:]
    if max(size) > 24 and kind in ("resize", "up", "shuffle", "block", "skip"):
        kind = "conv"
    groups = draw(st.sampled_from([1, 1, 1, 2])) if c % 2 == 0 else 1
    bias = draw(st.booleans())
    if kind == "resize":
        return net.resize(x, tuple(draw(st.sampled_from([1, 2, 2, 3])) for _ in size))
    if kind == "conv":
        kernel = draw(st.sampled_from([1, 1, 2, 3, 3]))
        padding = draw(st.integers(max(0, -(-(kernel - min(size)) // 2)), kernel))
        stride = draw(st.sampled_from([1, 1, 1, 2]))
        mode = draw(st.sampled_from(["zeros", "zeros", "reflect", "replicate", "circular"]))
        if mode != "zeros" and 1 <= padding < min(size):
            x, padding = net.pad(x, padding, mode), 0
        return net.conv(x, draw(st.sampled_from([2, 4, 8])), kernel, stride, padding, groups=groups, bias=bias)
    if kind == "up":
        stride = draw(st.integers(1, 3))
        kernel = draw(st.integers(1, 5))
        room = max(0, (stride * (min(size) - 1) + kernel - 1) // 2)
        padding = draw(st.integers(0, min(2, room)))
        extra = draw(st.integers(0, stride - 1))
        return net.up(x, draw(st.sampled_from([2, 4])), kernel, stride, padding, extra, groups=groups, bias=bias)
    if kind == "block":
        return net.up(x, draw(st.sampled_from([2, 4])), 2, 2, groups=groups, bias=bias)
    if kind == "skip":
        skip = net.input((1, draw(st.integers(1, 3)), *(2 * n for n in size)))
        parts = [net.resize(x), skip] if draw(st.booleans()) else [skip, net.resize(x)]
        return net.conv(net.cat(*parts), 4, draw(st.sampled_from([2, 3])), padding=1, bias=bias)
    if kind == "point":
        return net.point(x, draw(st.sampled_from(KINDS)))
    if kind == "norm":
        return net.norm(x) if draw(st.booleans()) else net.scale(x, draw(st.sampled_from(["mul", "add", "sub"])))
    if kind == "shuffle":
        y = net.conv(x, 2 * 2 ** len(size), 3, padding=1, bias=bias and draw(st.booleans()))
        return net.shuffle(y, 2, draw(st.sampled_from(["CRD", "DCR"])))
    if kind == "pad":
        pads = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in size)
        return net.conv(net.pad(x, pads), 4, draw(st.sampled_from([1, 2, 3])), padding=1, bias=bias)
    if kind in ("prelu", "over", "constant", "centred"):
        return _statistics(draw, net, x, kind)
    if kind == "last":
        return _channels_last(draw, net, x)
    fit = [v for v in values if net.shapes[v][2:] == net.shapes[x][2:] and (kind == "cat" or net.shapes[v][1] == c)]
    other = draw(st.sampled_from(fit))
    return net.cat(other, x) if kind == "cat" else net.sum(other, x)


def _statistics(draw: st.DrawFn, net: Net, x: str, kind: str) -> str:
    """What commutes with a resize or does not by its shapes and dimensions alone; often right behind one."""
    if max(net.shapes[x][2:]) <= 12 and draw(st.booleans()):
        x = net.resize(x)
    c, *size = net.shapes[x][1:]
    rank = len(size)
    flat: Shape = (c, *(1,) * rank)
    shape = draw(st.sampled_from([(1,), flat, (size[-1],), (1, *size)]))
    if kind == "prelu":
        return net.prelu(x, shape)
    if kind == "constant":
        return net.constant(x, draw(st.sampled_from(["min", "max", "mul", "div"])), shape, draw(st.sampled_from(ROLES)))
    dims = draw(st.sampled_from([(1,), tuple(range(2, rank + 2)), tuple(range(1, rank + 2)), (rank + 1,)]))
    if kind == "over":
        which = draw(st.sampled_from(["layer_normalization", "rmsnormalization", "softmax"]))
        return net.over(x, which, dims, draw(st.sampled_from([None, flat])))
    middle = net.mean(x) if draw(st.booleans()) else net.reduce(x, draw(st.sampled_from(["mean", "max", "sum"])), dims)
    gate = net.point(middle, "sigmoid") if draw(st.booleans()) else middle
    return net.sum(x, gate, kind=draw(st.sampled_from(["sub", "mul"])))


def _channels_last(draw: st.DrawFn, net: Net, x: str) -> str:
    """Between two transpositions, of which the first puts some dimension last: what works on the last dimension, or
    does not commute at all; the value between may be read by something else as well."""
    if max(net.shapes[x][2:]) <= 12:
        x = net.resize(x)
    rank = len(net.shapes[x])
    order = draw(
        st.sampled_from([(0, *range(2, rank), 1), (0, *range(2, rank), 1), (0, rank - 1, *range(1, rank - 1))])
    )
    back = tuple(order.index(d) for d in range(rank))
    y = net.permute(x, order)
    c = net.shapes[y][-1]
    for _ in range(draw(st.integers(0, 2))):
        which = draw(
            st.sampled_from(["layer", "rms", "softmax", "matrix", "constant", "scale", "mean", "gelu", "group"])
        )
        if which == "layer":
            y = net.over(y, "layer_normalization", (rank - 1,), (c,))
        elif which in ("rms", "softmax"):
            y = net.over(y, {"rms": "rmsnormalization"}.get(which, which), (draw(st.integers(1, rank - 1)),), None)
        elif which == "matrix":
            y = net.matrix(y, c)
        elif which == "constant":
            y = net.constant(y, draw(st.sampled_from(["mul", "add", "max"])), (c,), "right")
        elif which == "scale":
            y = net.scale(y, "mul")
        elif which == "mean":
            y = net.sum(y, net.reduce(y, "mean", draw(st.sampled_from([(rank - 1,), (1,), (1, 2)]))), kind="sub")
        else:
            y = net.point(y, {"group": "group_normalization"}.get(which, which))
    z = net.permute(y, back)
    return net.sum(z, net.permute(y, back)) if draw(st.booleans()) else z


ROLES = ("left", "right")
