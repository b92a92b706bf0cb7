"""A small hand for writing graphs in tests, one operation a call."""

from __future__ import annotations

from fractions import Fraction

from upweave.graph import ir
from upweave.spec import Conv, ConvTranspose


class Builder:
    """Collects nodes; every method returns the name of the value it made."""

    def __init__(self, *shape: int, name: str = "x") -> None:
        self.shapes: dict[str, tuple[int, ...]] = {name: shape}
        self.nodes: list[ir.Node] = []
        self.inputs = (name,)

    def add(self, op: ir.Op, shape: tuple[int, ...], *inputs: str) -> str:
        value = f"v{len(self.nodes)}"
        self.shapes[value] = tuple(shape)
        self.nodes.append(ir.Node(f"n{len(self.nodes)}", op, inputs, (value,), path=f"layer{len(self.nodes)}"))
        return value

    def graph(self, *outputs: str) -> ir.Graph:
        return ir.Graph(self.inputs, outputs, tuple(self.nodes), self.shapes)

    def _ints(self, value: object, rank: int) -> tuple:
        return value if isinstance(value, tuple) else (value,) * rank

    def conv(self, x: str, channels: int, kernel: int, stride: int = 1, padding: object = 0, dilation: int = 1) -> str:
        n, c, *size = self.shapes[x]
        spec = Conv(self._ints(kernel, len(size)), stride, padding, dilation)
        out = [
            (h + a.begin + a.end - a.dilation * (a.kernel - 1) - 1) // a.stride + 1
            for h, a in zip(size, spec.per_axis(), strict=True)
        ]
        return self.add(ir.Convolution(spec, c, channels), (n, channels, *out), x)

    def up(self, x: str, channels: int, kernel: int, stride: int, padding: object = 0, output_padding: int = 0) -> str:
        n, c, *size = self.shapes[x]
        spec = ConvTranspose(self._ints(kernel, len(size)), stride, padding, output_padding)
        out = [
            a.stride * (h - 1) - a.begin - a.end + a.kernel + a.output_padding
            for h, a in zip(size, spec.per_axis(), strict=True)
        ]
        return self.add(ir.TransposedConvolution(spec, c, channels), (n, channels, *out), x)

    def pool(self, x: str, kernel: int, stride: int | None = None, padding: int = 0, kind: str = "max") -> str:
        stride = kernel if stride is None else stride
        n, c, *size = self.shapes[x]
        r = len(size)
        op = ir.Pool(kind, (kernel,) * r, (stride,) * r, ((padding, padding),) * r, (1,) * r)
        return self.add(op, (n, c, *((h + 2 * padding - kernel) // stride + 1 for h in size)), x)

    def resize(
        self, x: str, scale: int, mode: str = "nearest", coordinates: str = "asymmetric", **kwargs: object
    ) -> str:
        n, c, *size = self.shapes[x]
        out = tuple(h * scale for h in size)
        dims = tuple(range(2, 2 + len(size)))
        op = ir.Resize(mode, coordinates, dims, (Fraction(scale),) * len(size), out, **kwargs)
        return self.add(op, (n, c, *out), x)

    def shuffle(self, x: str, factor: int) -> str:
        n, c, *size = self.shapes[x]
        r = len(size)
        return self.add(ir.PixelShuffle((factor,) * r), (n, c // factor**r, *(h * factor for h in size)), x)

    def pad(self, x: str, *pads: tuple[int, int], mode: str = "zeros") -> str:
        lead = len(self.shapes[x]) - len(pads)
        full = ((0, 0),) * lead + pads
        shape = tuple(n + b + e for n, (b, e) in zip(self.shapes[x], full, strict=True))
        return self.add(ir.Pad(full, mode), shape, x)

    def cut(self, x: str, dim: int, start: int, stop: int, step: int = 1) -> str:
        shape = list(self.shapes[x])
        shape[dim] = len(range(start, stop, step))
        return self.add(ir.Slice(dim, start, stop, step), tuple(shape), x)

    def relu(self, x: str) -> str:
        return self.add(ir.Pointwise("relu"), self.shapes[x], x)

    def reshape(self, x: str, *shape: int) -> str:
        return self.add(ir.Reshape(shape), shape, x)

    def permute(self, x: str, *order: int) -> str:
        return self.add(ir.Permute(order), tuple(self.shapes[x][a] for a in order), x)

    def linear(self, x: str, features: int) -> str:
        *lead, last = self.shapes[x]
        return self.add(ir.Linear(last, features), (*lead, features), x)

    def expand(self, x: str, *shape: int) -> str:
        return self.add(ir.Expand(shape), shape, x)

    def concat(self, dim: int, *values: str) -> str:
        shape = list(self.shapes[values[0]])
        shape[dim] = sum(self.shapes[v][dim] for v in values)
        return self.add(ir.Concat(dim), tuple(shape), *values)

    def merge(self, *values: str) -> str:
        return self.add(ir.Merge("add"), self.shapes[values[0]], *values)
