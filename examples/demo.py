"""Audit every example, as a PyTorch model and as an ONNX file: `python -m examples.demo [FOLDER]`.

Prints the findings and leaves in FOLDER (default `demo`) the ONNX files and `report.html`, all reports in one page.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.rule import Rule

import upweave
from upweave.audit.render.files import write_text
from upweave.audit.render.html import render_html

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


def audit_example(example: Example, folder: Path, console: Console) -> list[Report]:
    """Audit one example both ways, print, and return the reports."""
    console.print(Rule(f"[bold]{example.title}[/bold] · {example.about}", align="left"))
    shape = shape_text(example.input)
    model = example.build()

    command = f"upweave audit {example.target} --input {shape}"
    console.print(f"[dim]$ {command}[/dim]", highlight=False)
    report = replace(upweave.audit(model, [example.input]), target=example.target)
    console.print(report)
    reports = [report]

    if example.exported:
        path = export(example, model, folder)
        command = f"upweave audit {path}"
        from_onnx = upweave.audit(path)
        console.print(f"[dim]$ {command}[/dim]", highlight=False)
        console.print(f"{agreement(report, from_onnx)}\n", highlight=False)
        reports.append(from_onnx)
    return reports


def main() -> None:
    """Run the demonstration."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    folder.mkdir(parents=True, exist_ok=True)
    console = Console()
    start = time.perf_counter()
    reports = [report for example in MODELS.values() for report in audit_example(example, folder, console)]
    page = folder / "report.html"
    write_text(page, render_html(reports, title="Upweave: nine architectures, as PyTorch models and ONNX files"))
    seconds = time.perf_counter() - start
    console.print(f"{len(reports)} audits in {seconds:.0f} s. Open [bold]{page}[/bold]", highlight=False)


if __name__ == "__main__":
    main()
