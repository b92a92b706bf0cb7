"""The models of the field report, by family; `FAMILIES` names each family and says how to list its models.

Every entry builds a public class with its own default or published hyper-parameters, without weights from anywhere.
`transformers`, `diffusers` and `monai` live in one environment, what needs torchvision in the other (see
`field/README.md`), so that each family imports its package only when it is asked for its models.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from ..model import Model

__all__ = ["FAMILIES", "Model"]


def _family(name: str) -> Callable[[], list[Model]]:
    return lambda: import_module(f".{name}", __name__).models()


FAMILIES: dict[str, Callable[[], list[Model]]] = {n: _family(n) for n in ("monai", "diffusers", "transformers", "smp")}
