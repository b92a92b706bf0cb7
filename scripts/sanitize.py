"""Runs tests/native on a native core that was built with AddressSanitizer and UndefinedBehaviorSanitizer.

    python -m scripts.sanitize [arguments of pytest]

Out-of-bounds accesses, uses after free and undefined behaviour end the run where they happen. Leaks are listed by the
sanitizer when the interpreter exits; those count whose memory the native core itself allocated, since the interpreter
and NumPy never free all of theirs. GCC alone; PyTorch is not loaded.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "sanitize"
NEAR = 4
"""A leak is the core's if one of the first so many frames below the allocation is in it."""


def build(directory: Path) -> Path:
    """Compiles the sanitized core into `directory`, what has changed of it, and returns the extension module's path."""
    subprocess.run(
        [
            "cmake", "-G", "Ninja", "-S", str(ROOT / "native"), "-B", str(directory),
            "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1", "-DUPWEAVE_SANITIZE=ON",
            f"-DPython_EXECUTABLE={sys.executable}",
        ],
        check=True,
    )  # fmt: skip
    subprocess.run(["cmake", "--build", str(directory)], check=True)
    (module,) = directory.glob("_native.*.so")
    return module


def environment(directory: Path, module: Path, log: Path) -> dict[str, str]:
    """The variables with which an ordinary Python loads the sanitized module.

    The sanitizers' runtimes must come before everything, and libstdc++ with them, or no exception can be thrown.
    """
    found = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.+)$", (directory / "CMakeCache.txt").read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{directory}/CMakeCache.txt names no compiler")
    preload = []
    for library in ("libasan.so", "libubsan.so", "libstdc++.so.6"):
        at = subprocess.run([found[1], f"-print-file-name={library}"], capture_output=True, text=True, check=True)
        path = Path(at.stdout.strip())
        if not path.is_absolute():
            raise SystemExit(f"{found[1]} has no {library}")
        preload.append(str(path.resolve()))
    return {
        **os.environ,
        "LD_PRELOAD": " ".join(preload),
        "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_init_order=1:allocator_may_return_null=1",
        "LSAN_OPTIONS": f"exitcode=0:print_suppressions=0:max_leaks=0:log_path={log}",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "PYTHONMALLOC": "malloc",
        "UPWEAVE_SANITIZED": str(module),
    }


def leaks(report: str, module: str) -> list[str]:
    """The leaks in LeakSanitizer's report whose memory was asked for by `module`, the extension's file name."""
    found = []
    for entry in re.split(r"\n\s*\n", report):
        frames = re.findall(r"^\s+#\d+ .*$", entry, re.MULTILINE)
        if "leak of" in entry and any(module in frame for frame in frames[: NEAR + 1]):
            found.append(entry.strip())
    return found


def main(*arguments: str) -> int:
    """pytest's exit status; 1 as well where the core leaked."""
    module = build(BUILD)
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "leaks"
        command = [sys.executable, "-m", "pytest", "-p", "scripts.sanitized", "-p", "no:cacheprovider", "tests/native"]
        status = subprocess.run([*command, *arguments], cwd=ROOT, env=environment(BUILD, module, log)).returncode
        report = "\n\n".join(path.read_text() for path in Path(directory).iterdir())
    ours = leaks(report, module.name)
    print("\n\n".join(ours) or "The native core leaks nothing.")
    return status or (1 if ours else 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
