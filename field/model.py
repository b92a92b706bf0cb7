"""What an entry of the field is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Model:
    """One public model: how to build it, what to feed it (shapes, or keyword shapes), and on which device.

    A part of a class, or a variant of it, is written behind the class's name: `AutoencoderKL.decoder`,
    `BasicUNet(pixelshuffle)`.
    """

    package: str
    name: str
    build: Callable[[], Any]
    shapes: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    device: str = "meta"

    @property
    def class_name(self) -> str:
        """The public class that the entry is built from."""
        return self.name.split("(")[0].split(".")[0]
