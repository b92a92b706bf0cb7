"""From the command's options to a `Run` that says what was measured, on what, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import metadata
from typing import Any

import torch

import upweave

from . import machine, ours
from .contender import Peer
from .harness import Settings
from .results import MemoryRow, Row, Run
from .roofline import Roofline

RECORDED = tuple(f.name for f in fields(Settings) if f.name not in ("clock", "sleep"))
"""What of the settings is a number, and stands beside the results."""


@dataclass
class Session:
    """One command's run: what holds for all its rows. Start it before anything is timed: it takes the load average."""

    mode: str
    backend: ours.Backend
    peers: Sequence[Peer]
    settings: Settings
    command: str

    def __post_init__(self) -> None:
        self.ours = ours.name(self.backend)  # raises at once if the core that is asked for is not there
        self.date = machine.now()
        self.machine: dict[str, Any] = machine.describe()
        self.machine["upweave_isa"] = ours.isa(self.backend)
        self.machine["torch_isa"] = torch.backends.cpu.get_cpu_capability()
        torch.set_num_threads(self.settings.threads)

    def warning(self) -> str | None:
        """A sentence if the machine is not idle."""
        load = self.machine["load_before"]
        if load is None or load <= machine.BUSY:
            return None
        return f"the load average is {load}: something else runs here, and the numbers will not be worth much"

    def run(
        self,
        rows: Sequence[Row] = (),
        memory: Sequence[MemoryRow] = (),
        roofline: Roofline | None = None,
    ) -> Run:
        """What was found, with the load average after it."""
        self.machine["load_after"] = machine.load()
        versions: dict[str, str | None] = {"upweave": upweave.__version__, "torch": torch.__version__}
        for package in ("numpy", *(peer.package for peer in self.peers)):
            versions.setdefault(package, _version(package))
        return Run(
            self.mode, self.ours, self.date, self.command, self.machine, versions,
            {p.name: f"{p.about} Fresh output: {p.fresh_output}." for p in self.peers},
            {name: getattr(self.settings, name) for name in RECORDED},
            {} if roofline is None else {"gflops": roofline.gflops, "gb_s": roofline.gb_s},
            tuple(rows), tuple(memory),
        )  # fmt: skip


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
