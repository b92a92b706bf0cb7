"""UW202 misaligned-merge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from ...graph.grid import Meeting, Root
from ...graph.ir import Concat, Node
from ..context import Context, amount, number
from ..finding import Finding, Level
from ..rule import Rule


class MisalignedMerge(Rule):
    """Two tensors are added or concatenated although their samples stand for different places.

    ## What it finds
    Sums, products and concatenations of tensors that descend from one input axis and whose grids disagree there, after
    all strides, paddings, crops and resizes on the way. The level follows the distance: a note below one sample, which
    the next 3×3 convolution can reach across, said once for all merges of that distance; a note as well where strided
    convolutions make the whole distance, each by less than one of its input samples, which its kernel can learn to take
    back; else a warning. A module that merges the same two grids in several ways is named once.

    ## Why it is bad
    What the skip says about a place is combined with what the other path says about its neighbour: edges double, and
    fine detail lands beside where it belongs.

    ## Example
    ```python
    up = nn.ConvTranspose2d(64, 32, kernel_size=3, stride=2, padding=0)(x)[..., :-1, :-1]  # crops one side only
    y = torch.cat([skip, up], dim=1)
    ```

    ## Use instead
    A layer whose phase matches the encoder's: `kernel_size=2, stride=2` behind a 2×2 pool, `kernel_size=4, stride=2,
    padding=1` behind a centred downsampling, `kernel_size=3, stride=2, padding=1, output_padding=1` behind a 3×3
    stride-2 convolution with padding 1.

    ## Fix safety
    Unsafe: outputs change, and trained weights have adapted.

    ## References
    - Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation, CVPR 2015 (crop offsets)
    - Huang et al.: AlignSeg: Feature-Aligned Segmentation Networks, TPAMI 2021
    """

    code = "UW202"
    name = "misaligned-merge"
    summary = "grids that meet in a merge disagree"
    needs_topology = True

    def check(self, context: Context) -> Iterator[Finding]:
        """One finding for every merge that is a sample off, and one for all that are less off by the same amount."""
        by_node: dict[str, list[Meeting]] = {}
        for m in context.grids.meetings:
            if m.kept.root.kind == "input" and m.kept.root.extent > 1 and m.kept.extent > 1:
                by_node.setdefault(m.node.name, []).append(m)
        small: dict[Fraction, list[list[Meeting]]] = {}
        for meetings in _each_pair_once(by_node.values()):
            worst = max(m.displacement for m in meetings)
            if worst < 1:
                small.setdefault(worst, []).append(meetings)
            else:
                level = Level.NOTE if all(_is_learned_away(context, m) for m in meetings) else Level.WARNING
                yield self._about(context, meetings, [meetings], level)
        for merges in small.values():
            yield self._about(context, merges[0], merges, Level.NOTE)

    def _about(self, context: Context, meetings: list[Meeting], merges: list[list[Meeting]], level: Level) -> Finding:
        worst = max(meetings, key=lambda m: m.displacement)
        node = worst.node
        a, b = worst.grids
        paths = [_path(context, v, node) for v in worst.values]
        what = "concatenates" if isinstance(node.op, Concat) else "combines"
        spaced = f", and their samples are spaced {number(a.step)} and {number(b.step)} apart"
        others = len(merges) - 1
        more = f" ({others} more {'merge' if others == 1 else 'merges'} by the same amount)" if others else ""
        message = (
            f"{what} {paths[0]} with {paths[1]}, whose samples lie {amount(worst.displacement)} apart: sample 0 stands "
            f"at {number(a.origin)} of the input in the one and at {number(b.origin)} in the other"
            f"{'' if a.step == b.step else spaced}{more}"
        )
        evidence = {
            "values": list(worst.values),
            "paths": paths,
            "dims": [m.dim for m in meetings],
            "displacement": [float(m.displacement) for m in meetings],
            "steps": [float(a.step), float(b.step)],
            "origins": [float(a.origin), float(b.origin)],
            "merges": [m[0].node.path or m[0].node.name for m in merges],
        }
        path = node.path or node.name
        return self.finding(path, message, evidence=evidence, level=level, where=node.where, node=node.name)


def _each_pair_once(merges: Iterable[list[Meeting]]) -> Iterator[list[Meeting]]:
    """One merge for every pair of grids in one module: a fusion that concatenates and multiplies is one place."""
    seen: set[tuple[object, ...]] = set()
    for meetings in merges:
        node = meetings[0].node
        pairs = frozenset((m.dim, frozenset((g.root, g.step, g.origin) for g in m.grids)) for m in meetings)
        key = (node.path or node.name, pairs)
        if key not in seen:
            seen.add(key)
            yield meetings


def _is_learned_away(context: Context, meeting: Meeting) -> bool:
    """Whether strided convolutions of one path make the whole distance, each within its own kernel's reach."""
    a, b = meeting.grids
    moves = [_moves(context, value, a.root) for value in meeting.values]
    own = [moves[0][k] for k in moves[0].keys() - moves[1]] + [-moves[1][k] for k in moves[1].keys() - moves[0]]
    return a.step == b.step and bool(own) and abs(sum(own, Fraction(0))) == meeting.displacement * abs(a.step)


def _moves(context: Context, value: str, root: Root) -> dict[tuple[Fraction, Fraction], Fraction]:
    """How far each strided convolution above a value moves the half-pixel grid of `root`, where its kernel reaches.

    By the steps before and after, so that the branches of a residual block count once.
    """
    above = context.ancestors(value)
    out: dict[tuple[Fraction, Fraction], Fraction] = {}
    for layer in context.layers:
        r = layer.resampler
        if layer.op != "Conv" or layer.spec is None or r.node.output not in above:
            continue
        for spec, before, after in zip(layer.spec.per_axis(layer.rank), r.before, r.after, strict=True):
            moved = after.origin - before.origin - (after.step - before.step) / 2
            if before.root == after.root == root and moved and abs(moved) < before.step and spec.kernel > 1:
                out[before.step, after.step] = moved
    return out


def _path(context: Context, value: str, merge: Node) -> str:
    """A name that the reader knows for a tensor: the nearest module above it other than the merge's own."""
    at = value
    while (node := context.producers.get(at)) is not None and node.inputs:
        if node.path and node.path != merge.path:
            return node.path
        at = node.inputs[0]
    return f"input {at}" if at in context.graph.inputs else value
