"""Calling a function in a fresh Python process: for what may be measured once a process only.

    python -m bench.child package.module:function '{"keyword": value}'

prints the JSON of what the function returned as its last line.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any


def call(function: str, arguments: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Any:
    """What `function` ("package.module:name") returns for keyword arguments that JSON can say, in a new process.

    The process imports from where this one does; `environment` is added to this one's own. `RuntimeError` with its last
    words if it fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "bench.child", function, json.dumps(dict(arguments))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        # the whole of it for whoever looks into it, its last line for the message
        sys.stderr.write(done.stderr)
        words = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise RuntimeError(f"{function} in a process of its own: {words[0]}")
    return json.loads(done.stdout.splitlines()[-1])


def main(function: str, arguments: str) -> None:
    """Run the function and print what it returned."""
    module, name = function.split(":")
    print(json.dumps(getattr(importlib.import_module(module), name)(**json.loads(arguments))))


if __name__ == "__main__":
    main(*sys.argv[1:])
