"""`upweave audit`: the findings of one model."""

from __future__ import annotations

import dataclasses
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ModelError, UpweaveError
from . import _swallow_stdout
from .inputs import arguments, codes, shapes
from .target import check, is_file, reading

if TYPE_CHECKING:
    from ..audit.config import Config
    from ..audit.report import Report
    from ..graph.ir import Graph
    from ..graph.load import Device

FORMATS = ("text", "json", "sarif", "github", "html")
LEVELS = ("note", "warning", "error", "none")


def target_options(function: Any) -> Any:
    """TARGET and the options that say how to read it, shared by `audit` and `sizes`."""
    for option in (
        click.option("--traceback", is_flag=True, help="Show where a factory raised."),
        click.option(
            "--device",
            type=click.Choice(("cpu", "meta")),
            default="cpu",
            show_default=True,
            help="Where a factory builds the model; 'meta' makes no weights, which is quick.",
        ),
        click.option("--arg", "args", multiple=True, metavar="NAME=VALUE", help="An argument for the factory."),
        click.option(
            "--input",
            "inputs",
            multiple=True,
            metavar="SHAPE",
            help="Shape of an input: 1x3x64x64, name=1x3x64x64, 1x77:int64. Once for each input.",
        ),
        click.argument("target"),
    ):
        function = option(function)
    return function


@click.command("audit", short_help="Find what is wrong with a model's upsampling layers.")
@target_options
@click.option("--select", multiple=True, metavar="RULES", help="Only these rules: codes, prefixes (UW1) or names.")
@click.option("--ignore", multiple=True, metavar="RULES", help="Not these rules.")
@click.option("--format", "fmt", type=click.Choice(FORMATS), help="Default: by the suffix of -o, else text.")
@click.option("-o", "--output", metavar="FILE", help="Write to this file instead of the terminal.")
@click.option("--force", is_flag=True, help="Let -o overwrite a file.")
@click.option(
    "--fail-level",
    type=click.Choice(LEVELS),
    help="Exit with 1 if there is a finding of this level or above. Default: the configuration's, else warning.",
)
@click.option("--layers", is_flag=True, help="List every resampling layer as well (text).")
@click.option("--config", metavar="FILE", help="A pyproject.toml; default: the nearest one above the current folder.")
def command(
    target: str,
    inputs: tuple[str, ...],
    args: tuple[str, ...],
    device: Device,
    traceback: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fmt: str | None,
    output: str | None,
    force: bool,
    fail_level: str | None,
    layers: bool,
    config: str | None,
) -> int:
    """Audit TARGET: model.onnx, model.pt2 or package.module:factory.

    \b
    upweave audit generator.onnx
    upweave audit mypackage.models:Generator --input 1x3x256x256 --arg width=64
    upweave audit generator.onnx -o report.html

    Exits with 0 if clean, 1 if there are findings at the fail level or above, 2 if something is wrong with the input.
    """
    from ..audit.render import format_of, render
    from ..audit.render.files import check_destination, write_text

    if output is not None:
        chosen = fmt or format_of(output)
        destination = check_destination(output, force=force)
    else:
        chosen, destination = fmt or "text", None
    configuration = settings(config, select, ignore)
    report = run_audit(target, inputs, args, device, traceback, configuration)
    if destination is not None:
        write_text(destination, render(report, chosen))
        click.echo(f"{_summary(report)} Written to {destination}.", err=True)
    elif chosen == "text":
        show(report, layers)
    else:
        emit(render(report, chosen))
    return exit_code(report, fail_level or str(configuration.fail_level))


def run_audit(
    target: str,
    inputs: tuple[str, ...],
    args: tuple[str, ...],
    device: Device,
    traceback: bool,
    config: Config,
) -> Report:
    """The report on a target, from the options as they were typed."""
    from ..audit.run import audit_graph

    graph, model = read_target(target, inputs, args, device, traceback)
    return audit_graph(graph, config=config, model=model)


def read_target(
    target: str, inputs: tuple[str, ...], args: tuple[str, ...], device: Device, traceback: bool
) -> tuple[Graph, Any]:
    """The graph of a target, under the name that the user gave it, and the module behind it if there is one."""
    check(target)
    shapes_given = shapes(inputs, typed=not target.lower().endswith(".onnx"))
    arguments_given = arguments(args)
    if is_file(target):
        if arguments_given:
            raise ModelError(f"--arg is for factories; '{target}' is a file")
    elif shapes_given is None:
        raise ModelError(f"'{target}' needs the shape of each input: --input 1x3x64x64")
    from ..graph.load import load

    quiet()
    with reading(target, show_traceback=traceback):
        graph, model = load(target, shapes_given, args=arguments_given, device=device)
    return dataclasses.replace(graph, target=target), model


def settings(config: str | None, select: tuple[str, ...], ignore: tuple[str, ...]) -> Config:
    """The configuration of --config or of the nearest pyproject.toml, with what the options say instead."""
    from ..audit.config import load_config, read_config

    found = load_config() if config is None else read_config(Path(config))
    if (chosen := codes(select)) is not None:
        found = dataclasses.replace(found, select=chosen)
    if (left_out := codes(ignore)) is not None:
        found = dataclasses.replace(found, ignore=left_out)
    found.rules()  # raises now, before the audit, for a rule that does not exist
    return found


def quiet() -> None:
    """Keep the libraries' warnings out of the findings, unless Python was asked for them (-W, PYTHONWARNINGS)."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def exit_code(report: Report, fail_level: str) -> int:
    """0, or 1 if a finding reaches the fail level."""
    from ..audit.finding import Level

    return int(fail_level != "none" and bool(report.at_least(Level.parse(fail_level))))


def _summary(report: Report) -> str:
    from ..audit.render.words import summary

    return summary(report)


def show(report: Report, layers: bool) -> None:
    """Print for people: in colour on a terminal, plain in a pipe."""
    if not sys.stdout.isatty():
        from ..audit.render.text import to_text

        columns = os.environ.get("COLUMNS", "")
        emit(to_text(report, layers=layers, width=max(20, int(columns)) if columns.isdecimal() else 100))
        return
    from rich.console import Console

    from ..audit.render.text import renderable

    Console(highlight=False, emoji=False).print(renderable(report, layers=layers))


def emit(text: str) -> None:
    """Write to the standard output; a reader that has gone away is no error, and the exit code stays."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _swallow_stdout()
    except OSError as e:
        _swallow_stdout()
        raise UpweaveError(f"cannot write to the standard output: {e.strerror}") from e
