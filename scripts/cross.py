"""Compiles the native core for another processor and runs its kernels there, or on an emulator.

    python -m scripts.cross [compiler [emulator]]      by default aarch64-linux-gnu-g++ and qemu-aarch64-static

Debian has both, in g++-aarch64-linux-gnu and qemu-user-static. Python is not needed there: tests/native/kernels.cpp
compares random layers with the definition.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ("-std=gnu++20", "-O2", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra", "-Wno-psabi")
SOURCES = ("arena", "direct", "tables", "targets", "threads")


def main(compiler: str = "aarch64-linux-gnu-g++", emulator: str = "qemu-aarch64-static") -> int:
    """The test program's exit status: 0 if every kernel computed what it should."""
    native = ROOT / "native"
    sources = [ROOT / "tests" / "native" / "kernels.cpp", *(native / f"{name}.cpp" for name in SOURCES)]
    with tempfile.TemporaryDirectory() as directory:
        body, program = f"{directory}/target.o", f"{directory}/kernels"
        compiling = [compiler, *FLAGS, f"-I{native}"]
        subprocess.run([*compiling, "-DUPWEAVE_ISA=baseline", "-c", str(native / "target.cpp"), "-o", body], check=True)
        # static, so that the emulator needs no libraries; the linker warns of dlopen, which nothing here reaches
        subprocess.run([*compiling, "-static", *map(str, sources), body, "-o", program], check=True)
        return subprocess.run([emulator, program]).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
