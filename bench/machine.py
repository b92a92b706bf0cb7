"""What the numbers were measured on, and keeping every contender to the same processors."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve", "hypervisor")
BUSY = 0.5
"""Load average above which a run warns at its start."""


def describe() -> dict[str, Any]:
    """The machine, its state and this checkout; a value that cannot be read is None."""
    info = _cpuinfo()
    flags = set((info.get("flags") or info.get("Features") or "").split())
    return {
        "cpu": info.get("model name") or platform.processor() or None,
        "family_model_stepping": "/".join(info.get(k, "?") for k in ("cpu family", "model", "stepping")),
        "flags": [f for f in FLAGS if f in flags],
        "caches": _caches(),
        "cores": os.cpu_count(),
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_gib": _memory(),
        "system": platform.system(),
        "kernel": platform.release(),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "transparent_hugepage": _chosen(_read("/sys/kernel/mm/transparent_hugepage/enabled")),
        "python": platform.python_version(),
        "load_before": load(),
        **_checkout(),
    }


def load() -> float | None:
    """Load average of the last minute, None where there is no such thing."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def now() -> str:
    """Date and time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def pin(threads: int) -> list[int] | None:
    """Bind this process, and what it starts from now on, to `threads` processors, of different cores if possible.

    Pools that size themselves by the processors they may use then all have the same number. `ValueError` if there are
    fewer; None where the system has no affinity. Call it before any library with threads is imported.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    if threads > len(allowed):
        raise ValueError(f"{threads} threads on {len(allowed)} processors")
    chosen: list[int] = []
    siblings: set[str] = set()
    for cpu in allowed:
        core = _read(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") or str(cpu)
        if core not in siblings and len(chosen) < threads:
            siblings.add(core)
            chosen.append(cpu)
    chosen += [cpu for cpu in allowed if cpu not in chosen][: threads - len(chosen)]
    os.sched_setaffinity(0, chosen)
    return sorted(chosen)


def _cpuinfo() -> dict[str, str]:
    text = _read("/proc/cpuinfo") or ""
    lines = (line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in lines}


def _caches() -> dict[str, str]:
    found = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (_read(str(index / name)) for name in ("level", "type", "size"))
        if level and size and kind != "Instruction":
            found[f"L{level}"] = size
    return found


def _memory() -> float | None:
    for line in (_read("/proc/meminfo") or "").splitlines():
        if line.startswith("MemTotal:"):
            return round(int(line.split()[1]) / 2**20, 1)
    return None


def _chosen(options: str | None) -> str | None:
    """The word in brackets of "always [madvise] never"."""
    return options.split("[")[1].split("]")[0] if options and "[" in options else options


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def _checkout() -> dict[str, Any]:
    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    # results alone may differ: they are what a run writes
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":!/bench/results", ":!/docs")
    return {"commit": git("rev-parse", "HEAD"), "changed_since": None if changed is None else bool(changed)}
