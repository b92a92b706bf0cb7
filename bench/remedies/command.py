"""What `python -m bench remedies` does once its process is bound to its processors."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click
import torch

from . import study
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
    command: str,
) -> None:
    """Run what is missing at `path`. `ValueError` for unknown remedies and for results of other settings."""
    chosen = [n.strip() for n in names.split(",")] if names else list(REMEDIES)
    if unknown := [n for n in chosen if n not in REMEDIES]:
        raise ValueError(f"no remedy is called {', '.join(unknown)}; there are {', '.join(REMEDIES)}")
    if force:
        path.unlink(missing_ok=True)
    torch.set_num_threads(threads)
    settings = study.quick() if quick else study.Settings()
    wanted = cast("tuple[TaskName, ...]", tasks) or study.TASKS
    study.run(path, settings, wanted, chosen, seeds or (1 if quick else 5), command, click.echo)
    click.echo(f"written: {path}")
