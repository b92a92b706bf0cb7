"""How each layer runs fastest in a layout: by measurement on the shapes that were seen, or by counting.

For a fold: "keep" (resize, then convolve), or the folded transposed convolution by the "native" core or by PyTorch
("torch"). For a transposed convolution: "native" or "torch". For an ordinary convolution of stride 1: PyTorch's
("torch"), or the transposed one with the flipped kernel by the core ("native").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F

from ...ops import native
from ...ops.torch.layout import CHANNELS_LAST
from .clock import race
from .decisions import Decisions, Way
from .deferred import Deferred, How, Part
from .functions import Function, Route, plain, run
from .observe import Fold, Layer, Observation
from .spent import Claims, Spent

MARGIN = 0.97
"""A way must take less than this share of the original's time: less is noise, and the original needs no certificate."""

ORIGINAL = "original"
"""Where the model is tried in another layout than its own, what it does by itself in that, in the same turns."""

_CONV: dict[int, Callable[..., Any]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


@dataclass(frozen=True)
class Choice:
    """One layer, the way that was chosen for it, and why.

    Attributes:
        path: the convolution's.
        rewrite: "fold-nearest", "conv-transpose" or "conv".
        way: "keep", "native" or "torch".
        times: seconds of each way alone, all calls of a run together; empty where it was not measured.
        multiplies, folded: before and after, all calls of a run together.
        sites: modules that resize in front of it.
        reason: in words.
        is_layer: False where a function was called, not a module of PyTorch's convolutions.
        alone: seconds of what the model does by itself, in its own layout, in the same turns as `times`.
        share: the part of the model's time that this takes, timed inside its runs.
        route: for a function that a module calls, how it is known again.
        weights: the names of the weights in the model; for one that is computed, the path.
    """

    path: str
    rewrite: str
    way: str
    times: dict[str, float]
    multiplies: int
    folded: int
    sites: tuple[str, ...]
    reason: str
    is_layer: bool = True
    alone: float = 0.0
    share: float = 0.0
    route: Route | None = None
    weights: tuple[str, ...] = ()

    def within(self, whole: float) -> dict[str, float]:
        """Seconds of each way in a run that takes `whole`: the share of it, times what the way takes beside it."""
        return {way: self.share * whole * t / self.alone for way, t in self.times.items()}

    @property
    def applies(self) -> bool:
        """True if something changes."""
        return self.way != self.original

    @property
    def original(self) -> str:
        """What the model does by itself."""
        return "keep" if self.rewrite == "fold-nearest" else "torch"


def choose(found: Observation, channels_last: bool, seconds: float, spent: Spent | None = None) -> list[Choice]:
    """A choice for every layer seen; measured for about `seconds` in all, or counted where that is 0. `spent` is what
    layers take of the model's time."""
    folds: dict[str, list[Fold]] = {}
    for fold in found.folds:
        folds.setdefault(fold.path, []).append(fold)
    layers: dict[tuple[str, Route | None], list[Layer]] = {}
    for seen in _considered([*found.layers, *found.calls]):
        layers.setdefault((seen.path, seen.route), []).append(seen)
    claims = Claims(spent or Spent(), found.folds, [*found.layers, *found.calls])
    each = seconds / max(1, len(found.folds) + len({_kind(x) for many in layers.values() for x in many}))
    known: dict[Any, dict[str, float]] = {}
    choices = [_choose_fold(path, many, channels_last, each) for path, many in folds.items()]
    choices += [_choose_layer(path, many, channels_last, each, known) for (path, _), many in layers.items()]
    shares = [*map(claims.share, folds.values()), *map(claims.share, layers.values())]
    return [replace(choice, share=share) for choice, share in zip(choices, shares, strict=True)]


SHARE = 0.01
"""An ordinary convolution with a smaller share of the multiplications is left alone: nothing is to be won."""

NARROW = 16
"""Unless it has so few output channels, which PyTorch's convolutions do not do well."""


def _considered(layers: list[Layer]) -> list[Layer]:
    total = sum(x.times * x.multiplies for x in layers)
    found = []
    for x in layers:
        layer = x.layer
        if not layer.transposed and (
            any(s != 1 for s in layer.stride) or not isinstance(layer.padding, tuple) or layer.padding_mode != "zeros"
            or any(p > d * (k - 1) for p, d, k in zip(layer.padding, layer.dilation, layer.kernel_size, strict=True))
            or (x.times * x.multiplies < SHARE * total and layer.out_channels > NARROW)
        ):  # fmt: skip
            continue
        found.append(x)
    return found


def _kind(x: Layer) -> Any:
    """What two layers that take the same time have in common."""
    layer = x.layer
    return (
        x.shape, x.output_size, tuple(layer.weight.shape), layer.stride, layer.padding, layer.output_padding,
        layer.groups, layer.dilation, layer.transposed, layer.bias is None, layer.weight.dtype, _is_new(layer),
    )  # fmt: skip


def _is_new(layer: Any) -> bool:
    """True for a function whose weight is computed in every call."""
    return isinstance(layer, Function) and not isinstance(layer.weight, torch.nn.Parameter)


def _choose_fold(path: str, folds: list[Fold], channels_last: bool, seconds: float) -> Choice:
    before, after = (sum(f.times * n for f, n in zip(folds, c, strict=True)) for c in (
        [f.multiplies for f in folds], [f.folded for f in folds]))  # fmt: skip
    sites = tuple(dict.fromkeys(s for f in folds for s in f.sites))
    times: dict[str, float] = {}
    if seconds:
        for fold in folds:
            for way, t in race(_fold_ways(fold, channels_last), seconds).items():
                times[way] = times.get(way, 0.0) + t * fold.times
    alone = times.pop(ORIGINAL, times.get("keep", 0.0))
    way, reason = _fastest(times, "keep") if times else (
        ("auto", f"{before / after:.2f} times fewer multiplications") if after < before else
        ("keep", "no fewer multiplications")
    )  # fmt: skip
    return Choice(
        path, "fold-nearest", way, times, before, after, sites, reason, folds[0].is_layer, alone, weights=_names(folds)
    )


def _choose_layer(
    path: str, seen: list[Layer], channels_last: bool, seconds: float, known: dict[Any, dict[str, float]]
) -> Choice:
    multiplies = sum(one.times * one.multiplies for one in seen)
    transposed = seen[0].layer.transposed
    times: dict[str, float] = {}
    for one in seen:
        if seconds and native.available():
            kind = _kind(one)
            if kind not in known:
                known[kind] = race(_layer_ways(one, channels_last), seconds)
            for way, t in known[kind].items():
                times[way] = times.get(way, 0.0) + t * one.times
    alone = times.pop(ORIGINAL, times.get("torch", 0.0))
    if not native.available():
        way, reason = "torch", f"native core not available: {native.why_not()}"
    elif times:
        way, reason = _fastest(times, "torch")
    else:
        way, reason = ("native" if transposed else "torch"), "not measured"
    rewrite = "conv-transpose" if transposed else "conv"
    route = seen[0].route
    return Choice(
        path, rewrite, way, times, multiplies, multiplies, (), reason, route is None, alone, 0.0, route, _names(seen)
    )  # fmt: skip


def _names(seen: Sequence[Fold | Layer]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.name or one.path for one in seen))


def _fastest(times: dict[str, float], original: str) -> tuple[str, str]:
    best = min(times, key=lambda way: times[way])
    others = (f"{way} takes {t / times[original]:.2f} of its time" for way, t in times.items() if way != original)
    listed = f"beside {original}, {', '.join(others)}"
    if best != original and times[best] > MARGIN * times[original]:
        return original, f"nothing is clearly faster: {listed}"
    return best, listed


def _fold_ways(fold: Fold, channels_last: bool) -> dict[str, Callable[[], Any]]:
    names = ["keep", "native", "torch"] if native.available() else ["keep", "torch"]
    run = _fold_runner(fold, channels_last)
    ways = {name: run(name) for name in names}
    return {**ways, ORIGINAL: _fold_runner(fold, False)("keep")} if channels_last else ways


def _fold_runner(fold: Fold, channels_last: bool) -> Callable[[str], Callable[[], Any]]:
    weight = fold.weight.detach()
    if channels_last and weight.dim() in CHANNELS_LAST:
        weight = weight.contiguous(memory_format=CHANNELS_LAST[weight.dim()])
    parts = tuple(part.filled(weight, channels_last) for part in fold.parts)
    rank = len(fold.call.kernel)
    padding: Any = tuple(b for b, _ in fold.call.padding)
    if any(b != e for b, e in fold.call.padding):
        padding = "same"

    def way(backend: str) -> Callable[[], Any]:
        def run() -> Any:
            x = Deferred(tuple(Part(p._small, p.factors, p.trim) for p in parts), How(backend, precise=False))
            with torch.no_grad():
                return _CONV[rank](x, weight, None, 1, padding, 1, fold.call.groups)

        return run

    return way


def _layer_ways(seen: Layer, channels_last: bool) -> dict[str, Callable[[], Any]]:
    ways = _ways_in(seen, channels_last)
    return {**ways, ORIGINAL: _ways_in(seen, False)["torch"]} if channels_last else ways


def _ways_in(seen: Layer, channels_last: bool) -> dict[str, Callable[[], Any]]:
    layer: Any = seen.layer
    weight = layer.weight.detach()
    x = torch.randn(seen.shape, dtype=weight.dtype)
    if channels_last and x.dim() in CHANNELS_LAST:
        x = x.contiguous(memory_format=CHANNELS_LAST[x.dim()])
        if isinstance(layer, torch.nn.Module):  # the weights of functions keep their order
            weight = weight.contiguous(memory_format=CHANNELS_LAST[x.dim()])
    bias = None if layer.bias is None else layer.bias.detach()
    extra: tuple[int, ...] = layer.output_padding
    if layer.transposed:
        size = list(seen.output_size) if seen.output_size is not None else None
        rank = len(layer.stride)
        extra = tuple(
            layer._output_padding(x, size, layer.stride, layer.padding, layer.kernel_size, rank, layer.dilation)
        )
    f = Function(
        layer.transposed, weight, bias, layer.stride, layer.padding, extra, layer.dilation, layer.groups
    )  # fmt: skip

    def way(call: Callable[[torch.Tensor, Function], Any]) -> Callable[[], Any]:
        def timed() -> Any:
            with torch.no_grad():
                # What is kept of a weight is of no use to one that is computed in every call.
                return call(x, replace(f, weight=weight.clone()) if _is_new(layer) else f)

        return timed

    return {"torch": way(plain), "native": way(lambda x, f: run(x, f, precise=False))}


def decided(choices: list[Choice], found: Observation, channels_last: bool, fuse: bool = True) -> Decisions:
    """The decisions that follow from the choices; with `fuse`, convolutions wait for the normalisation behind them."""
    sites: dict[str, str] = {}
    deferred: dict[str, str] = {}
    others: dict[str, str] = {}
    paths = {x.path for x in found.layers} | set(found.chains)
    for choice in choices:
        if choice.rewrite != "fold-nearest":
            if choice.applies and choice.route is None:
                others[choice.path] = choice.way
            continue
        is_layer = choice.is_layer
        if is_layer:
            deferred[choice.path] = choice.way
        if choice.applies:
            for site in choice.sites:
                sites.setdefault(site, "auto" if is_layer else choice.way)
    calls: dict[str, tuple[Route, ...]] = {}
    for choice in choices:
        if choice.route is not None and choice.applies:
            calls[choice.path] = (*calls.get(choice.path, ()), choice.route)
    if not sites:
        deferred = {}
    behind = found.chains if fuse else {}
    layers = {}
    for path in sorted(paths | set(deferred)):
        way = Way(deferred.get(path, "auto"), others.get(path, "torch"), behind.get(path, ""))
        if path in deferred or way.plain != "torch" or way.behind:
            layers[path] = way
    # Of signals there is no channels-last order.
    has_order = any(x.layer.weight.dim() in CHANNELS_LAST for x in found.layers) or any(
        f.weight.dim() in CHANNELS_LAST for f in found.folds
    )
    return Decisions(sites, layers, channels_last and has_order, calls=calls)
