"""Write the table of docs/rewrite/onnx.md from field/results-onnx: `python -m field.report_onnx [--check]`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .accelerate_onnx import RESULTS
from .report import load, written

PAGE = Path("docs/rewrite/onnx.md")


def table(results: list[dict[str, Any]]) -> str:
    """One row for every model, exporter and target."""
    order = {"dynamo": 0, "torchscript": 1}
    results = sorted(results, key=lambda r: (r["package"], r["name"].lower(), order[r["exporter"]], r["target"]))
    versions = sorted({(r["package"], r["version"]) for r in results if r["version"]})
    runtimes = sorted({(r["target"], r["runtime"]) for r in results} | {("torch", r["torch"]) for r in results})
    said = ", ".join(f"{p} {v}" for p, v in (*versions, *runtimes))
    dates = sorted({r["date"] for r in results})
    lines = [
        f"{said}; {' to '.join(dict.fromkeys((dates[0], dates[-1])))}.",
        "",
        "| package | model | exporter | target | rewritten | multiplications | relative norm | time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        applied = ", ".join(f"{n} {name}" for name, n in r["applied"].items()) or "—"
        before, after = (n / 1e9 for n in r["multiplies"])
        norms = ", ".join(f"{v:.1e} ({d})" for d, v in sorted(r["relative"].items())) or "—"
        t = r["seconds"]
        speed = f"{1e3 * t[0]:.4g} → {1e3 * t[1]:.4g} ms, {t[0] / t[1]:.2f}×" if t else "—"
        counts = f"{before:.3g} → {after:.3g} G" if r["applied"] else f"{before:.3g} G"
        cells = (r["package"], r["name"], r["exporter"], r["target"], applied, counts, norms, speed)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Run the command; with --check, 1 if the page is not what the results say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    page = PAGE.read_text()
    new = written(page, table(load(RESULTS)))
    if options.check:
        return 0 if new == page else 1
    PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
