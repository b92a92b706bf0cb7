"""Accelerate decoders of the field as ONNX files: `python -m field.accelerate_onnx FAMILY… [--no-measure]`.

Each model is exported by both of PyTorch's exporters (files that are in the folder already are kept), rewritten for
each target, and compared; with timing unless that is turned off. The results go to `field/results-onnx/`, from which
`python -m field.report_onnx` writes the table of docs/rewrite/onnx.md. 1 if a certificate failed or a model that was
rewritten is slower.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .onnx_models import EXPORTERS, ONNX_FAMILIES, Exporter, OnnxModel, export, models

TARGETS = ("onnxruntime", "openvino")
RESULTS = Path("field/results-onnx")


def file_of(model: OnnxModel, exporter: Exporter, folder: Path) -> Path:
    """Where the file of a model is."""
    return folder / f"{model.package}-{model.name}.{exporter}.onnx"


def accelerated(model: OnnxModel, exporter: Exporter, path: Path, target: str, measure: bool) -> dict[str, Any]:
    """What became of one file for one target."""
    from upweave.rewrite.identity import choose
    from upweave.rewrite.onnx.run import rewrite_file

    started = time.perf_counter()
    names = choose(None, purposes=("speed",))
    report = rewrite_file(
        path, names, target=target, shapes=model.inputs if model.open else None, measure=measure
    ).report
    certificate = report.certificate
    worst = {
        dtype: max(t.difference.relative for t in certificate.trials if t.dtype == dtype)
        for dtype in {t.dtype for t in (certificate.trials if certificate else ())}
    }  # fmt: skip
    return {
        "package": model.package,
        "version": _version(model.package),
        "name": model.name,
        "exporter": exporter,
        "target": target,
        "runtime": version(target),
        "torch": version("torch"),
        "date": date.today().isoformat(),
        "inputs": {n: list(s) for n, s in model.inputs.items()},
        "applied": dict(sorted(Counter(a.identity for a in report.applied).items())),
        "refused": [{"identity": r.identity, "path": r.path, "reason": r.reason} for r in report.refused],
        "multiplies": [report.before.multiplies, report.after.multiplies],
        "share": round(report.share, 3),
        "passed": certificate is None or certificate.passed,
        "comparisons": len(certificate.trials) if certificate else 0,
        "relative": worst,
        "seconds": [report.timing.before, report.timing.after] if report.timing else None,
        "warnings": list(report.warnings),
        "notes": list(report.notes),
        "took_s": round(time.perf_counter() - started, 1),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="+", choices=ONNX_FAMILIES)
    parser.add_argument("--only", nargs="+", help="these models")
    parser.add_argument("--exporter", nargs="+", choices=EXPORTERS, default=EXPORTERS)
    parser.add_argument("--target", nargs="+", choices=TARGETS, default=TARGETS)
    parser.add_argument("--folder", type=Path, default=Path("build/field-onnx"), help="where the exported files are")
    parser.add_argument("--no-measure", action="store_true", help="do not time anything")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    options.folder.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    failures = 0
    for family in options.families:
        for model in models(family):
            for exporter in options.exporter if not options.only or model.name in options.only else ():
                path = file_of(model, exporter, options.folder)
                if not path.exists():
                    try:
                        export(model, exporter, path)
                    except Exception as error:  # the model's, or the exporter's
                        print(f"{model.name}, {exporter}: not exported: {type(error).__name__}", flush=True)
                        continue
                for target in options.target:
                    found = accelerated(model, exporter, path, target, not options.no_measure)
                    (RESULTS / f"{path.stem}.{target}.json").write_text(json.dumps(found, indent=1) + "\n")
                    t = found["seconds"]
                    failures += not found["passed"] or (t is not None and t[1] > 1.02 * t[0])
                    speed = f"{t[0] / t[1]:.2f}×" if t else "not timed"
                    print(
                        f"{model.name}, {exporter}, {target}: {found['applied'] or 'nothing'}; {speed}; "
                        f"{found['relative']}; {len(found['warnings'])} warnings; {found['took_s']} s",
                        flush=True,
                    )
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
