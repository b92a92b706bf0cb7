"""What `python -m bench remedies` does once its process is bound to its processors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import click
import torch

from . import speed, study
from .networks import TaskName
from .remedy import REMEDIES


def run(
    path: Path,
    tasks: tuple[str, ...],
    names: str | None,
    seeds: int | None,
    quick: bool,
    threads: int,
    force: bool,
    times: bool,
    command: str,
) -> None:
    """Run what is missing at `path`: cells, and then the times of the upsamplers unless only some cells are asked for.

    With `force` anew: all of it, or the cells of the tasks and remedies that are named. With `times` the times alone,
    anew. `ValueError` for unknown remedies and for results of other settings.
    """
    chosen = [n.strip() for n in names.split(",")] if names else list(REMEDIES)
    if unknown := [n for n in chosen if n not in REMEDIES]:
        raise ValueError(f"no remedy is called {', '.join(unknown)}; there are {', '.join(REMEDIES)}")
    some = bool(tasks or names)
    if force and not some:
        path.unlink(missing_ok=True)
    torch.set_num_threads(threads)
    settings = study.quick() if quick else study.Settings()
    wanted = cast("tuple[TaskName, ...]", tasks) or study.TASKS
    if not times:
        count = seeds or (1 if quick else 5)
        done = study.run(path, settings, wanted, chosen, count, command, click.echo, anew=force and some)
    if times or not (some or done.speed):
        done = study.begin(path, settings, command)
        rows = [row for shape in speed.SHAPES for row in speed.measure(shape, threads, 2.0 if quick else 10.0)]
        study.save(replace(done, speed=tuple(rows)), path)
        for row in rows:
            fast = "left as it is" if row["accelerated_ms"] is None else f"{row['accelerated_ms']:.3g} ms accelerated"
            click.echo(f"{row['shape']:7} {row['form']:13} {row['torch_ms']:.3g} ms, {fast}")
    click.echo(f"written: {path}")
