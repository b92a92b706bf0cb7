"""Which layer of a model makes the periodic artifacts of its output.

Each layer in turn gets, for one run, the nearest weight whose phases have equal gains (`upweave.nn.EqualPhaseGain`);
what of the output's artifacts is gone then is the layer's share. Shares need not add up to 1: layers between are not
linear, patterns may cancel, and a pattern may have another source than gains (borders, padding, coverage of details).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..errors import SpecError
from ..nn.phase_gain import EqualPhaseBias, EqualPhaseGain
from ..nn.regularise import phase_gain_imbalance
from ..spec import ConvPixelShuffle, Ints
from .measure import score

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_ORDINARY = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class LayerShare:
    """What the output's artifacts owe to one layer.

    Attributes:
        path: the layer, as in `named_modules` (empty for the model itself).
        kind: its class.
        deviation: share of its gains' power that differs between phases (`upweave.nn.phase_gain_imbalance`).
        share: by which part the power of the output's imbalance falls when its phases are equalised: 1 if nothing
            remains, negative if it grows.
        energy_share: the same for the energy at the harmonics over their neighbourhood.
    """

    path: str
    kind: str
    deviation: float
    share: float
    energy_share: float


@dataclass(frozen=True)
class Attribution:
    """The artifacts of a model's output, by layer.

    Attributes:
        imbalance, energy: of the output as it is, shares of its variance, over the whole batch.
        found: True if the imbalance of any item of the batch is significant; where not, shares are shares of chance.
        layers: each upsampling layer with weights, the greatest share first.
        together: the share when all of them are equalised at once.
        skipped: paths of upsampling layers that were left alone, and why.
    """

    imbalance: float
    energy: float
    found: bool
    layers: tuple[LayerShare, ...]
    together: float
    skipped: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        lines = [f"imbalance {self.imbalance:.3g} of the variance{'' if self.found else ', which may be chance'}"]
        lines += [f"{100 * x.share:6.1f} %  {x.path or '(the model itself)'} ({x.kind})" for x in self.layers]
        lines.append(f"{100 * self.together:6.1f} %  all of them together")
        return "\n".join([*lines, *(f"skipped   {path}: {why}" for path, why in self.skipped)])


@dataclass(frozen=True)
class _Candidate:
    path: str
    layer: nn.Module
    factor: Ints | None


def attribution(
    model: nn.Module,
    inputs: Any,
    stride: Ints,
    *,
    dims: int | None = None,
    output: Callable[[Any], Tensor] | None = None,
    confidence: float = 0.99,
) -> Attribution:
    """By how much the artifacts of a model's output fall when one layer's phases are equalised, for each layer.

    Args:
        model: a module; it is run in evaluation mode without gradients, and left as it was.
        inputs: a tensor, a tuple of positional arguments, or a dict of keyword arguments.
        stride: the period to look for in the output: the product of the strides between the first layer of interest and
            the output, so that earlier layers' patterns count too.
        dims, confidence: as for `score`.
        output: picks the tensor to score where the model returns anything else, (N, C, *size).

    The layers are transposed convolutions with a stride, and convolutions whose output a pixel shuffle reads.
    Raises `SpecError` for a model without one, and as `score` does for the output.
    """
    if not isinstance(model, nn.Module):
        raise SpecError(f"expected a torch.nn.Module, got {type(model).__name__}")
    args, kwargs = _call(inputs)
    with _evaluating(model), torch.no_grad():

        def powers() -> tuple[float, float, float, bool]:
            y = model(*args, **kwargs)
            y = output(y) if output is not None else y
            if not isinstance(y, Tensor):
                raise SpecError(f"the model returns {type(y).__name__}; name the tensor with output=…")
            found = score(y, stride, dims=dims, confidence=confidence)
            power = [float((v * found.variance).sum()) for v in (found.imbalance, found.energy)]
            return power[0], power[1], float(found.variance.sum()), bool(found.found.any())

        candidates, skipped = _candidates(model, args, kwargs)
        if not candidates:
            why = "".join(f"; {path or type(model).__name__}: {reason}" for path, reason in skipped)
            raise SpecError(f"{type(model).__name__} has no upsampling layer whose phases could be equalised{why}")
        imbalance, energy, variance, found = powers()
        shares = []
        for c in candidates:
            with _equalised(c):
                after = powers()
            shares.append(
                LayerShare(
                    c.path,
                    type(c.layer).__name__,
                    float(phase_gain_imbalance(_shadow(c.layer), upscale_factor=c.factor)),
                    _share(imbalance, after[0]),
                    _share(energy, after[1]),
                )
            )
        with ExitStack() as stack:
            for c in candidates:
                stack.enter_context(_equalised(c))
            together = _share(imbalance, powers()[0])
    whole = variance or 1.0
    ranked = tuple(sorted(shares, key=lambda x: -x.share))
    return Attribution(imbalance / whole, energy / whole, found, ranked, together, tuple(skipped))


def _share(before: float, after: float) -> float:
    return 1 - max(after, 0.0) / before if before > 0 else 0.0


def _call(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(inputs, Tensor):
        return (inputs,), {}
    if isinstance(inputs, dict):
        return (), inputs
    if isinstance(inputs, (tuple, list)):
        return tuple(inputs), {}
    raise SpecError(f"inputs must be a tensor, a tuple or a dict, got {type(inputs).__name__}")


def _candidates(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[list[_Candidate], list[tuple[str, str]]]:
    """The layers to equalise. Which convolution a shuffle reads is seen in a run: the tensor is the same object."""
    paths = {id(m): path for path, m in model.named_modules()}
    made: dict[int, tuple[Any, nn.Module]] = {}
    read: dict[int, nn.Module | None] = {}

    def remember(layer: nn.Module, _: Any, y: Any) -> None:
        made[id(y)] = y, layer  # y is kept, or another tensor might get its id

    def look(shuffle: nn.Module, given: tuple[Any, ...]) -> None:
        read[id(shuffle)] = made[id(given[0])][1] if given and id(given[0]) in made else None

    with ExitStack() as stack:
        for module in model.modules():
            if isinstance(module, _ORDINARY):
                stack.callback(module.register_forward_hook(remember).remove)
            elif isinstance(module, nn.PixelShuffle):
                stack.callback(module.register_forward_pre_hook(look).remove)
        model(*args, **kwargs)
    out: list[_Candidate] = []
    skipped: list[tuple[str, str]] = []
    for path, module in model.named_modules():
        if isinstance(module, _TRANSPOSED):
            candidate = _Candidate(path, module, None) if max(module.stride) > 1 else None
        elif isinstance(getattr(module, "spec", None), ConvPixelShuffle):
            candidate = _Candidate(path, module, None)
        elif isinstance(module, nn.PixelShuffle):
            layer = read.get(id(module))
            if layer is None:
                skipped.append((path, "no convolution directly in front of this pixel shuffle"))
                continue
            candidate = _Candidate(paths[id(layer)], layer, module.upscale_factor)
        elif isinstance(module, (nn.Upsample, nn.UpsamplingNearest2d, nn.UpsamplingBilinear2d)):
            skipped.append((path, "a resize has no weights; its phases are equal for a constant"))
            continue
        else:
            continue
        if candidate is None or any(c.layer is candidate.layer for c in out):
            continue
        try:
            if "forward" in vars(candidate.layer):
                raise SpecError("its forward was overwritten")
            EqualPhaseGain.for_layer(_shadow(candidate.layer), upscale_factor=candidate.factor)
        except SpecError as e:
            skipped.append((candidate.path, str(e)))
            continue
        out.append(candidate)
    return out, skipped


@contextmanager
def _equalised(c: _Candidate) -> Iterator[None]:
    """The layer computes with equal phases inside; its weight is not touched, however it is made."""

    def instead(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], _: Any) -> Any:
        twin = _shadow(layer)
        project = EqualPhaseGain.for_layer(twin, upscale_factor=c.factor)
        vars(twin)["weight"] = project(twin.weight)
        if project.upscale_factor is not None and isinstance(twin.bias, Tensor):
            vars(twin)["bias"] = EqualPhaseBias(twin.bias.shape[0] // _channels(twin, project))(twin.bias)
        return twin.forward(*args, **kwargs)

    handle = c.layer.register_forward_hook(instead, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _channels(layer: nn.Module, project: EqualPhaseGain) -> int:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return project._layout(weight).channels(weight)[1]


def _shadow(layer: nn.Module) -> Any:
    """A module that computes as `layer` does, with its own `weight` and `bias`, in plain attributes.

    They are read from the layer now, so that parametrised ones are as they are computed there.
    """
    cls: Any = type(layer).__bases__[0] if parametrize.is_parametrized(layer) else type(layer)
    twin = cls.__new__(cls)
    own = dict(vars(layer))
    own["_parameters"] = {k: v for k, v in layer._parameters.items() if k not in ("weight", "bias")}
    own |= {k: getattr(layer, k, None) for k in ("weight", "bias")}
    vars(twin).update(own)
    return twin


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, each module's own mode after."""
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
