"""The official SARIF 2.1.0 schema, for the tests: taken once from the npm package that carries it, kept in `.cache/`.

The schema is OASIS's and is not part of this project, so it is fetched instead of copied.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = "@microsoft/jest-sarif@1.0.0-beta.0"
MEMBER = "package/lib/schemas/sarif-2.1.0-rtm.5.json"
CACHE = Path(__file__).resolve().parent.parent / ".cache" / "sarif-2.1.0.json"


def schema() -> dict[str, Any]:
    """The schema as JSON; raises `OSError` or `subprocess.SubprocessError` where npm cannot bring it."""
    if not CACHE.exists():
        CACHE.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE.parent) as folder:
            command = ["npm", "pack", "--silent", "--pack-destination", folder, PACKAGE]
            subprocess.run(command, check=True, capture_output=True, timeout=120)
            (archive,) = Path(folder).glob("*.tgz")
            with tarfile.open(archive) as tar:
                member = tar.extractfile(MEMBER)
                if member is None:
                    raise OSError(f"{PACKAGE} has no {MEMBER}")
                fetched = Path(folder) / CACHE.name
                fetched.write_bytes(member.read())
            fetched.replace(CACHE)
    found: dict[str, Any] = json.loads(CACHE.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    print(schema()["$id"])
