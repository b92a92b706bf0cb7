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
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .model import Model
from .models import FAMILIES

SLOWEST = 900.0
"""Seconds after which a model is given up."""


def audit_one(model: Model) -> dict[str, Any]:
    """Build and audit one model in this process; the findings without their evidence, the layers as a count."""
    import torch

    import upweave

    started = time.perf_counter()
    with torch.device(model.device):
        module = model.build()
    module.eval()
    built = time.perf_counter()
    worked = time.process_time()
    report = upweave.audit(module, model.kwargs or model.shapes, config=upweave.audit.Config())
    done, worked = time.perf_counter(), time.process_time() - worked
    upsamplers = [x for x in report.layers if x.resampler.is_upsampler]
    return {
        "package": model.package,
        "version": version(model.package),
        "name": model.name,
        "class": model.class_name,
        "device": model.device,
        "parameters": sum(p.numel() for p in module.parameters()),
        "modules": sum(1 for _ in module.modules()),
        "nodes": len(report.grids.graph.nodes),
        "build_s": round(built - started, 2),
        "audit_s": round(done - built, 2),
        "cpu_s": round(worked, 2),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "upsamplers": dict(sorted(Counter(_kind(x) for x in upsamplers).items())),
        "resampling_layers": len(report.layers),
        "findings": [
            {"code": f.code, "level": str(f.level), "layer": f.layer, "message": f.message} for f in report.findings
        ],
        "notes": list(report.notes),
    }


def _kind(layer: Any) -> str:
    """An upsampler's kind, with the mode of a resize."""
    return f"{layer.op} {layer.details['mode']}" if layer.op == "Resize" else str(layer.op)


def audit_in_process(family: str, model: Model) -> dict[str, Any] | str:
    """The result of `audit_one` in a process of its own, or the last line of what went wrong there."""
    command = [sys.executable, "-m", "field.run", family, "--only", model.name, "--print"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SLOWEST)
    except subprocess.TimeoutExpired:
        return f"not done after {SLOWEST:.0f} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1][:300]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> int:
    """Run the command; 1 if some model could not be audited."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="+", choices=sorted(FAMILIES))
    parser.add_argument("--only", nargs="+", help="only these models")
    parser.add_argument("--print", action="store_true", help="audit in this process and print the result")
    parser.add_argument("-o", "--out", type=Path, default=Path("field/results"))
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    options.out.mkdir(parents=True, exist_ok=True)
    failures = 0
    for family in options.families:
        for model in FAMILIES[family]():
            if options.only and model.name not in options.only:
                continue
            if options.print:
                print(json.dumps(audit_one(model)))
                continue
            result = audit_in_process(family, model)
            if isinstance(result, str):
                failures += 1
                print(f"FAIL {model.package} {model.name}: {result}", flush=True)
                continue
            (options.out / f"{model.package}-{model.name}.json").write_text(json.dumps(result, indent=1) + "\n")
            codes = dict(Counter(f["code"] for f in result["findings"]))
            print(f"{model.package} {model.name}: {result['audit_s']} s, {result['peak_mib']} MiB, {codes}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
