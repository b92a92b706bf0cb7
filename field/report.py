"""Write the table of docs/field-report.md from field/results: `python -m field.report [--check]`."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- field: begin -->", "<!-- field: end -->"
RESULTS, PAGE = Path("field/results"), Path("docs/field-report.md")


def table(results: list[dict[str, Any]]) -> str:
    """The totals and one row for every model, by package and name."""
    classes = {(r["package"], r["class"]) for r in results}
    by_package = Counter(package for package, _ in classes)
    slowest = max(results, key=lambda r: r["cpu_s"])
    largest = max(results, key=lambda r: r["peak_mib"])
    meta = max((r for r in results if r["device"] == "meta"), key=lambda r: r["peak_mib"])
    versions = dict(sorted({(r["package"], r["version"]) for r in results}))
    packages = ", ".join(f"{n} of {p} {versions[p]}" for p, n in sorted(by_package.items()))
    lines = [
        f"{len(results)} audits of {len(classes)} classes ({packages}). The slowest took {slowest['cpu_s']:.1f} s of "
        f"one core ({slowest['name']}); the most memory was {meta['peak_mib']} MiB on the meta device "
        f"({meta['name']}) and {largest['peak_mib']} MiB "
        f"among the models that need real buffers ({largest['name']}, whose own parameters "
        "are a part of it).",
        "",
        _totals(results),
        "",
        "| package | model | upsamplers | nodes | findings | CPU s | MiB |",
        "|---|---|---|---:|---|---:|---:|",
    ]
    for r in results:
        codes = Counter((f["code"], f["level"]) for f in r["findings"])
        words = " ".join(
            f"{'**' if level != 'note' else ''}{code}{f' ×{n}' if n > 1 else ''}{'**' if level != 'note' else ''}"
            for (code, level), n in sorted(codes.items())
        )
        layers = ", ".join(f"{n} {kind}" for kind, n in r["upsamplers"].items()) or "none"
        mark = "" if r["device"] == "meta" else " †"
        lines.append(
            f"| {r['package']} | {r['name']}{mark} | {layers} | {r['nodes']:,} | {words or '—'} | {r['cpu_s']:.1f} | "
            f"{r['peak_mib']} |"
        )
    return "\n".join(lines)


def _totals(results: list[dict[str, Any]]) -> str:
    """How many audits named each rule, and how many nothing but notes, or nothing at all."""
    named = Counter(c for r in results for c in {f["code"] for f in r["findings"]})
    quiet = sum(not r["findings"] for r in results)
    calm = sum(bool(r["findings"]) and all(f["level"] == "note" for f in r["findings"]) for r in results)
    uneven = sum(any(f["code"] == "UW101" for f in r["findings"]) for r in results)
    transposed = sum("ConvTranspose" in r["upsamplers"] for r in results)
    nearest = sum("Resize nearest" in r["upsamplers"] for r in results)
    rules = ", ".join(f"{c} in {n}" for c, n in sorted(named.items()))
    return (
        f"{quiet} audits found nothing, {calm} nothing but notes. Rules by the number of audits that they spoke in: "
        f"{rules}. Of {transposed} models with transposed convolutions {uneven} have unevenly covered ones; of "
        f"{nearest} with nearest resizes {named['UW701']} could fold some of them."
    )


def load(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The results, by package and name."""
    results = [json.loads(f.read_text()) for f in folder.glob("*.json")]
    return sorted(results, key=lambda r: (r["package"], r["name"].lower()))


def written(page: str, rows: str) -> str:
    """The page with the part between the markers replaced."""
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n\n{rows}\n\n{END}{rest.split(END)[1]}"


def main() -> int:
    """Run the command; with --check, 1 if the page is not what the results say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    page = PAGE.read_text()
    new = written(page, table(load()))
    if options.check:
        return 0 if new == page else 1
    PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
