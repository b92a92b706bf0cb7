"""`accelerate` and `fix` for ONNX files: read, rewrite, certify, measure; the edited model and the report."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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
from ..certify import Certificate, difference
from ..cost import Price, Target, price_of, target_of
from ..engine import Outcome, Step, rewrite
from ..identity import Refusal, Replacement, all_identities
from ..local import certify_step
from ..report import Applied, RewriteReport, Timing
from .compare import Comparison
from .edit import edited, why_not_written
from .runtime import Feeds, best_runtime, load, random_inputs
from .slower import RACES, SLOWER, Group, slower_groups
from .source import Source, suggested_shapes
from .store import with_weights

Array = npt.NDArray[Any]


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
    sizes = {n: source.graph.shapes.get(n, given.get(n, ())) for n in source.graph.inputs}
    feeds = list(random_inputs(model.proto, sizes, data))
    whole = price_of(source.graph.nodes, source.graph.shapes, table)
    comparison = Comparison(original, best_runtime(target), feeds, sizes, whole.multiplies)
    work = _Work(source, original, names, table, comparison, say)
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


@dataclass
class _Work:
    """One file on its way through rewriting and certification."""

    source: Source
    original: onnx.ModelProto
    names: tuple[str, ...]
    target: Target
    comparison: Comparison
    say: Callable[[str], None]
    rejected: dict[tuple[str, str, tuple[str, ...]], str] = field(default_factory=dict)
    checked: dict[tuple[str, str, tuple[str, ...]], Certificate | None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    slow: list[Refusal] = field(default_factory=list)
    races: int = RACES

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
        (what, feeds), runtime = self.comparison.feeds[0], self.comparison.runtime
        old, new = load(before, runtime)(feeds), load(after, runtime)(feeds)
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
                self.drop(outcome, certificate)
                continue
            timing = self.time(model) if measure else None
            if timing is not None and self.refuse_slow(outcome, timing):
                continue
            return Rewritten(model, self.report(path, outcome, certificate, timing)), outcome

    def refuse_slow(self, outcome: Outcome, timing: Timing) -> bool:
        """Reject the steps that make the model slower; True if there are some.

        Where the races are spent, all steps are rejected if together they make it slower.
        """
        steps, ratio = outcome.steps, timing.after / timing.before
        groups = [Group(0, len(steps), ratio)] if ratio > SLOWER else []
        self.races -= 1
        if self.races > 0:
            self.say("looking for rewrites that make the model slower")
            graphs = [self.source.graph, *(s.graph for s in steps)]
            promised = [price_of(g.nodes, g.shapes, self.target).seconds for g in graphs]
            groups, spent = slower_groups(
                promised, ratio, lambda counts: self.race(outcome, counts), self.races, _needs(steps)
            )
            self.races -= spent
        for group in groups:
            others = f" and {group.size - 1} others" if group.size > 1 else ""
            reason = f"measured in {timing.runtime}: with it{others} the model takes {group.ratio:.2f} times its time"
            for step in steps[group.first : group.last]:
                r = step.replacement
                self.rejected[_key(r)] = reason
                self.slow.append(Refusal(r.identity, r.path, reason))
        return bool(groups)

    def race(self, outcome: Outcome, counts: Sequence[int]) -> tuple[float, ...]:
        """Seconds of the model after so many steps each, timed in turns."""
        folder = self.source.model.folder
        return self.comparison.race(
            [with_weights(edited(self.source, outcome.steps[n - 1].graph), folder) if n else None for n in counts]
        )

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

    def certify(self, model: onnx.ModelProto, only: Collection[str] | None = None) -> Certificate:
        self.say(f"comparing in {self.comparison.runtime}")
        return self.comparison.certificate(model, only)

    def drop(self, outcome: Outcome, certificate: Certificate) -> None:
        """Reject the step that makes the model differ, found by halving: with it, and not without it, it does."""
        self.say("looking for the rewrite that differs")
        failed = {t.inputs for t in certificate.trials if not t.passed}
        right, wrong = 0, len(outcome.steps)  # so many steps are right, so many are not
        found = certificate
        while wrong - right > 1:
            middle = (right + wrong) // 2
            graph = outcome.steps[middle - 1].graph
            tried = self.certify(with_weights(edited(self.source, graph), self.source.model.folder), failed)
            if tried.trials and not tried.passed:
                wrong, found = middle, tried
            else:
                right = middle
        self.warn(outcome.steps[wrong - 1].replacement, f"the model's certificate failed: {found}")

    def time(self, model: onnx.ModelProto) -> Timing | None:
        if self.comparison.runtime != self.target.name:
            return None
        self.say(f"timing in {self.comparison.runtime}")
        return self.comparison.times(model)

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
        refused = (*outcome.refusals, *self.slow, *_frozen(self.source))
        return RewriteReport(
            path, self.target.name, self.target.measured, self.applied(outcome), tuple(dict.fromkeys(refused)),
            before, after, share_of_upsampling(self.source.graph, self.target, before), certificate, timing,
            (*self.source.graph.notes, *self.source.promises(outcome.graph), *self.comparison.notes),
            tuple(self.warnings),
        )  # fmt: skip


def _key(r: Replacement) -> tuple[str, str, tuple[str, ...]]:
    return r.identity, r.path, r.removed


def _needs(steps: Sequence[Step]) -> dict[int, set[int]]:
    """For each step, counted from 1, the steps before it that wrote something that it takes away or reads."""
    found: dict[int, set[int]] = {}
    for k, step in enumerate(steps, 1):
        read = {v for n in (*step.old, *step.new) for v in n.inputs}
        gone = {n.name for n in step.old}
        found[k] = {
            j for j, other in enumerate(steps[: k - 1], 1)
            if gone & {n.name for n in other.new} or read & (_written(other.new) - _written(other.old))
        }  # fmt: skip
    return found


def _written(nodes: Iterable[Node]) -> set[str]:
    return {v for n in nodes for v in n.outputs}


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
