"""Labs at settings that nobody looks at: whatever the controls are set to, every cell runs."""

from __future__ import annotations

import importlib
import random
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("marimo")

from upweave.labs.kit.controls import Controls


def setting(rng: random.Random, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Values that the reader can choose."""
    draw = {
        "slider": lambda i: rng.randint(i["low"], i["high"]),
        "choice": lambda i: rng.choice([key for key, _ in i["options"]]),
        "preset": lambda i: "",
        "switch": lambda i: rng.random() < 0.5,
        "numbers": lambda i: [float(rng.randint(-3, 3)) for _ in range(rng.randint(i["least"], i["most"]))],
    }
    values = {i["name"]: draw[i["kind"]](i) for i in items}
    for i in items:
        if i.get("below"):
            values[i["name"]] = min(values[i["name"]], max(values[b] for b in i["below"]) - 1)
    return values


@pytest.mark.parametrize("name", ["matrix", "duality", "sizes", "alignment"])
def test_every_setting_runs(name: str) -> None:
    app = importlib.import_module(f"upweave.labs.{name}").app
    _, found = app.run()
    groups = {n: e.widget for n, e in dict(found).items() if isinstance(getattr(e, "widget", None), Controls)}
    assert groups
    rng = random.Random(name)
    for _ in range(12):
        chosen = {n: SimpleNamespace(values=setting(rng, g.items)) for n, g in groups.items()}
        try:
            app.run(defs=chosen)
        except Exception as e:
            raise AssertionError(f"{name} fails at { {n: c.values for n, c in chosen.items()} }") from e
