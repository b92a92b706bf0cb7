"""An edited file beside the original: the certificate of the whole model, and both models' times."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx

from ...errors import ModelError
from ...graph.ir import Shape
from ..certify import Certificate, Difference, Trial, certify
from ..report import Timing
from .double import NAME, load_double, why_not_double
from .runtime import Feeds, Run, compare_times, load, small_inputs

MOST = 1e9
"""Multiplications up to which a model is also run in float64: a few seconds."""

IN_DOUBLE = 1e-6
"""How far outputs in float64 may be apart, relative to their norm: new weights are rounded to float32."""


@dataclass
class Comparison:
    """The original of a file and how it is compared with what it is rewritten to.

    Attributes:
        original: with its weights in memory.
        runtime: what runs both.
        feeds: inputs, as (how to call them, by name).
        shapes: of the inputs, as the file was read.
        multiplies: of the original at these shapes.
    """

    original: onnx.ModelProto
    runtime: str
    feeds: Sequence[tuple[str, Feeds]]
    shapes: Mapping[str, Shape]
    multiplies: int
    notes: list[str] = field(default_factory=list)
    _loaded: dict[str, Run] = field(default_factory=dict)

    def certificate(self, model: onnx.ModelProto, only: Collection[str] | None = None) -> Certificate:
        """Both models on all inputs in the runtime, and on small ones in float64 where that takes no long time; with
        `only`, on the inputs of these trials.

        Raises `ModelError` if the runtime runs the original on none of them.
        """
        old = self.old()
        try:
            new = load(model, self.runtime)
        except Exception as e:
            return _refused(f"{self.runtime} refuses the rewritten model: {_first_line(e)}")
        feeds = [(f"{what}, in {self.runtime}", f) for what, f in self.feeds]
        trials = certify(old, new, _among(feeds, only), self.dtype()).trials
        if not trials and only is None:
            raise ModelError(
                f"{self.runtime} runs the model on none of the inputs that were tried; "
                "give shapes with --input or data with --inputs"
            )
        return Certificate((*trials, *self._in_double(model, only)))

    def old(self) -> Run:
        """The original in the runtime. Raises `ModelError` where that refuses it."""
        try:
            return self._once(self.runtime, lambda m: load(m, self.runtime))
        except Exception as e:
            raise ModelError(f"{self.runtime} refuses the model as it is: {_first_line(e)}") from e

    def times(self, model: onnx.ModelProto) -> Timing:
        """Medians of both models on the first inputs, run in turns."""
        what, feeds = self.feeds[0]
        before, after = compare_times((self.old(), load(model, self.runtime)), feeds)
        return Timing(self.runtime, what.removeprefix("random "), before, after)

    def race(self, models: Sequence[onnx.ModelProto | None]) -> tuple[float, ...]:
        """Median seconds of each model on the first inputs, run in turns; None is the original. Shorter than `times`,
        since it is one of several."""
        runs = [self.old() if m is None else load(m, self.runtime) for m in models]
        return compare_times(runs, self.feeds[0][1], seconds=2.0)

    def dtype(self) -> str:
        """The type that the model computes in: that of its narrowest weights."""
        kinds = {t.data_type for t in self.original.graph.initializer}
        for kind in ("FLOAT16", "BFLOAT16", "FLOAT", "DOUBLE"):
            if onnx.TensorProto.DataType.Value(kind) in kinds:
                return {"FLOAT": "float32", "DOUBLE": "float64"}.get(kind, kind.lower())
        return "float32"

    def _once(self, name: str, make: Callable[[onnx.ModelProto], Run]) -> Run:
        if name not in self._loaded:
            self._loaded[name] = make(self.original)
        return self._loaded[name]

    def _in_double(self, model: onnx.ModelProto, only: Collection[str] | None) -> tuple[Trial, ...]:
        what, feeds = small_inputs(self.original, self.shapes)
        size = sum(a.size for a in feeds.values()) / max(1, sum(_size(s) for s in self.shapes.values()))
        reason = why_not_double(self.original)
        if not reason and self.multiplies * size > MOST:
            reason = f"{self.multiplies * size:.1e} multiplications take too long"
        if reason:
            self._note(f"the whole model was not compared in float64: {reason}")
            return ()
        try:
            old = self._once(NAME, load_double)
            old(feeds)
            new = load_double(model)
        except Exception as e:  # an operator that it lacks, or a size that the model cannot take
            self._note(f"the whole model was not compared in float64: {NAME} says: {_first_line(e)}")
            return ()
        inputs = _among([(f"{what}, in {NAME}", feeds)], only)
        return certify(old, new, inputs, "float64", limit=IN_DOUBLE).trials

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _among(feeds: Sequence[tuple[str, Feeds]], only: Collection[str] | None) -> list[tuple[str, Feeds]]:
    return [f for f in feeds if only is None or f[0] in only]


def _refused(reason: str) -> Certificate:
    return Certificate((Trial("any inputs", "float32", Difference(float("inf"), float("inf"), reason=reason), 0.0),))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _size(shape: Any) -> int:
    count = 1
    for n in shape:
        count *= n
    return count
