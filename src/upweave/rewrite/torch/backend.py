"""`torch.compile(model, backend="upweave")`: Dynamo's graphs with their resizes deferred and their convolutions ours.

Dynamo hands over a graph of PyTorch's functions on tensors, the parameters among its inputs. What it says about data
flow is certain, so that batch normalisations in eval mode go into the convolutions in front of them here; then the
graph is run under the same mode, by the same rules, as an accelerated module. With `options={"inner": "inductor"}` it
is run once on fake tensors, and the operators that come out of that go to Inductor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from ...errors import BackendError
from .deferred import How
from .derived import derive
from .fold import fold_batch_norm
from .functions import TRANSPOSED, read_call, run
from .mode import Deferring
from .pending import plainly

INNER = ("eager", "inductor")


def upweave(
    graph: fx.GraphModule, example_inputs: Sequence[Any], *, options: dict[str, Any] | None = None, mode: Any = None
) -> Callable[..., Any]:
    """The backend: a graph and its (fake) inputs to a function of the same inputs.

    Options: "inner", "eager" (the default) or "inductor". Raises `BackendError` for others. Where gradients are wanted
    the inner backend is "eager".
    """
    chosen = dict(options or {})
    inner = chosen.pop("inner", "eager")
    if chosen or inner not in INNER:
        raise BackendError(f'options of backend "upweave": {{"inner": {" or ".join(INNER)}}}, got {options!r}')
    fuse_batch_norms(graph)
    run = _Run(graph)
    wants_grad = torch.is_grad_enabled() and any(isinstance(t, Tensor) and t.requires_grad for t in example_inputs)
    if inner == "eager" or wants_grad:
        return run
    from torch._inductor.compile_fx import compile_fx
    from torch.fx.experimental.proxy_tensor import make_fx

    with torch.no_grad():
        lowered = make_fx(run, tracing_mode="real", _allow_non_fake_inputs=True)(*example_inputs)
    compiled: Any = compile_fx(lowered, list(example_inputs))
    return compiled  # type: ignore[no-any-return]


class _Run:
    """The graph, run by the rules of deferred resizes."""

    def __init__(self, graph: fx.GraphModule) -> None:
        self.graph = graph

    def __call__(self, *args: Any) -> Any:
        with _Rewriting():
            y = self.graph(*args)
        return plainly(y)


class _Rewriting(Deferring):
    """Deferral, and transposed convolutions on Upweave's operator."""

    def __init__(self) -> None:
        super().__init__(How("auto"))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if TRANSPOSED.get(func):
            args, kwargs = plainly(args), plainly(kwargs or {})
            x, function = read_call(func, args, kwargs)
            if x.dim() == function.weight.dim():  # batched
                return run(x, function)
        return super().__torch_function__(func, types, args, kwargs)


def fuse_batch_norms(graph: fx.GraphModule) -> int:
    """Put batch normalisations in eval mode into the convolutions that they alone read, in place; returns how many."""
    count = 0
    for node in list(graph.graph.nodes):
        if node.op != "call_function" or node.target is not F.batch_norm:
            continue
        numbers = _arguments(
            node, ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
        )
        conv = numbers.get("input")
        if numbers.get("training", False) is not False or numbers.get("running_mean") is None:
            continue
        if not isinstance(conv, fx.Node) or conv.target not in TRANSPOSED or len(conv.users) != 1:
            continue
        names = ("input", "weight", "bias", "stride", "padding", *(
            ("output_padding", "groups", "dilation") if TRANSPOSED[conv.target] else ("dilation", "groups")
        ))  # fmt: skip
        own = _arguments(conv, names)
        norm = [numbers.get(k) for k in ("running_mean", "running_var", "weight", "bias")]
        with graph.graph.inserting_before(node):
            folded = graph.graph.call_function(
                normalised_weight,
                (own["weight"], own.get("bias"), *norm, numbers.get("eps", 1e-5), own.get("groups", 1),
                 TRANSPOSED[conv.target]),
            )  # fmt: skip
            weight = graph.graph.call_function(_first, (folded,))
            bias = graph.graph.call_function(_second, (folded,))
            rest = {k: v for k, v in own.items() if k not in ("input", "weight", "bias")}
            target: Any = conv.target
            new = graph.graph.call_function(target, (own["input"], weight, bias), rest)
        new.meta = dict(node.meta)
        node.replace_all_uses_with(new)
        graph.graph.erase_node(node)
        graph.graph.erase_node(conv)
        count += 1
    if count:
        graph.graph.lint()
        graph.recompile()
    return count


def normalised_weight(
    weight: Tensor, bias: Tensor | None, mean: Tensor, var: Tensor, gamma: Tensor | None, beta: Tensor | None,
    eps: float, groups: int, is_transposed: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """(weight, bias) with a batch normalisation in them, kept as long as none of the tensors changes."""

    def make() -> tuple[Tensor, ...]:
        return fold_batch_norm(weight, bias, mean, var, eps, gamma, beta, groups, is_transposed)

    return derive(("batch norm", eps, groups, is_transposed), (weight, bias, mean, var, gamma, beta), make)


def _first(pair: tuple[Tensor, Tensor]) -> Tensor:
    return pair[0]


def _second(pair: tuple[Tensor, Tensor]) -> Tensor:
    return pair[1]


def _arguments(node: fx.Node, names: Sequence[str]) -> dict[str, Any]:
    """A call's arguments by name."""
    return {**dict(zip(names, node.args, strict=False)), **node.kwargs}
