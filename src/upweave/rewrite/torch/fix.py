"""`upweave.fix`: a model with its transposed convolutions repaired, each repair asked for by name.

The repairs are the identities of `upweave.rewrite.identities` that fix something, with the same names, and the same
arithmetic on weights; here they replace layers of a copy of the model.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from ...convert import boundary, phase_bank, to_conv_transpose
from ...errors import ConfigError, ModelError, NotRepresentable, SpecError
from ...spec import ConvPixelShuffle, ConvTranspose
from ..certify import Certificate, Difference, certify, difference
from ..identity import Refusal, all_identities, choose
from ..page import Entry, Page, Shown, effect
from ..weights.gains import equal_gains, imbalance
from ..weights.initial import he_transposed, icnr
from ..weights.recentre import recentred, shifts
from ..weights.resize_fit import fit_resize_conv
from ..weights.widen import add_taps, widened, without_output_padding
from .inputs import Call, as_call, dtype_of, random_like, run

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_CONV: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_SHUFFLED = (nn.Conv2d,)
_PAD: Any = {1: nn.ZeroPad1d, 2: nn.ZeroPad2d, 3: nn.ZeroPad3d}

Effects: TypeAlias = dict[str, Any]
Found: TypeAlias = "tuple[nn.Module, str, Effects] | None"
Repair: TypeAlias = Callable[[Any, int], Found]
"""A layer, and the factor of the pixel shuffle behind it or 1, to (what replaces it, what was done, what changed), or
None where there is nothing to repair. Raises `NotRepresentable` with the reason where it cannot be done."""


@dataclass(frozen=True)
class Repaired:
    """One repair of one layer: its identity, the layer's path, whether outputs stay the same, what was done, and what
    changed, by name, (before, after) or one number."""

    identity: str
    path: str
    safety: str
    reason: str
    effects: Effects = field(default_factory=dict)


@dataclass(frozen=True)
class FixReport(Shown):
    """What `fix` did.

    Attributes:
        repaired, refused: layer by layer.
        change: how far the outputs moved on the user's inputs, where there were some.
        certificate: that they did not move, where only safe repairs were applied.
        model: the name of its class.
    """

    repaired: tuple[Repaired, ...]
    refused: tuple[Refusal, ...]
    change: Difference | None
    certificate: Certificate | None
    model: str = ""

    def page(self) -> Page:
        """What the report shows."""
        n = len(self.repaired)
        applied = (
            Entry(
                r.path or "(the model itself)", r.identity, r.reason, r.safety,
                effects=tuple((name, effect(value)) for name, value in r.effects.items()),
            )
            for r in self.repaired
        )  # fmt: skip
        return Page(
            self.model, "PyTorch module, repaired", f"{n} repair{'' if n == 1 else 's'}" if n else "nothing to repair",
            (), "", tuple(applied), tuple(Entry(r.path, r.identity, r.reason) for r in self.refused), self.certificate,
            () if self.change is None else (f"outputs: {self.change}",),
        )  # fmt: skip

    def __str__(self) -> str:
        lines = []
        for r in self.repaired:
            lines.append(f"{r.path or '(the model itself)'}: {r.identity} ({r.safety}): {r.reason}")
            lines += [f"    {name}: {effect(value)}" for name, value in r.effects.items()]
        lines += [str(r) for r in self.refused]
        if self.change is not None:
            lines.append(f"outputs: {self.change}")
        if self.certificate is not None:
            lines.append(f"certificate: {self.certificate}")
        return "\n".join(lines) or "nothing to repair"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "repaired": [
                {"identity": r.identity, "path": r.path, "safety": r.safety, "reason": r.reason, "effects": r.effects}
                for r in self.repaired
            ],
            "refused": [{"identity": r.identity, "path": r.path, "reason": r.reason} for r in self.refused],
            "change": None if self.change is None else {
                "relative": self.change.relative if math.isfinite(self.change.relative) else None,
                "max_abs": self.change.max_abs if math.isfinite(self.change.max_abs) else None,
            },
            "certificate": None if self.certificate is None else self.certificate.as_json(),
        }  # fmt: skip


def fix(
    model: nn.Module, rules: str | Iterable[str] | None = None, unsafe: bool = False, *, example_inputs: Any = None
) -> nn.Module:
    """A copy of `model` with its flaws repaired; its `report` says which, and what that changed.

    Args:
        model: in any mode; it is untouched, and shares no parameter with the copy.
        rules: names of repairs (`REPAIRS`), or codes of the audit's rules that they answer ("UW301"); without any, the
            safe repairs alone.
        unsafe: allow repairs that change outputs; each of them must also be named.
        example_inputs: as for `upweave.accelerate`. With them, what safe repairs return is compared with the original
            (`upweave.rewrite.certify`), and how far the others moved the outputs is reported. What fails is an error.

    Raises `ConfigError` for a name that does not exist or is unsafe where `unsafe` does not allow it, and `ModelError`
    where the repaired model does not run, or safe repairs changed its outputs. A repair that would change the size of a
    layer's output is refused.
    """
    if not isinstance(model, nn.Module):
        raise SpecError(f"expected a torch.nn.Module, got {type(model).__name__}")
    names = _chosen([rules] if isinstance(rules, str) else rules, unsafe)
    new = copy.deepcopy(model)
    shared, shuffles = _shared_weights(new), _shuffles(new)
    repaired: list[Repaired] = []
    refused: list[Refusal] = []
    for name in names:
        for path, layer in list(new.named_modules()):
            if type(layer) not in (*_TRANSPOSED, *_SHUFFLED):
                continue
            try:
                found = REPAIRS[name](layer, shuffles.get(id(layer), 1))
                if found is None:
                    continue
                if id(layer.weight) in shared:
                    raise NotRepresentable("its weight is also another layer's")
                _same_sizes(layer, found[0])
            except NotRepresentable as reason:
                refused.append(Refusal(name, path, str(reason)))
                continue
            fresh, what, effects = found
            new = _replace(new, layer, fresh.train(layer.training))
            repaired.append(Repaired(name, path, all_identities()[name].safety, what, effects))
    change, certificate = _compared(model, new, repaired, example_inputs)
    new.report = FixReport(tuple(repaired), tuple(refused), change, certificate, type(model).__name__)  # type: ignore[assignment]
    return new


def _chosen(rules: Iterable[str] | None, unsafe: bool) -> list[str]:
    known = all_identities()
    if rules is None:
        return [name for name in REPAIRS if known[name].safety == "safe"]
    wanted = choose(rules, purposes=("portability", "training", "repair"))
    names = [name for name in REPAIRS if name in wanted]
    if other := sorted(set(wanted) - set(names)):
        raise ConfigError(f"{', '.join(other)}: no repair of a PyTorch module; there are {', '.join(REPAIRS)}")
    risky = [name for name in names if known[name].safety == "unsafe"]
    if risky and not unsafe:
        raise ConfigError(f"{', '.join(risky)} changes outputs: pass unsafe=True to allow it")
    return names


def _shared_weights(model: nn.Module) -> set[int]:
    """Parameters that more than one module has."""
    count: dict[int, int] = {}
    for module in model.modules():
        for p in module._parameters.values():
            if p is not None:
                count[id(p)] = count.get(id(p), 0) + 1
    return {key for key, n in count.items() if n > 1}


def _shuffles(model: nn.Module) -> dict[int, int]:
    """The factor of the pixel shuffle right behind a convolution in an `nn.Sequential`, by the convolution's id."""
    found: dict[int, int] = {}
    for module in model.modules():
        if type(module).forward is nn.Sequential.forward:
            children = list(module.children())
            for conv, after in pairwise(children):
                if isinstance(conv, nn.Conv2d) and isinstance(after, nn.PixelShuffle):
                    found[id(conv)] = after.upscale_factor
    return found


def _same_sizes(old: Any, new: nn.Module) -> None:
    """Raises `NotRepresentable` where a layer's outputs would get another size. Nothing is computed."""
    weight = old.weight
    for size in ((4, 5, 6), (9, 8, 7)):
        x = torch.empty(1, old.in_channels, *size[: weight.dim() - 2], dtype=weight.dtype, device="meta")
        want, got = (_on_meta(layer, x) for layer in (old, new))
        if want != got:
            raise NotRepresentable(
                f"on {list(x.shape)} its output would have the size {list(got)} instead of {list(want)}"
            )


def _on_meta(layer: nn.Module, x: torch.Tensor) -> torch.Size:
    state = {n: t.to("meta") for n, t in (*layer.named_parameters(), *layer.named_buffers())}
    y: torch.Tensor = torch.func.functional_call(layer, state, (x,))
    return y.shape


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> nn.Module:
    """The model with `new` wherever `old` is."""
    if model is old:
        return new
    for module in list(model.modules()):
        for name, child in module._modules.items():
            if child is old:
                module._modules[name] = new
    return model


def _compared(
    model: nn.Module, new: nn.Module, repaired: list[Repaired], example_inputs: Any
) -> tuple[Difference | None, Certificate | None]:
    if example_inputs is None or not repaired:
        return None, None
    call = as_call(example_inputs)
    old, fixed = copy.deepcopy(model).eval(), copy.deepcopy(new).eval()  # no statistic moves, nothing is dropped
    if all(r.safety == "safe" for r in repaired):
        inputs: list[tuple[str, Call]] = [("the example inputs", call), ("random inputs", random_like(call, 1))]
        certificate = certify(lambda c: run(old, c), lambda c: run(fixed, c), inputs, dtype_of(model, call))
        if not certificate.passed:
            raise ModelError(f"safe repairs changed the outputs: {certificate}")
        return None, certificate
    try:
        found = difference(run(old, call), run(fixed, call))
    except Exception as error:
        raise ModelError(f"the repaired model does not run: {type(error).__name__}: {error}") from error
    if found.reason and math.isinf(found.relative):
        raise ModelError(f"the repaired model returns something else: {found.reason}")
    return found, None


# -- the repairs --------------------------------------------------------------------------------------------------


def _spec(layer: Any) -> ConvTranspose:
    return ConvTranspose(
        layer.kernel_size, layer.stride, layer.padding, layer.output_padding, layer.dilation, layer.groups
    )


def _numbers(layer: Any) -> Any:
    weight = layer.weight.detach()
    if weight.is_meta or not weight.is_floating_point():
        raise NotRepresentable(f"its weight has no real numbers ({weight.dtype}, {weight.device})")
    return weight.cpu().double().numpy()


def _is_strided(layer: Any) -> bool:
    return bool(getattr(layer, "transposed", False)) and any(s > 1 for s in layer.stride)


def _with_weight(layer: nn.Module, weight: Any) -> nn.Module:
    """The same layer with other numbers."""
    new: Any = copy.copy(layer)
    new._parameters = dict(layer._parameters)
    new.weight = _parameter(weight, layer)
    return new  # type: ignore[no-any-return]


def _parameter(weight: Any, like: Any) -> nn.Parameter:
    values = torch.as_tensor(np.ascontiguousarray(weight)).to(like.weight.dtype).to(like.weight.device)
    return nn.Parameter(values, requires_grad=like.weight.requires_grad)


def _layer(old: Any, spec: ConvTranspose, weight: Any) -> nn.Module:
    """A transposed convolution of PyTorch with these numbers; zero taps make its padding the same at both ends."""
    rank = len(old.stride)
    axes = spec.per_axis(rank)
    if any(a.begin != a.end for a in axes):
        spec, weight, _ = to_conv_transpose(phase_bank(spec, weight), boundary(spec, rank), symmetric=True)
        axes = spec.per_axis(rank)
    if any(a.begin != a.end or a.begin < 0 for a in axes):
        raise NotRepresentable("PyTorch's layer pads both ends alike, and no number of zero taps makes that possible")
    new = type(old)(
        old.in_channels, old.out_channels, tuple(a.kernel for a in axes), tuple(a.stride for a in axes),
        tuple(a.begin for a in axes), tuple(a.output_padding for a in axes), old.groups, old.bias is not None,
        tuple(a.dilation for a in axes), device=old.weight.device, dtype=old.weight.dtype,
    )  # fmt: skip
    new.weight = _parameter(weight, old)
    if old.bias is not None:
        new.bias = old.bias
    return new  # type: ignore[no-any-return]


def _widen(layer: Any, shuffle: int) -> Found:
    if not _is_strided(layer) or all(k % s == 0 for k, s in zip(layer.kernel_size, layer.stride, strict=True)):
        return None
    spec, before, after = widened(_spec(layer), len(layer.stride))
    new = _layer(layer, spec, add_taps(_numbers(layer), before, after))
    return new, f"kernel {layer.kernel_size} → {new.kernel_size} with zero taps: every phase has as many", {}


def _absorb(layer: Any, shuffle: int) -> Found:
    if not _is_strided(layer) or not any(layer.output_padding):
        return None
    spec, after = without_output_padding(_spec(layer), len(layer.stride))
    new: Any = _layer(layer, spec, add_taps(_numbers(layer), (0,) * len(after), after))
    if any(new.output_padding):
        raise NotRepresentable("without output_padding the ends need different paddings, which PyTorch's layer lacks")
    return new, f"output_padding {layer.output_padding} → zero taps", {}


def _equalise(layer: Any, shuffle: int) -> Found:
    if not _is_strided(layer):
        return None
    spec, weight = _spec(layer), _numbers(layer)
    was = imbalance(spec, weight)
    if was < 1e-6:
        return None
    new = equal_gains(spec, weight)
    moved = float(np.linalg.norm(new - weight) / np.linalg.norm(weight))
    effects = {"imbalance of the phase gains": [was, imbalance(spec, new)], "relative change of the weight": moved}
    return _with_weight(layer, new), "all phases have one gain, by the least change of the weight", effects


def _recentre(layer: Any, shuffle: int) -> Found:
    rank = len(layer.stride)
    if not _is_strided(layer) or not any(off := shifts(_spec(layer), rank)):
        return None
    new = _layer(layer, *recentred(_spec(layer), _numbers(layer)))
    said = ", ".join(map(str, off))
    return (
        new,
        f"it was {said} output samples off the half-pixel grid",
        {"shift": [max(map(abs, map(float, off))), 0.0]},
    )


def _as_resize(layer: Any, shuffle: int) -> Found:
    if not _is_strided(layer):
        return None
    rank = len(layer.stride)
    spec, numbers = _spec(layer), _numbers(layer)
    conv, weight, lost = fit_resize_conv(spec, numbers)
    pads = [(a.begin, a.end) for a in conv.per_axis(rank)]
    alike = all(b == e for b, e in pads)
    new = _CONV[rank](
        layer.in_channels, layer.out_channels, tuple(a.kernel for a in conv.per_axis(rank)), 1,
        tuple(b for b, _ in pads) if alike else 0, 1, layer.groups, layer.bias is not None,
        device=layer.weight.device, dtype=layer.weight.dtype,
    )  # fmt: skip
    new.weight = _parameter(weight, layer)
    if layer.bias is not None:
        new.bias = layer.bias
    resize = nn.Upsample(scale_factor=tuple(float(s) for s in layer.stride), mode="nearest")
    pad = [] if alike else [_PAD[rank](tuple(n for pair in reversed(pads) for n in pair))]
    effects = {"imbalance of the phase gains": [imbalance(spec, numbers), 0.0], "relative distance of the weight": lost}
    return nn.Sequential(resize, *pad, new), "nearest resize and the convolution nearest to it", effects


def _fresh(layer: Any, shuffle: int) -> Found:
    rank = len(layer.stride)
    if _is_strided(layer):
        spec = ConvTranspose(layer.kernel_size, layer.stride, dilation=layer.dilation, groups=layer.groups)
        weight = he_transposed(spec, layer.in_channels, layer.out_channels, SEED)
        what = "normal weights for the fans of a transposed convolution"
    elif shuffle > 1:
        cells = ConvPixelShuffle(layer.kernel_size, (shuffle,) * rank, 0, layer.dilation, layer.groups)
        weight = icnr(cells, layer.in_channels, layer.out_channels // shuffle**rank, SEED)
        what = "normal weights, the same for every phase of the pixel shuffle behind them"
    else:
        return None
    new: Any = _with_weight(layer, weight)
    if layer.bias is not None:
        new.bias = nn.Parameter(torch.zeros_like(layer.bias), requires_grad=layer.bias.requires_grad)
    return new, what, {"spread of the weights": [float(_numbers(layer).std()), float(weight.std())]}


SEED = 0
"""Of fresh weights: twice the same repair is the same model."""

REPAIRS: dict[str, Repair] = {
    "widen-kernel": _widen,
    "absorb-output-padding": _absorb,
    "equal-phase-gain": _equalise,
    "recentre": _recentre,
    "resize-convolution": _as_resize,
    "reinitialise": _fresh,
}
"""Every repair of a PyTorch layer, by the name of its identity."""
