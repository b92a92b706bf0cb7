"""What the layers take of a model's time: timed inside its own runs, so that the parts never exceed the whole.

A layer timed alone, at another moment, on a machine that is busy or with its numbers still in a cache, says how two
ways to run it compare. It says little of how much of the model it is. That is measured here: the model as it is runs a
few times, every convolution and resize in it is timed where it stands, and its share is the mean, over the rounds, of
its part of that round. In each round the parts are disjoint, so their shares add up to 1 at most.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .clock import ROUNDS, now
from .functions import TRANSPOSED
from .inputs import Call
from .observe import Fold, Key, Layer, stack_of_modules

RESIZES = frozenset((F.interpolate, torch.repeat_interleave, Tensor.repeat_interleave))


@dataclass(frozen=True)
class Spent:
    """Attributes:
    whole: median seconds of a run of the model, with the clock in it.
    shares: of each convolution or resize, the part of the run that it takes, all its calls together.
    """

    whole: float = 0.0
    shares: Mapping[Key, float] = field(default_factory=dict)


class _Timing(TorchFunctionMode):
    """Adds up the seconds of every convolution and resize."""

    def __init__(self, stack: list[str]) -> None:
        super().__init__()
        self.stack = stack
        self.seconds: defaultdict[Key, float] = defaultdict(float)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in TRANSPOSED:
            x, weight = (args[n] if len(args) > n else kwargs[name] for n, name in enumerate(("input", "weight")))
            key: Key = (self.stack[-1], tuple(weight.shape), tuple(x.shape))
        elif func in RESIZES and (func is not F.interpolate or _repeats(*args, **kwargs)):
            key = (self.stack[-1], (), ())
        else:
            return func(*args, **kwargs)
        start = now()
        y = func(*args, **kwargs)
        self.seconds[key] += now() - start
        return y


def _repeats(input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", *_: Any, **__: Any) -> bool:  # noqa: A002
    """True for the calls of `F.interpolate` that a fold is about."""
    return mode.startswith("nearest")


def spent_in(model: nn.Module, call: Call, seconds: float) -> Spent:
    """The shares of what a model calls, from as many runs as fit into `seconds`, one at least."""
    rounds: list[tuple[float, Mapping[Key, float]]] = []
    began = now()
    with stack_of_modules(model) as stack, torch.no_grad():
        while True:
            timing = _Timing(stack)
            start = now()
            with timing:
                model(*call[0], **call[1])
            end = now()
            rounds.append((end - start, timing.seconds))
            if len(rounds) == ROUNDS or (end - began) / len(rounds) * (len(rounds) + 1) > seconds:
                break
    keys = {key for _, found in rounds for key in found}
    shares = {key: statistics.fmean(found.get(key, 0.0) / whole for whole, found in rounds) for key in keys}
    return Spent(statistics.median(whole for whole, _ in rounds), shares)


class Claims:
    """Divides the shares among the layers that are seen: what two of them call alike is half of each one's."""

    def __init__(self, spent: Spent, folds: Iterable[Fold], layers: Iterable[Layer]) -> None:
        self._spent = spent
        seen: list[Fold | Layer] = [*folds, *layers]
        self._many = Counter(key for one in seen for key in one.keys)

    def share(self, layers: Iterable[Fold | Layer]) -> float:
        """What these layers take of the whole together."""
        found = self._spent.shares
        return sum(found.get(key, 0.0) / self._many[key] for one in layers for key in one.keys)
