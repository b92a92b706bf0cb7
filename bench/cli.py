"""The command line of the benchmark: one subcommand for each thing that can be measured, and `report`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console

# Nothing that loads torch or a peer may be imported here: pools size themselves when their library is loaded, and that
# must happen after the process was bound to its processors.
from . import machine, results

if TYPE_CHECKING:
    from .harness import Settings
    from .layers import Layer
    from .results import Row
    from .session import Session

F = TypeVar("F", bound=Callable[..., Any])

COMMON = (
    click.option("--backend", type=click.Choice(["native", "torch", "none"]), default="native", show_default=True,
                 help="How Upweave runs; none: peers alone."),
    click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="Threads of every contender."),
    click.option("--repeat", type=click.IntRange(1), help="Rounds at most [60; for lengths: processes, 3]."),
    click.option("--budget", type=click.FloatRange(0), help="Seconds a row, about, without its set-up [8]."),
    click.option("--quick", is_flag=True, help="A look: 3 rounds, 2 seconds a row."),
    click.option("--name", help="Name of the results; the subcommand's if not given."),
    click.option("--results", "folder", type=click.Path(file_okay=False, path_type=Path), default=results.FOLDER,
                 help="Folder of results [bench/results]."),
    click.option("--force", is_flag=True, help="Replace results of this name."),
)  # fmt: skip

ROWS = (
    click.option("--rows", "pattern", help="Rows whose name matches one of these shell patterns: 'hifigan*,unet_up?'."),
    click.option("--core/--all", default=True, show_default=True, help="Core rows alone, or all (with --rows: all)."),
)

PEERS = click.option("--peers", help="Comma-separated; all if not given.")


def options(*groups: Iterable[Callable[[F], F]] | Callable[[F], F]) -> Callable[[F], F]:
    """Decorator: these click options, in this order."""
    flat = [o for group in groups for o in ((group,) if callable(group) else group)]

    def add(command: F) -> F:
        for option in reversed(flat):
            command = option(command)
        return command

    return add


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure Upweave and its peers, in turns, in one process."""


@main.command()
@options(ROWS, PEERS, COMMON)
@click.option("--channels-last", is_flag=True, help="Time Upweave on channels-last tensors too.")
def forward(**given: Any) -> None:
    """Inference with a frozen weight and a fresh output, against every peer, beside the roofline."""
    _inference("forward", given)


@main.command()
@options(ROWS, COMMON)
def isa(**given: Any) -> None:
    """Inference with Upweave, PyTorch and oneDNN held to AVX2, against PyTorch in NCHW."""
    from .modes import isa as held

    if not held.held():
        sys.exit(held.again(sys.argv[1:]))
    _inference("isa", {**given, "peers": "torch"})


@main.command()
@options(ROWS, COMMON)
def train(**given: Any) -> None:
    """Forward and backward of one layer, against PyTorch in NCHW and channels-last."""
    path = _begin("train", given)
    from .modes import train as mode

    session = _session("train", given)
    rows = _each(_layers(given), lambda layer: mode.measure(layer, given["backend"], session.settings), session)
    _end(session.run(rows), path)


@main.command()
@options(COMMON)
def lengths(**given: Any) -> None:
    """200 lengths that were never seen before, in 1-D, against PyTorch."""
    path = _begin("lengths", given)
    from .modes import lengths as mode

    session = _session("lengths", {"repeat": 1 if given["quick"] else 3, **_set(given)})
    with _plainly():
        rows = [mode.measure(name, given["backend"], session.settings) for name in mode.LAYERS]
    _end(session.run(rows), path)


@main.command()
@options(COMMON)
def overhead(**given: Any) -> None:
    """A call with one multiplication, against PyTorch's operator."""
    path = _begin("overhead", given)
    from .modes import overhead as mode

    session = _session("overhead", given)
    rows = _each(mode.LAYERS, lambda layer: mode.measure(layer, given["backend"], session.settings), session)
    _end(session.run(rows), path)


@main.command()
@options(ROWS, COMMON)
def memory(**given: Any) -> None:
    """Peak memory of a call above its output, in a process for each row, against PyTorch."""
    path = _begin("memory", given)
    from .modes import memory as mode

    session = _session("memory", given)
    contenders = ("torch",) if session.ours is None else ("upweave", "torch")
    with _plainly():
        found = [
            mode.measure(layer, contender, given["backend"], given["threads"])
            for layer in _layers(given)
            for contender in contenders
        ]
    _end(session.run(memory=found), path)


@main.command()
@click.option("--runtimes", default="onnxruntime,openvino", show_default=True, help="Comma-separated.")
@click.option("--only", help="Patterns of this identity alone; the other rows stay.")
@click.option("--budget", type=click.FloatRange(0), default=1.5, show_default=True, help="Seconds a pattern.")
@click.option("--results", "folder", type=click.Path(file_okay=False, path_type=Path), default=results.FOLDER)
def rewrites(runtimes: str, only: str | None, budget: float, folder: Path) -> None:
    """Patterns before and after one rewrite, as ONNX files in ONNX Runtime and OpenVINO."""
    try:
        machine.pin(2)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    from . import rewrites as mode

    chosen = tuple(r.strip() for r in runtimes.split(","))
    if unknown := [r for r in chosen if r not in mode.RUNTIMES]:
        raise click.ClickException(f"no runtime is called {', '.join(unknown)}; there are {', '.join(mode.RUNTIMES)}")
    rows = []
    with _plainly():
        for pattern in (p for p in mode.PATTERNS if only in (None, p.identity)):
            for row in mode.measure(pattern, chosen, budget):
                rows.append(row)
                verdict = "chosen" if row.chosen else "left alone"
                click.echo(
                    f"{row.runtime:12} {row.before_ms:8.2f} → {row.after_ms:8.2f} ms {row.ratio:5.2f}×  {verdict:10} "
                    f"{row.identity}: {row.name}"
                )
    click.echo(f"written: {mode.save(rows, folder, shlex.join(['python', '-m', 'bench', *sys.argv[1:]]))}")


@main.command()
@options(COMMON)
@click.option("--rows", "pattern", help="Models whose name matches one of these shell patterns.")
@click.option("--add", is_flag=True, help="Keep the other rows of results of this name.")
def models(**given: Any) -> None:
    """Whole models: as they are, channels-last, and accelerated by `upweave.accelerate`."""
    add = given.pop("add")
    path = _begin("models", {**given, "force": given["force"] or add})
    from .modes import models as mode

    session = _session("models", given)
    rows = []
    with _plainly():
        for name in mode.select(given["pattern"]):
            rows.append(mode.measure(name, session.settings))
            click.echo(mode.line(rows[-1]))
    if add and path.exists():
        new = {row.name for row in rows}
        rows += [row for row in results.loads(path.read_text(encoding="utf-8")).rows if row.name not in new]
    order = list(mode.MODELS)
    _end(session.run(sorted(rows, key=lambda row: order.index(row.name))), path)


@main.command()
@click.option(
    "--task",
    "tasks",
    multiple=True,
    type=click.Choice(["super-resolution", "autoencoder", "generator"]),
    help="This task alone; may be repeated.",
)
@click.option("--remedies", "names", help="Comma-separated; all if not given.")
@click.option("--seeds", type=click.IntRange(1), help="Networks of each task and remedy [5].")
@click.option("--quick", is_flag=True, help="A look: one seed, a few steps; kept as remedies-quick.")
@click.option("--speed", is_flag=True, help="Time the upsamplers, anew, and train nothing.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--name", help="Name of the results.")
@click.option(
    "--results",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=results.FOLDER,
    help="Folder of results [bench/results].",
)
@click.option("--force", is_flag=True, help="Start anew instead of going on: all, or the chosen.")
def remedies(
    tasks: tuple[str, ...], names: str | None, seeds: int | None, quick: bool, speed: bool, threads: int,
    name: str | None, folder: Path, force: bool,
) -> None:  # fmt: skip
    """Train small decoders on photographs with each remedy against artifacts, and measure what came of it.

    It goes on from the results that are there. About 40 minutes on one core; --quick takes one.
    """
    path = folder / f"{name or ('remedies-quick' if quick else 'remedies')}.json"
    try:
        machine.pin(threads)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    from .remedies import command

    try:
        words = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
        command.run(path, tasks, names, seeds, quick, threads, force, speed, words)
    except (RuntimeError, ValueError) as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.option("--results", "folder", type=click.Path(file_okay=False, path_type=Path), default=results.FOLDER)
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), default=Path("docs/performance.md"))
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if the page is not what the results say.")
def report(folder: Path, page: Path, check: bool) -> None:
    """Write the page and its charts from the results."""
    from . import gpu_table
    from .remedies import page as evidence
    from .report import files, load
    from .rewrites import section

    try:
        written = files(load(folder), page, gpu_table.load(folder), section(folder))
        written |= evidence.files(folder, page.parent)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    stale = [p for p, text in written.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    if check:
        if stale:
            names = ", ".join(map(str, stale))
            raise click.ClickException(f"not what the results say: {names}; run python -m bench report")
        return
    for path in stale:
        results.write(path, written[path])
    click.echo(f"{page} is up to date" if not stale else f"written: {', '.join(map(str, stale))}")


def _inference(mode: str, given: dict[str, Any]) -> None:
    path = _begin(mode, given)
    from . import roofline
    from .modes import forward as forward_mode
    from .modes import isa as isa_mode

    session = _session(mode, given)
    if mode == "isa":
        with _plainly():
            isa_mode.confirm(session.machine["upweave_isa"], session.machine["torch_isa"])
    ceilings = roofline.measure()

    def measure(layer: Layer) -> Row:
        return forward_mode.measure(
            layer, session.peers, given["backend"], session.settings, ceilings,
            channels_last=given.get("channels_last", False),
        )  # fmt: skip

    rows = _each(_layers(given), measure, session)
    ceilings = ceilings.best(roofline.measure())
    _end(session.run(forward_mode.refloored(rows, ceilings), roofline=ceilings), path)


def _begin(mode: str, given: dict[str, Any]) -> Path:
    """Refuse what can be refused before anything is loaded, then bind the process to its processors."""
    try:
        path = results.target(given["name"] or mode, given["folder"], force=given["force"])
        machine.pin(given["threads"])
    except (FileExistsError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    return path


def _session(mode: str, given: dict[str, Any]) -> Session:
    from . import peers
    from .session import Session

    try:
        chosen = peers.by_name(given["peers"]) if "peers" in given else []
        command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
        session = Session(mode, given["backend"], chosen, _settings(given), command)
    except (RuntimeError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    if warning := session.warning():
        click.echo(f"warning: {warning}", err=True)
    return session


@contextmanager
def _plainly() -> Iterator[None]:
    """What goes wrong in a process of its own, or is not as it was asked for, said in a line."""
    try:
        yield
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error


def _set(given: dict[str, Any]) -> dict[str, Any]:
    """The options without those that were not given."""
    return {key: value for key, value in given.items() if value is not None}


def _settings(given: dict[str, Any]) -> Settings:
    from .harness import Settings

    chosen: dict[str, Any] = {"threads": given["threads"]}
    if given["quick"]:
        chosen |= {"rounds": 3, "least_rounds": 2, "budget": 2.0}
    if given.get("repeat"):
        chosen["rounds"] = given["repeat"]
        chosen["least_rounds"] = min(given["repeat"], chosen.get("least_rounds", Settings.least_rounds))
    if given.get("budget") is not None:
        chosen["budget"] = given["budget"]
    return Settings(**chosen)


def _layers(given: dict[str, Any]) -> tuple[Layer, ...]:
    from . import layers

    try:
        # a row that is asked for by its name is meant, whether it is a core row or not
        return layers.select(layers.load(), core=given["core"] and not given["pattern"], pattern=given["pattern"])
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _each(layers: Iterable[Layer], measure: Callable[[Layer], Row], session: Session) -> list[Row]:
    """Every layer's row, each said as soon as it is there."""
    from .summary import compare_row
    from .table import line

    rows = []
    for layer in layers:
        rows.append(measure(layer))
        click.echo(line(compare_row(rows[-1], session.ours)))
    return rows


def _end(run: results.Run, path: Path) -> None:
    """Show and keep the run; exit with 1 if Upweave's own output was wrong anywhere."""
    from .table import show

    results.save(run, path)
    show(run, Console(width=None if sys.stdout.isatty() else 200))
    click.echo(f"written: {path}")
    if run.wrong:
        raise click.ClickException("; ".join(run.wrong))
