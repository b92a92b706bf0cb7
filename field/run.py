"""Audit the models of the field and write what came out: `python -m field.run FAMILY… [--only NAME] [-o FOLDER]`.

Each model runs in a process of its own, so that its peak memory is its own and a crash is one line.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .models import FAMILIES, Model


def audit_one(model: Model) -> dict[str, Any]:
    """Build and audit one model in this process."""
    import torch

    import upweave

    started = time.perf_counter()
    with torch.device(model.device):
        module = model.build()
    built = time.perf_counter()
    report = upweave.audit(module, model.kwargs or model.shapes)
    done = time.perf_counter()
    return {
        "package": model.package,
        "name": model.name,
        "parameters": sum(p.numel() for p in module.parameters()),
        "modules": sum(1 for _ in module.modules()),
        "build_s": round(built - started, 2),
        "audit_s": round(done - built, 2),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        **{k: v for k, v in report.to_dict().items() if k in ("layers", "findings", "notes")},
    }


def main() -> int:
    """Audit what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", choices=sorted(FAMILIES))
    parser.add_argument("--only", help="audit this model in this process and print the JSON")
    parser.add_argument("-o", "--out", type=Path, default=Path("field/results"))
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    failures = 0
    for family in options.families:
        for model in FAMILIES[family]():
            if options.only:
                if model.name == options.only:
                    print(json.dumps(audit_one(model)))
                continue
            command = [sys.executable, "-m", "field.run", family, "--only", model.name]
            done = subprocess.run(command, capture_output=True, text=True, timeout=600)
            if done.returncode:
                failures += 1
                print(f"FAIL {model.package} {model.name}: {done.stderr.strip().splitlines()[-1][:300]}")
                continue
            result = json.loads(done.stdout.splitlines()[-1])
            options.out.mkdir(parents=True, exist_ok=True)
            file = options.out / f"{model.package}-{model.name.replace('/', '-')}.json"
            file.write_text(json.dumps(result, indent=1) + "\n")
            codes: dict[str, int] = {}
            for finding in result["findings"]:
                codes[finding["code"]] = codes.get(finding["code"], 0) + 1
            print(f"{model.package} {model.name}: {result['audit_s']} s, {result['peak_mib']} MiB, {codes}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
