"""`accelerate` and `fix` for ONNX files: read, rewrite, certify, measure; the edited model and the report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from ...errors import ModelError, SpecError
from ...graph.ir import Convolution, Graph, Node, Resize, Shape, TransposedConvolution
from ...graph.onnx.front import graph_of
from ...graph.onnx.inputs import GivenShapes
from ...graph.onnx.reader import Model, read_model
from ..certify import Certificate, Difference, Trial, certify, difference
from ..cost import Price, Target, price_of, target_of
from ..engine import Outcome, Step, rewrite
from ..identity import Refusal, Replacement, all_identities
from ..local import certify_step
from ..report import Applied, RewriteReport, Timing
from .edit import edited, why_not_written
from .runtime import Feeds, Run, best_runtime, compare_times, load, random_inputs
from .source import Source, suggested_shapes
from .store import with_weights

Array = npt.NDArray[Any]

SLOWER = 1.02
"""A rewritten model may take so many times the original's time; else it is not chosen."""


@dataclass(frozen=True)
class Rewritten:
    """What came of a file: the model, its weights in memory, and the report. Without rewrites the model is the old."""

    model: onnx.ModelProto
    report: RewriteReport


def rewrite_file(
    path: str | os.PathLike[str],
    names: Iterable[str],
    *,
    target: str = "onnxruntime",
    shapes: GivenShapes = None,
    data: Feeds | None = None,
    measure: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> Rewritten:
    """Apply the identities of these names to a file, and certify the result.

    Args:
        path: an `.onnx` file. It is read, never written.
        names: identities; `choose` finds them.
        target: the runtime whose prices decide what pays.
        shapes: for dynamic axes; sizes that models usually take where they are not given.
        data: inputs of the user's own to compare on, besides random ones.
        measure: time both models on the target, if it is installed, and drop rewrites that make it slower.
        say: told what is going on.

    A rewrite whose certificate fails is dropped with a warning, and the rest is tried again. Raises `ModelError` for a
    file that is no sound model, or one that the runtime refuses as it is.
    """
    names = tuple(names)
    table = target_of(target)
    model = read_model(path)
    given = _complete(model, shapes, data)
    source = Source(model, graph_of(model, given))
    original = onnx.ModelProto()
    original.CopyFrom(model.proto)
    with_weights(original, model.folder)
    work = _Work(source, original, names, table, _feeds(source, given, data), best_runtime(target), say)
    return work.run(str(path), measure and any(all_identities()[n].purpose == "speed" for n in names))


def _complete(model: Model, shapes: GivenShapes, data: Feeds | None) -> Mapping[str, tuple[int, ...]]:
    """A shape for every input: given, or that of the given data, or suggested.

    Raises `ModelError` where a size is none that the file declares ("2*h").
    """
    found = {n: tuple(a.shape) for n, a in (data or {}).items()}
    if isinstance(shapes, Mapping):
        found |= {n: tuple(s) for n, s in shapes.items()}
    elif shapes is not None:
        known = {t.name for t in model.proto.graph.initializer}
        inputs = [i.name for i in model.proto.graph.input if i.name not in known]
        if len(shapes) > len(inputs):
            raise ModelError(f"{len(shapes)} input shapes are given, but the model has {len(inputs)}")
        found |= dict(zip(inputs, map(tuple, shapes), strict=False))
    return found | suggested_shapes(model, found)


def _feeds(source: Source, shapes: Mapping[str, tuple[int, ...]], data: Feeds | None) -> list[tuple[str, Feeds]]:
    sizes = {n: source.graph.shapes.get(n, shapes.get(n, ())) for n in source.graph.inputs}
    return list(random_inputs(source.model.proto, sizes, data))


@dataclass
class _Work:
    """One file on its way through rewriting and certification."""

    source: Source
    original: onnx.ModelProto
    names: tuple[str, ...]
    target: Target
    feeds: list[tuple[str, Feeds]]
    runtime: str
    say: Callable[[str], None]
    rejected: dict[tuple[str, str, tuple[str, ...]], str] = field(default_factory=dict)
    checked: dict[tuple[str, str, tuple[str, ...]], Certificate | None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    _old: Run | None = None

    def run(self, path: str, measure: bool) -> Rewritten:
        """Everything: what is safe first, certified and timed, then the repairs that change outputs."""
        known = all_identities()
        safe = tuple(n for n in self.names if known[n].safety == "safe")
        done, outcome = self.run_safe(path, safe, measure)
        unsafe = tuple(n for n in self.names if n not in safe)
        return self.run_unsafe(path, done, outcome, unsafe) if unsafe else done

    def run_unsafe(self, path: str, done: Rewritten, safe: Outcome, names: tuple[str, ...]) -> Rewritten:
        """The repairs on top of what is done already, one kind after the other; each says what it changed."""
        graph, model, report = safe.graph, done.model, done.report
        for name in names:
            self.say(f"repairing: {name}")
            outcome = rewrite(graph, [name], self.target, self.source.frozen, self.judge)
            report = replace(report, refused=(*report.refused, *outcome.refusals))
            if not outcome.steps:
                continue
            repaired = with_weights(edited(self.source, outcome.graph), self.source.model.folder)
            changed = self.effects(model, repaired, outcome)
            applied = (*report.applied, *(replace(a, effects=changed) for a in self.applied(outcome)))
            after = price_of(outcome.graph.nodes, outcome.graph.shapes, self.target)
            report = replace(report, applied=applied, after=after, timing=None)
            graph, model = outcome.graph, repaired
        return Rewritten(model, report)

    def effects(self, before: onnx.ModelProto, after: onnx.ModelProto, outcome: Outcome) -> dict[str, Any]:
        """How much a kind of repair changed the outputs and the pattern in them, on the first inputs."""
        what, feeds = self.feeds[0]
        old, new = load(before, self.runtime)(feeds), load(after, self.runtime)(feeds)
        found: dict[str, Any] = {
            "measured on": what,
            "change of the outputs (relative norm)": difference(old, new).relative,
        }
        node = outcome.steps[0].old[0]
        for name in old:
            period = _period(node, outcome.steps[0], old[name].shape)
            if period is not None:
                found.update(_artifacts(name, old[name], new[name], period))
        return found

    def run_safe(self, path: str, names: tuple[str, ...], measure: bool) -> tuple[Rewritten, Outcome]:
        """What keeps the outputs, certified."""
        while True:
            outcome = self.outcome(names)
            if not outcome.steps:
                return Rewritten(self.original, self.report(path, outcome, None, None)), outcome
            model = with_weights(edited(self.source, outcome.graph), self.source.model.folder)
            certificate = self.certify(model)
            if not certificate.passed:
                self.drop(outcome, certificate, names)
                continue
            timing = self.time(model) if measure else None
            slow = None if timing is None or timing.after <= SLOWER * timing.before else self.doubtful(outcome)
            if slow is None:
                return Rewritten(model, self.report(path, outcome, certificate, timing)), outcome
            assert timing is not None
            self.warnings.append(
                f"{slow} was not applied: with it the model takes {timing.after / timing.before:.2f} times its time in "
                f"{timing.runtime}"
            )
            names = tuple(n for n in names if n != slow)

    def outcome(self, names: tuple[str, ...]) -> Outcome:
        self.say("matching")
        return rewrite(self.source.graph, names, self.target, self.source.frozen, self.judge)

    def judge(self, r: Replacement, step: Step) -> str:
        """Why a replacement is not to be applied, or ""."""
        key = _key(r)
        if key in self.rejected:
            return self.rejected[key]
        if reason := why_not_written(self.source, step.graph, step.new):
            return reason
        if r.safety == "safe" and key not in self.checked:
            self.say(f"checking {r.identity} on {r.path}")
            self.checked[key] = certify_step(step.old, step.new, step.shapes, step.context)
        found = self.checked.get(key)
        if found is not None and not found.passed:
            self.warn(r, f"its own certificate failed: {found}")
            return self.rejected[key]
        return ""

    def warn(self, r: Replacement, reason: str) -> None:
        self.rejected[_key(r)] = reason
        self.warnings.append(f"{r.path}: {r.identity} was dropped: {reason}")

    def old(self) -> Run:
        if self._old is None:
            try:
                self._old = load(self.original, self.runtime)
            except Exception as e:
                said = (str(e).strip().splitlines() or [type(e).__name__])[0]
                raise ModelError(f"{self.runtime} refuses the model as it is: {said}") from e
        return self._old

    def certify(self, model: onnx.ModelProto) -> Certificate:
        self.say(f"comparing in {self.runtime}")
        old = self.old()
        try:
            new = load(model, self.runtime)
        except Exception as e:
            said = (str(e).strip().splitlines() or [type(e).__name__])[0]
            lost = Difference(float("inf"), float("inf"), reason=f"{self.runtime} refuses the rewritten model: {said}")
            return Certificate((Trial("any", "float32", lost, 0.0),))
        found = certify(old, new, ((f"{what}, in {self.runtime}", f) for what, f in self.feeds), self.dtype())
        if not found.trials:
            raise ModelError(
                f"{self.runtime} runs the model on none of the inputs that were tried; "
                "give shapes with --input or data with --inputs"
            )
        return found

    def dtype(self) -> str:
        """The type that the model computes in: that of its narrowest weights."""
        kinds = {t.data_type for t in self.original.graph.initializer}
        for kind in ("FLOAT16", "BFLOAT16", "FLOAT", "DOUBLE"):
            if onnx.TensorProto.DataType.Value(kind) in kinds:
                return {"FLOAT": "float32", "DOUBLE": "float64"}.get(kind, kind.lower())
        return "float32"

    def drop(self, outcome: Outcome, certificate: Certificate, names: tuple[str, ...]) -> None:
        """Reject the first step that makes the model differ."""
        self.say("looking for the rewrite that differs")
        judged = {_key(s.replacement) for s in outcome.steps}
        for k, step in enumerate(outcome.steps):
            allowed = {_key(s.replacement) for s in outcome.steps[: k + 1]}
            kept = rewrite(
                self.source.graph, names, self.target, self.source.frozen,
                lambda r, _, allowed=allowed: "" if _key(r) in allowed else "later",  # type: ignore[misc]
            )  # fmt: skip
            model = with_weights(edited(self.source, kept.graph), self.source.model.folder)
            found = self.certify(model)
            if not found.passed:
                self.warn(step.replacement, f"the model's certificate failed: {found}")
                return
        # Only all of them together differ: none can be trusted.
        for key in judged:
            self.rejected[key] = f"the model's certificate failed: {certificate}"
        self.warnings.append(f"all rewrites were dropped: the model's certificate failed: {certificate}")

    def time(self, model: onnx.ModelProto) -> Timing | None:
        if self.runtime != self.target.name:
            return None
        self.say(f"timing in {self.runtime}")
        what, feeds = self.feeds[0]
        before, after = compare_times(self.old(), load(model, self.runtime), feeds)
        return Timing(self.runtime, what.removeprefix("random "), before, after)

    def doubtful(self, outcome: Outcome) -> str:
        """The identity whose steps promised the least of what they replaced."""
        kinds = {s.replacement.identity for s in outcome.steps}

        def promise(kind: str) -> float:
            steps = [s for s in outcome.steps if s.replacement.identity == kind]
            return sum(s.gain for s in steps) / max(1e-12, sum(s.before.seconds for s in steps))

        return min(sorted(kinds), key=promise)

    def applied(self, outcome: Outcome) -> tuple[Applied, ...]:
        """The steps as the report lists them."""
        return tuple(
            Applied(
                s.replacement.identity, s.replacement.path, s.replacement.reason, s.replacement.safety,
                s.before, s.after, self.checked.get(_key(s.replacement)),
            )
            for s in outcome.steps
        )  # fmt: skip

    def report(
        self, path: str, outcome: Outcome, certificate: Certificate | None, timing: Timing | None
    ) -> RewriteReport:
        before, after = (price_of(g.nodes, g.shapes, self.target) for g in (self.source.graph, outcome.graph))
        refused = (*outcome.refusals, *_frozen(self.source))
        return RewriteReport(
            path, self.target.name, self.target.measured, self.applied(outcome), tuple(dict.fromkeys(refused)),
            before, after, share_of_upsampling(self.source.graph, self.target, before), certificate, timing,
            (*self.source.graph.notes, *self.source.promises(outcome.graph)), tuple(self.warnings),
        )  # fmt: skip


def _key(r: Replacement) -> tuple[str, str, tuple[str, ...]]:
    return r.identity, r.path, r.removed


def _period(node: Node, step: Step, output: Shape) -> tuple[int, ...] | None:
    """How far apart a layer's strides come out in the model's output, an axis: outputs for each of its inputs."""
    x = step.shapes.get(node.inputs[0], ()) if node.inputs else ()
    if len(x) != len(output) or len(x) < 3:
        return None
    found = tuple(n // h for n, h in zip(output[2:], x[2:], strict=True))
    return found if all(p >= 1 for p in found) and max(found) > 1 else None


def _artifacts(name: str, old: Array, new: Array, period: tuple[int, ...]) -> dict[str, Any]:
    """The shares of an output's variance that repeat with the period, before and after; the mean over the batch."""
    from ...artifacts import score

    try:
        scores = [score(y, period, dims=len(period)) for y in (old, new)]
    except SpecError as error:
        return {f"artifacts of {name}": f"not scored: {error}"}
    return {
        f"pattern all over {name}, share of the variance": [float(np.mean(s.imbalance)) for s in scores],
        f"pattern by places in {name}, share of the variance": [float(np.mean(s.energy)) for s in scores],
    }


def _frozen(source: Source) -> list[Refusal]:
    """Upsamplers, and paddings left to the runtime, that no rewrite may touch, with the reason."""
    kinds = (Resize, TransposedConvolution)
    nodes = [*source.graph.of(*kinds), *(n for n in source.graph.of(Convolution) if n.op.implicit)]  # type: ignore[attr-defined]
    return [Refusal("frozen", n.path or n.name, source.frozen[n.name]) for n in nodes if n.name in source.frozen]


def share_of_upsampling(graph: Graph, target: Target, whole: Price) -> float:
    """The part of the estimated time that resizes, transposed convolutions and what directly reads a resize take."""
    readers = graph.consumers()
    nodes = {n.name: n for n in graph.of(Resize, TransposedConvolution)}
    for n in list(nodes.values()):
        if isinstance(n.op, Resize):
            nodes |= {r.name: r for r in readers.get(n.output, ())}
    part = price_of(nodes.values(), graph.shapes, target)
    return part.seconds / whole.seconds if whole.seconds else 0.0
