"""Runs tests/native on a native core that was built with AddressSanitizer and UndefinedBehaviorSanitizer.

    python -m scripts.sanitize [arguments of pytest]

Out-of-bounds accesses, uses after free and undefined behaviour end the run where they happen. Leaks are listed by the
sanitizer behind the last test; those count whose memory the native core itself allocated, since the interpreter and its
other extensions lose some too. GCC alone; PyTorch is not loaded.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
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


def environment(directory: Path, module: Path) -> dict[str, str]:
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
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "LD_PRELOAD": " ".join(preload),
        "ASAN_OPTIONS": "detect_leaks=1:leak_check_at_exit=0:detect_stack_use_after_return=1:strict_init_order=1:"
        "allocator_may_return_null=1",  # an output beyond all memory is NumPy's to refuse,
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


def check_that_it_sees(environ: dict[str, str]) -> None:
    """Raises if a read out of bounds or a leak passes: a check that cannot fail would be worth nothing."""
    reads = "import numpy as np; from upweave.ops.native import fingerprint; a = np.zeros(3000, 'u1')"
    for size, seen in ((3000, False), (3016, True)):
        code = f"import scripts.sanitized; {reads}; fingerprint(a.ctypes.data, {size})"
        command = [sys.executable, "-c", code]
        ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
        if ("heap-buffer-overflow" in ended.stderr, ended.returncode != 0) != (seen, seen):
            raise SystemExit(f"{size} bytes read from 3000: status {ended.returncode}\n{ended.stderr}")
    lost = "import ctypes, scripts.sanitized as s; ctypes.CDLL(None).malloc(12345); print(s.leak_report())"
    ended = subprocess.run([sys.executable, "-c", lost], cwd=ROOT, env=environ, capture_output=True, text=True)
    callers = [part for part in ("libffi", "_ctypes", "_native") if leaks(ended.stdout, part)]
    if "12345 byte(s)" not in ended.stdout or not callers or "_native" in callers:
        raise SystemExit(f"a lost allocation of 12345 bytes was not seen:\n{ended.stdout}\n{ended.stderr}")


def main(*arguments: str) -> int:
    """pytest's exit status, or the sanitizer's."""
    module = build(BUILD)
    environ = environment(BUILD, module)
    check_that_it_sees(environ)
    command = [sys.executable, "-m", "pytest", "-p", "scripts.sanitized", "-p", "no:cacheprovider", "tests/native"]
    return subprocess.run([*command, *arguments], cwd=ROOT, env=environ).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
