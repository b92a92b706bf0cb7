"""What `accelerate` and `fix` share: options, the file that is written, the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError, ModelError, UpweaveError
from .audit import emit, quiet
from .inputs import shapes
from .target import check, reading

if TYPE_CHECKING:
    from ..rewrite.onnx.run import Rewritten
    from ..rewrite.report import RewriteReport


def shared_options(function: Any) -> Any:
    """The model, where the result goes, what it is compared on, and how the report looks."""
    for option in (
        click.option("--traceback", is_flag=True, help="Show where an error was raised."),
        click.option("--format", "fmt", type=click.Choice(("text", "json")), default="text", show_default=True),
        click.option("--report", metavar="FILE", help="Write the report as well: .html, .json or .txt."),
        click.option(
            "--inputs",
            "data",
            metavar="FILE",
            help="Inputs of your own to compare on: .npz with an array for each input, or .npy for the only one.",
        ),
        click.option(
            "--input",
            "inputs",
            multiple=True,
            metavar="SHAPE",
            help="Shape of an input with dynamic axes: 1x3x64x64, name=1x3x64x64. Once for each input.",
        ),
        click.option("--ignore", multiple=True, metavar="NAMES", help="Not these."),
        click.option("--force", is_flag=True, help="Let -o and --report overwrite files."),
        click.option("--in-place", is_flag=True, help="Replace the model itself."),
        click.option("-o", "--output", metavar="FILE", help="Where the rewritten model goes."),
        click.argument("model"),
    ):
        function = option(function)
    return function


def perform(
    model: str,
    names: tuple[str, ...],
    *,
    output: str | None,
    in_place: bool,
    force: bool,
    inputs: tuple[str, ...],
    data: str | None,
    report: str | None,
    fmt: str,
    target: str,
    measure: bool,
    traceback: bool,
) -> RewriteReport:
    """Rewrite a file and write what came of it; everything that could go wrong is checked before the work begins."""
    check(model)
    if not model.lower().endswith(".onnx"):
        raise ModelError(
            f"'{model}' is no .onnx file; for PyTorch there are upweave.accelerate and upweave.fix in Python"
        )
    if output is None and not in_place:
        raise UpweaveError("say where the rewritten model goes: -o FILE, or --in-place")
    if output is not None and in_place and Path(output).resolve() != Path(model).resolve():
        raise UpweaveError("-o and --in-place name two places; give one of them")
    with reading(model, show_traceback=traceback):
        from ..audit.render.files import check_destination, write_text
        from ..rewrite.onnx.run import rewrite_file
        from ..rewrite.onnx.store import destination
    goal = destination(output or model, model, in_place=in_place, force=force)
    said = None if report is None else (check_destination(report, force=force), report_format(report))
    quiet()
    feeds = None if data is None else read_inputs(data, model)
    with reading(model, show_traceback=traceback):
        found = rewrite_file(
            model, names, target=target, shapes=shapes(inputs, typed=False), data=feeds, measure=measure
        )
    for warning in found.report.warnings:
        click.echo(f"warning: {warning}", err=True)
    write(found, goal, Path(model))
    if said is not None:
        write_text(said[0], render(found.report, said[1]))
    emit(render(found.report, fmt))
    if fmt == "text":
        click.echo(written(found, goal, Path(model)), err=True)
    return found.report


def write(found: Rewritten, goal: Path, model: Path) -> None:
    """The model to its file: nothing is done where it would replace itself unchanged."""
    from ..rewrite.onnx.store import save, uses_external_data

    if not found.report.changed and goal.exists() and goal.samefile(model):
        return
    import onnx

    external = uses_external_data(onnx.load(model, load_external_data=False))
    save(found.model, goal, external=external)


def written(found: Rewritten, goal: Path, model: Path) -> str:
    """Where the result is, in a sentence."""
    if found.report.changed:
        return f"Written to {goal}."
    same = goal.exists() and goal.samefile(model)
    return "Nothing was rewritten, and nothing written." if same else f"Nothing was rewritten; {goal} is a copy."


def render(report: RewriteReport, fmt: str) -> str:
    """The report as text, JSON or HTML."""
    if fmt == "html":
        return report.to_html()
    return report.to_json() if fmt == "json" else str(report)


def report_format(path: str) -> str:
    """The format that a suffix stands for; raises `UpweaveError` for another one."""
    from ..rewrite.page import SUFFIXES

    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UpweaveError(f"--report {path}: name a file that ends in .html, .json or .txt")
    return SUFFIXES[suffix]


def read_inputs(path: str, model: str) -> dict[str, Any]:
    """Arrays by input name out of an .npz or .npy file. No pickle is loaded."""
    import numpy as np
    import onnx

    try:
        found = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise UpweaveError(f"--inputs: there is no file '{path}'") from None
    except (OSError, ValueError, EOFError) as e:
        raise UpweaveError(f"--inputs: '{path}' is no .npy or .npz file of plain arrays: {e}") from None
    graph = onnx.load(model, load_external_data=False).graph
    known = {t.name for t in graph.initializer}
    names = [i.name for i in graph.input if i.name not in known]
    if isinstance(found, np.ndarray):
        if len(names) != 1:
            raise UpweaveError(f"--inputs: the model has {len(names)} inputs; give an .npz with {', '.join(names)}")
        return {names[0]: found}
    try:
        arrays = {n: found[n] for n in found.files}
    except ValueError as e:
        raise UpweaveError(f"--inputs: '{path}' holds something else than plain arrays: {e}") from None
    if set(arrays) != set(names):
        raise UpweaveError(
            f"--inputs: '{path}' has {', '.join(arrays) or 'nothing'}; the model wants {', '.join(names)}"
        )
    return arrays


def names_of(texts: tuple[str, ...]) -> tuple[str, ...] | None:
    """Comma-separated, repeatable names; None where none is given."""
    found = tuple(c.strip() for t in texts for c in t.split(",") if c.strip())
    if texts and not found:
        raise ConfigError("an empty list of rewrites is given")
    return found or None
