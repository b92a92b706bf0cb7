"""Which of a model's rewrites make it slower: groups of them are timed, and the doubtful ones halved.

Steps are in the order in which they were made, and each needs the ones before it, so what can be timed is the model
after k steps. A group (i, j] costs t(j)/t(i), both timed in turns.

    0 ───────── 4 ───────── 8      (0, 8] takes 0.95 of the time where 0.80 was promised: halved, which is one race
    0.99       0.96                of the models after 0, 4 and 8 steps. (4, 8] delivers; (0, 4] promised 0.83: halved
    0    2     4                   …
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

SLOWER = 1.02
"""A rewritten model may take so many times the original's time, and a group of rewrites that of the model before it."""

RACES = 12
"""So many times models are timed beside one another at most, whatever is found."""

Race: TypeAlias = Callable[[Sequence[int]], Sequence[float]]
"""Numbers of steps to the seconds that the models after so many take, timed in turns."""


@dataclass(frozen=True)
class Group:
    """The steps first + 1 … last (counted from 1); with them the model takes `ratio` times its time without them."""

    first: int
    last: int
    ratio: float

    @property
    def size(self) -> int:
        """How many steps."""
        return self.last - self.first


def slower_groups(
    promised: Sequence[float], ratio: float, race: Race, races: int, needs: Mapping[int, Collection[int]] | None = None
) -> tuple[list[Group], int]:
    """(the groups that make the model slower, the races that were run).

    `promised[k]` is the estimated time after k steps, `ratio` what all steps together were measured to make of the
    model. A group is halved where it saves less than was promised by more than noise; the one that falls short most
    comes first, at most `races` times. Groups that are still whole then are judged as they are. `needs[k]` are steps
    before step k that it is built on: a group that costs time is kept where those that are built on it win it back.
    Where no group is `SLOWER` but all together are, it is the one that comes nearest.
    """
    groups, spent = [Group(0, len(promised) - 1, ratio)], 0

    def shortfall(group: Group) -> float:
        return group.ratio - promised[group.last] / promised[group.first]

    while spent < races:
        doubtful = [g for g in groups if g.size > 1 and shortfall(g) > SLOWER - 1]
        if not doubtful:
            break
        group = max(doubtful, key=shortfall)
        middle = (group.first + group.last) // 2
        before, half, after = race((group.first, middle, group.last))
        spent += 1
        at = groups.index(group)
        groups[at : at + 1] = [Group(group.first, middle, half / before), Group(middle, group.last, after / half)]
    found = [g for g in groups if g.ratio > SLOWER and g.ratio * _won_back(g, groups, needs or {}) > SLOWER]
    if not found and ratio > SLOWER:
        found = [max(groups, key=lambda g: g.ratio)]
    return found, spent


def _won_back(group: Group, groups: Sequence[Group], needs: Mapping[int, Collection[int]]) -> float:
    """What the later groups that are built on a group's steps make of the model's time."""
    built = set(range(group.first + 1, group.last + 1))
    for step in sorted(needs):
        if built & set(needs[step]):
            built.add(step)
    return prod(g.ratio for g in groups if g.first >= group.last and built & set(range(g.first + 1, g.last + 1)))
