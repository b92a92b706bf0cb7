"""The controls of a lab: sliders, choices, numbers, switches, presets; one widget, so that they look and act alike.

    layer = controls(Slider("k", Text("kernel", "核大小"), 1, 9, 4), Slider("s", Text("stride", "步长"), 1, 4, 2))
    layer.values["k"]

Cells that name the result run again when the reader moves one. Values are ints, floats, lists of floats, bools or the
name of a choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import traitlets

from ...errors import UpweaveError
from ..text import Text
from .widget import Widget, in_page, module


@dataclass(frozen=True)
class Slider:
    """A whole number from `low` to `high`; kept under the greatest of the controls named in `below`, if any."""

    name: str
    label: Text
    low: int
    high: int
    value: int
    below: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """One of several named options."""

    name: str
    label: Text
    options: Mapping[str, Text]
    value: str


@dataclass(frozen=True)
class Numbers:
    """A short list of numbers, typed; `least` to `most` of them."""

    name: str
    label: Text
    value: Sequence[float]
    least: int = 1
    most: int = 12


@dataclass(frozen=True)
class Switch:
    """Yes or no."""

    name: str
    label: Text
    value: bool = False


@dataclass(frozen=True)
class Preset:
    """A choice that moves other controls: each option has the values that it sets."""

    name: str
    label: Text
    options: Mapping[str, Text]
    sets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    value: str = ""


@dataclass(frozen=True)
class File:
    """A file that the reader opens, of one of these suffixes; its value has "name" and "data" (base64), or is empty.

    It belongs into `controls` of its own: all values of a group are sent together.
    """

    name: str
    label: Text
    suffixes: tuple[str, ...]
    value: Mapping[str, str] = field(default_factory=dict)


Control: TypeAlias = Slider | Choice | Numbers | Switch | Preset | File


class Controls(Widget):
    """The widget behind `controls`: what the controls are, and the values that the reader has set."""

    _esm = module("controls.js")
    items = traitlets.List().tag(sync=True)
    values = traitlets.Dict().tag(sync=True)


def controls(*items: Control) -> Any:
    """The controls as one element of the page; `.values` has their values by name. Raises `UpweaveError` for a name
    that comes twice or a value out of range."""
    names = [i.name for i in items]
    if len(set(names)) < len(names):
        raise UpweaveError(f"two controls have the same name: {', '.join(names)}")
    return in_page(Controls(items=[_item(i) for i in items], values={i.name: _value(i) for i in items}))


def stretch(element: Any, name: str, high: int) -> None:
    """Let the slider of that name go up to `high`; its value follows if it is beyond."""
    items = [dict(i, high=high) if i["name"] == name else i for i in element.items]
    if items != element.items:
        element.items = items
        element.values = {**element.values, name: min(element.values[name], high)}


def _value(item: Control) -> Any:
    if isinstance(item, Slider) and not item.low <= item.value <= item.high:
        raise UpweaveError(f"{item.name} = {item.value} is not between {item.low} and {item.high}")
    if isinstance(item, (Choice, Preset)) and item.value and item.value not in item.options:
        raise UpweaveError(f"{item.name}: {item.value!r} is none of {', '.join(item.options)}")
    if isinstance(item, File):
        return dict(item.value)
    return [float(v) for v in item.value] if isinstance(item, Numbers) else item.value


def _item(item: Control) -> dict[str, Any]:
    out: dict[str, Any] = {"kind": type(item).__name__.lower(), "name": item.name, "label": item.label.pair}
    if isinstance(item, Slider):
        out |= {"low": item.low, "high": item.high, "below": list(item.below)}
    if isinstance(item, File):
        out["suffixes"] = list(item.suffixes)
    if isinstance(item, Numbers):
        out |= {"least": item.least, "most": item.most}
    if isinstance(item, (Choice, Preset)):
        out["options"] = [[key, text.pair] for key, text in item.options.items()]
    if isinstance(item, Preset):
        out["sets"] = {key: dict(values) for key, values in item.sets.items()}
    return out
