"""Audit every example, as a PyTorch model and as an ONNX file: `python -m examples.demo [FOLDER]`.

Prints the findings and leaves in FOLDER (default `demo`) the ONNX files, one HTML report a model and `report.html`,
which holds them all in one file.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from rich.console import Console
from rich.rule import Rule

import upweave

from . import MODELS, Example
from .export import export

if TYPE_CHECKING:
    from upweave.audit import Report


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as the command line takes it: 1x3x256x256."""
    return "x".join(map(str, shape))


def agreement(torch_report: Report, onnx_report: Report) -> str:
    """What the ONNX file's audit says beside the PyTorch model's, in a line."""
    a, b = (Counter(f.name for f in r.findings) for r in (torch_report, onnx_report))
    if a == b:
        return f"{b.total()} findings, the same as the PyTorch model's"
    more, fewer = b - a, a - b
    lists = [
        f"{word} {', '.join(f'{n} ×{c}' for n, c in sorted(x.items()))}"
        for word, x in (("also", more), ("not", fewer))
        if x
    ]
    return f"{b.total()} findings; against the PyTorch model's: {'; '.join(lists)}"


def audit_example(example: Example, folder: Path, console: Console) -> list[tuple[str, Report]]:
    """Audit one example both ways, print, save, and return (command, report) pairs."""
    console.print(Rule(f"[bold]{example.title}[/bold] · {example.about}", align="left"))
    shape = shape_text(example.input)
    model = example.build()

    command = f"upweave audit {example.target} --input {shape}"
    console.print(f"[dim]$ {command}[/dim]", highlight=False)
    report = upweave.audit(model, [example.input])
    console.print(report)
    report.save(folder / f"{example.name}.html", force=True)
    reports = [(command, report)]

    if example.exported:
        path = export(example, model, folder)
        command = f"upweave audit {path}"
        from_onnx = upweave.audit(path)
        console.print(f"[dim]$ {command}[/dim]", highlight=False)
        console.print(f"{agreement(report, from_onnx)}\n", highlight=False)
        from_onnx.save(folder / f"{example.name}.onnx.html", force=True)
        reports.append((command, from_onnx))
    return reports


def write_gallery(entries: list[tuple[Example, list[tuple[str, Report]]]], folder: Path) -> Path:
    """Write `report.html`: a table of all models, and every report inside the same file."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    env = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    rows = [
        {
            "example": example,
            "command": command,
            "kind": "ONNX" if ".onnx" in command else "PyTorch",
            "id": f"{example.name}-{i}",
            "counts": sorted(Counter(f.name for f in report.findings).items()),
            "document": (folder / f"{example.name}{'.onnx' if i else ''}.html").read_text(encoding="utf-8"),
        }
        for example, reports in entries
        for i, (command, report) in enumerate(reports)
    ]
    path = folder / "report.html"
    page = env.get_template("gallery.html.j2").render(rows=rows, version=upweave.__version__)
    path.write_text(page, encoding="utf-8")
    return path


def main() -> None:
    """Run the demonstration."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    folder.mkdir(parents=True, exist_ok=True)
    console = Console()
    start = time.perf_counter()
    entries = [(example, audit_example(example, folder, console)) for example in MODELS.values()]
    report = write_gallery(entries, folder)
    audits = sum(len(reports) for _, reports in entries)
    console.print(
        f"{audits} audits in {time.perf_counter() - start:.0f} s. Open [bold]{report}[/bold]", highlight=False
    )


if __name__ == "__main__":
    main()
