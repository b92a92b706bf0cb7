"""Fails where code of one instruction set could run on a processor without it.

    python check_symbols.py NM ISA=OBJECT…      e.g.  nm avx2=target.cpp.o

The linker keeps one copy of an inline function, whichever object it meets first. If an object that was compiled for
AVX-512 holds `std::vector::push_back`, that copy may serve the whole module, on every processor. So each weak symbol
of an object must belong to its instruction set: have the namespace upweave::ISA in its name. Initialisers of globals
are no better: they run when the module is loaded, before anybody has asked the processor.
"""

from __future__ import annotations

import subprocess
import sys

WEAK = "uVW"
"""How nm marks symbols of which the linker keeps one copy: unique, weak object, weak function."""
PERSONALITY = "DW.ref."
"""Compilers write these weak pointers to the runtime's exception handler; they are data, equal everywhere."""
INITIALISER = "_GLOBAL__sub_I_"


def leaks(symbols: str, isa: str) -> list[str]:
    """The mangled names, of what `nm --defined-only` prints, that reach beyond the namespace upweave::`isa`."""
    own = f"7upweave{len(isa)}{isa}"
    found = []
    for line in symbols.splitlines():
        *_, kind, name = line.split()
        weak = kind in WEAK and own not in name and not name.startswith(PERSONALITY)
        if weak or name.startswith(INITIALISER):
            found.append(name)
    return found


def main(nm: str, *objects: str) -> int:
    """0 if no object leaks; otherwise 1, and every symbol on standard error."""
    status = 0
    for argument in objects:
        isa, path = argument.split("=", 1)
        printed = subprocess.run([nm, "--defined-only", path], capture_output=True, text=True, check=True).stdout
        for name in leaks(printed, isa):
            print(f"{path}: {name} is compiled for {isa} and may run anywhere", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
