"""A few lines that make a `Graph` by hand: each method adds one node and returns the name of its output."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

import numpy as np

from upweave.audit import Config, Report, audit_graph
from upweave.audit.finding import Finding
from upweave.graph import ir
from upweave.spec import Conv, ConvTranspose


def weight(name: str, numbers: Any = None, shape: tuple[int, ...] | None = None) -> ir.Weight:
    """A parameter with numbers, or with a shape alone."""
    if numbers is not None:
        numbers = np.asarray(numbers, dtype=np.float32)
        shape = numbers.shape
    assert shape is not None
    return ir.Weight(name, shape, "float32", lambda: numbers)


def tuples(rank: int, **fields: Any) -> dict[str, Any]:
    """Every field as a tuple with one entry an axis, as front ends write specs."""
    return {k: v if isinstance(v, tuple) else (v,) * rank for k, v in fields.items()}


class Net:
    """A graph under construction; `x` is its input."""

    def __init__(self, *shape: int, target: str = "test", framework: str = "torch") -> None:
        self.shapes: dict[str, tuple[int, ...]] = {"x": shape}
        self.nodes: list[ir.Node] = []
        self.target, self.framework = target, framework
        self.rank = len(shape) - 2

    def add(self, op: ir.Op, inputs: tuple[str, ...], shape: tuple[int, ...], path: str = "", **weights: Any) -> str:
        name = f"n{len(self.nodes)}"
        value = f"v{len(self.nodes)}"
        have = {
            r: w if isinstance(w, ir.Weight) else weight(f"{path}.{r}", w) for r, w in weights.items() if w is not None
        }
        self.nodes.append(ir.Node(name, op, inputs, (value,), path or name, "model.py:1", have))
        self.shapes[value] = tuple(int(n) for n in shape)
        return value

    def conv(
        self, x: str, c: int, k: Any = 3, s: Any = 1, p: Any = 0, d: Any = 1, g: int = 1, path: str = "", **w: Any
    ) -> str:
        n, ci, *size = self.shapes[x]
        spec = Conv(**tuples(len(size), kernel=k, stride=s, padding=p, dilation=d), groups=g)
        out = [
            (h + a.begin + a.end - a.dilation * (a.kernel - 1) - 1) // a.stride + 1
            for h, a in zip(size, spec.per_axis(), strict=True)
        ]
        w.setdefault("weight", weight("weight", shape=(c, ci // g, *(a.kernel for a in spec.per_axis()))))
        return self.add(ir.Convolution(spec, ci, c), (x,), (n, c, *out), path, **w)

    def up(
        self,
        x: str,
        c: int,
        k: Any = 4,
        s: Any = 2,
        p: Any = 0,
        o: Any = 0,
        d: Any = 1,
        g: int = 1,
        path: str = "",
        **w: Any,
    ) -> str:
        implicit = w.pop("implicit", {})
        n, ci, *size = self.shapes[x]
        spec = ConvTranspose(**tuples(len(size), kernel=k, stride=s, padding=p, output_padding=o, dilation=d), groups=g)
        out = [
            a.stride * (h - 1) - a.begin - a.end + a.dilation * (a.kernel - 1) + 1 + a.output_padding
            for h, a in zip(size, spec.per_axis(), strict=True)
        ]
        w.setdefault("weight", weight("weight", shape=(ci, c // g, *(a.kernel for a in spec.per_axis()))))
        return self.add(ir.TransposedConvolution(spec, ci, c, implicit), (x,), (n, c, *out), path, **w)

    def resize(self, x: str, scale: Any = 2, mode: Any = "nearest", path: str = "", **kw: Any) -> str:
        n, c, *size = self.shapes[x]
        scales = tuple(Fraction(scale) for _ in size)
        out = kw.pop("out_size", None) or tuple(floor(h * f) for h, f in zip(size, scales, strict=True))
        kw.setdefault("coordinates", "asymmetric" if mode == "nearest" else "half_pixel")
        dims = tuple(range(2, 2 + len(size)))
        return self.add(ir.Resize(mode, dims=dims, scale=scales, out_size=out, **kw), (x,), (n, c, *out), path)

    def shuffle(self, x: str, r: int = 2, path: str = "") -> str:
        n, c, *size = self.shapes[x]
        shape = (n, c // r ** len(size), *(h * r for h in size))
        return self.add(ir.PixelShuffle((r,) * len(size)), (x,), shape, path)

    def pool(self, x: str, k: int = 2, s: int = 2, p: Any = (0, 0), kind: Any = "max", path: str = "") -> str:
        n, c, *size = self.shapes[x]
        rank = len(size)
        op = ir.Pool(kind, (k,) * rank, (s,) * rank, (p,) * rank, (1,) * rank)
        return self.add(op, (x,), (n, c, *((h + sum(p) - k) // s + 1 for h in size)), path)

    def act(self, x: str, kind: str = "relu", *, nonlinear: bool = True) -> str:
        return self.add(ir.Pointwise(kind, nonlinear), (x,), self.shapes[x])

    def merge(self, a: str, b: str, path: str = "") -> str:
        return self.add(ir.Merge("add"), (a, b), self.shapes[a], path)

    def constant(self, values: np.ndarray) -> str:
        """A tensor that the model holds."""
        return self.add(ir.Constant(), (), values.shape)

    def cat(self, a: str, b: str, path: str = "") -> str:
        (n, c, *size), (_, e, *_rest) = self.shapes[a], self.shapes[b]
        return self.add(ir.Concat(1), (a, b), (n, c + e, *size), path)

    def slice(self, x: str, dim: int, start: int, stop: int, step: int = 1, path: str = "") -> str:
        shape = list(self.shapes[x])
        stop = stop if stop > 0 else shape[dim] + stop
        shape[dim] = -(-(stop - start) // step)
        return self.add(ir.Slice(dim, start, stop, step), (x,), tuple(shape), path)

    def pad(self, x: str, *pads: tuple[int, int], mode: str = "zeros", path: str = "") -> str:
        shape = self.shapes[x]
        every = ((0, 0),) * (len(shape) - len(pads)) + pads
        return self.add(ir.Pad(every, mode), (x,), tuple(n + sum(p) for n, p in zip(shape, every, strict=True)), path)

    def opaque(self, x: str, reason: str = "aten.sort is not understood", path: str = "") -> str:
        return self.add(ir.Opaque(reason), (x,), self.shapes[x], path)

    def graph(self, *outputs: str, **kw: Any) -> ir.Graph:
        return ir.Graph(
            ("x",), outputs or self.nodes[-1].outputs, tuple(self.nodes), self.shapes, target=self.target,
            framework=self.framework, **kw,
        )  # fmt: skip

    def audit(self, *outputs: str, select: tuple[str, ...] = ("ALL",), **kw: Any) -> Report:
        return audit_graph(self.graph(*outputs), config=Config(select=select, **kw))

    def found(self, *outputs: str, rule: str) -> list[Finding]:
        return list(self.audit(*outputs, select=(rule,)).findings)

    def codes(self, *outputs: str) -> list[str]:
        return [f.code for f in self.audit(*outputs).findings]
