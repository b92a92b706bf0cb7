"""Two oracles for graphs of PyTorch models: the real modules' shapes, and the graph run step by step."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from upweave.graph import ir
from upweave.graph.check import check


def assert_real_shapes(graph: ir.Graph, model: nn.Module, *args: Any, **kwargs: Any) -> None:
    """The graph is sound, and every leaf module's output shapes appear at its path in it."""
    check(graph)
    seen: dict[str, list[tuple[int, ...]]] = {}

    def note(path: str) -> Any:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                seen.setdefault(path, []).append(tuple(output.shape))

        return hook

    leaves = [(p, m) for p, m in model.named_modules() if not list(m.children())]
    handles = [m.register_forward_hook(note(p)) for p, m in leaves if not isinstance(m, (nn.Identity, nn.Dropout))]
    training = model.training
    with torch.no_grad():
        result = model.eval()(*args, **kwargs)
    model.train(training)
    for handle in handles:
        handle.remove()
    results = [result] if isinstance(result, torch.Tensor) else list(result)
    assert [graph.shapes[v] for v in graph.outputs] == [tuple(r.shape) for r in results]
    at_path: dict[str, list[tuple[int, ...]]] = {}
    for node in graph.nodes:
        at_path.setdefault(node.path, []).extend(graph.shapes[v] for v in node.outputs)
    for path, shapes in seen.items():
        for shape in set(shapes):
            assert at_path.get(path, []).count(shape) >= shapes.count(shape), (
                f"{path}: {shape} not in {at_path.get(path)}"
            )


def execute(graph: ir.Graph, *args: torch.Tensor) -> list[torch.Tensor]:
    """Run a graph of linear and layout operators; raises KeyError on others."""
    values = dict(zip(graph.inputs, args, strict=True))
    for node in graph.nodes:
        weights = {role: torch.from_numpy(w.load()) for role, w in node.weights.items()}
        results = _run(node.op, [values[v] for v in node.inputs], weights)
        results = list(results) if isinstance(results, tuple) else [results]
        for name, result in zip(node.outputs, results, strict=True):
            assert tuple(result.shape) == graph.shapes[name], f"{node.name}: {tuple(result.shape)} {graph.shapes[name]}"
            values[name] = result
    return [values[v] for v in graph.outputs]


_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}
_RESIZE = {
    ("nearest", 1): "nearest",
    ("nearest", 2): "nearest",
    ("linear", 1): "linear",
    ("linear", 2): "bilinear",
    ("cubic", 2): "bicubic",
    ("nearest", 3): "nearest",
    ("linear", 3): "trilinear",
}


def _run(op: ir.Op, x: list[Any], w: dict[str, Any]) -> Any:
    match op:
        case ir.Constant():
            return w["value"]
        case ir.Convolution(spec=s):
            pads = [p if isinstance(p, tuple) else (p, p) for p in s.padding]
            padded = F.pad(x[0], [e for p in reversed(pads) for e in p])
            run = (F.conv1d, F.conv2d, F.conv3d)[s.rank - 1]
            return run(padded, w["weight"], w.get("bias"), s.stride, 0, s.dilation, s.groups)
        case ir.TransposedConvolution(spec=s):
            run = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[s.rank - 1]
            return run(x[0], w["weight"], w.get("bias"), s.stride, s.padding, s.output_padding, s.groups, s.dilation)
        case ir.Resize():
            mode = _RESIZE[op.mode, len(op.dims)]
            if op.mode == "nearest":
                mode = "nearest" if op.coordinates == "asymmetric" else "nearest-exact"
            corners = None if op.mode == "nearest" else op.coordinates == "align_corners"
            if op.by_size or corners:
                return F.interpolate(x[0], size=op.out_size, mode=mode, align_corners=corners, antialias=op.antialias)
            factors = tuple(float(f) for f in op.scale)
            return F.interpolate(x[0], scale_factor=factors, mode=mode, align_corners=corners, antialias=op.antialias)
        case ir.PixelShuffle(factor=f):
            return F.pixel_shuffle(x[0], f[0])
        case ir.PixelUnshuffle(factor=f):
            return F.pixel_unshuffle(x[0], f[0])
        case ir.Pad():
            return F.pad(x[0], _torch_pads(op, x[0].dim()), mode=_MODES[op.mode])
        case ir.Pool(kind="average"):
            run = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(op.kernel) - 1]
            return run(x[0], op.kernel, op.stride, [p[0] for p in op.padding], op.ceil)
        case ir.AdaptivePool(kind="average"):
            return (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d)[len(op.out_size) - 1](x[0], op.out_size)
        case ir.Slice():
            return x[0].narrow(op.dim, op.start, op.stop - op.start)[
                (slice(None),) * op.dim + (slice(None, None, op.step),)
            ]
        case ir.Concat():
            return torch.cat(x, op.dim)
        case ir.Reshape():
            return x[0].reshape(op.shape)
        case ir.Permute():
            return x[0].permute(op.order)
        case ir.Expand():
            return x[0].expand(op.shape)
        case ir.Repeat():
            return x[0].repeat_interleave(op.times, op.dim)
        case ir.Tile():
            return x[0].repeat(op.reps)
        case ir.Reduce(kind="mean"):
            return x[0].mean(op.dims, op.keepdim)
        case ir.Reduce(kind="sum"):
            return x[0].sum(op.dims, op.keepdim)
        case ir.Linear():
            return F.linear(x[0], w["weight"], w.get("bias"))
        case ir.MatMul():
            return x[0] @ x[1]
        case ir.Attention():
            return F.scaled_dot_product_attention(*x)
        case ir.Merge(kind="add"):
            return sum(x[1:], x[0])
        case ir.Merge(kind="mul"):
            return x[0] * x[1]
        case ir.Pointwise(kind="relu"):
            return x[0].relu()
        case _:
            raise KeyError(op)


def _torch_pads(op: ir.Pad, rank: int) -> list[int]:
    pads = list(op.pads)
    while op.mode != "zeros" and pads and pads[0] == (0, 0) and len(pads) > max(1, rank - 2):
        pads = pads[1:]
    return [e for p in reversed(pads) for e in p]
