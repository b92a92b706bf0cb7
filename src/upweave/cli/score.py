"""`upweave score`: periodic artifacts in pictures, arrays and sounds."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UpweaveError
from .inputs import axes

if TYPE_CHECKING:
    from ..artifacts.result import ArtifactScore


@click.command("score", short_help="How much of a picture repeats with a stride.")
@click.argument("names", metavar="FILES…", nargs=-1, required=True)
@click.option("--stride", "stride_text", metavar="S", required=True, help="The period: 2, or one an axis: 2x4.")
@click.option("--recursive", "-r", is_flag=True, help="Take the folders inside folders too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and file.")
@click.option(
    "--fail-above",
    type=float,
    default=-40.0,
    show_default=True,
    metavar="DB",
    help="Exit with 1 if a pattern is found at this many dB of the variance, or above.",
)
@click.option("--confidence", type=float, default=0.99, show_default=True, help="When a pattern counts as found.")
@click.option("--dims", type=click.IntRange(1, 3), help="Sampled axes of .npy arrays, the last ones. Default: 2.")
@click.option("--max-pixels", type=click.IntRange(1), default=100_000_000, show_default=True, help="Of one file.")
def command(
    names: tuple[str, ...],
    stride_text: str,
    recursive: bool,
    as_json: bool,
    fail_above: float,
    confidence: float,
    dims: int | None,
    max_pixels: int,
) -> int:
    """Score FILES: pictures, .npy arrays (channels first), .wav sounds, and folders of them.

    \b
    upweave score samples/ --stride 2
    upweave score out.png voice.wav --stride 4 --json

    Each line says how far below the variance a pattern of that period lies, in dB, and "clean" where there is none.
    Exits with 1 if a pattern is found at --fail-above or above; else with 2 if a file could not be scored, which is
    said and skipped; else with 0.
    """
    from ..artifacts.files import files, score_file

    stride = axes(stride_text, "--stride")
    period = stride[0] if len(stride) == 1 else stride
    if max(stride) == 1:
        raise UpweaveError("--stride 1 has no phases that could differ; give the stride of the upsampling")
    if not 0 < confidence < 1:
        raise UpweaveError(f"--confidence {confidence:g}: write a number between 0 and 1, such as 0.999")
    if math.isnan(fail_above):
        raise UpweaveError("--fail-above nan: write a number of dB, such as -40")
    paths = list(files(names, recursive=recursive))
    if not paths:
        raise UpweaveError("there is no picture, .npy array or .wav sound in " + ", ".join(names))
    found = bad = 0
    with _progress(paths) as listed:
        for path in listed:
            try:
                result = score_file(path, period, dims=dims, confidence=confidence, most=max_pixels)
            except UpweaveError as e:
                bad += 1
                click.echo(f"skipped: {_printable(path)}: {e}", err=True)
                continue
            found += float(result.decibels) >= fail_above
            click.echo(_json(path, result) if as_json else _line(path, result))
    if len(paths) > 1 or bad:
        scored = len(paths) - bad
        click.echo(f"{scored} scored, {found} at {fail_above:g} dB or above, {bad} skipped", err=True)
    return 1 if found else 2 if bad else 0


def _line(path: Path, result: ArtifactScore) -> str:
    level = f"{float(result.decibels):6.1f} dB" if result.found else "    clean"
    return f"{level}  {_printable(path)}"


def _json(path: Path, result: ArtifactScore) -> str:
    import json

    numbers: dict[str, Any] = {
        "file": os.fsencode(path).decode("utf-8", "backslashreplace"),
        "stride": list(result.stride),
        "found": bool(result.found),
        "decibels": float(result.decibels),
        "fraction": float(result.fraction),
        "low": float(result.low),
        "high": float(result.high),
        "significance": float(result.significance),
        "amplitude": float(result.amplitude),
        "imbalance": float(result.imbalance),
        "energy": float(result.energy),
        "energy_decibels": float(result.energy_decibels),
        "energy_significance": float(result.energy_significance),
        "variance": float(result.variance),
        "confidence": result.confidence,
    }
    plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in numbers.items()}
    return json.dumps(plain, ensure_ascii=False)


def _printable(path: Path) -> str:
    """The path on one line: a name may hold anything but a slash."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


@contextlib.contextmanager
def _progress(paths: list[Path]) -> Iterator[Iterator[Path]]:
    """The paths, with a bar on the standard error while they are worked through, if that is a terminal."""
    if len(paths) < 2 or not sys.stderr.isatty():
        yield iter(paths)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Lines that go to the same terminal appear above the bar; those that go to a pipe are left alone.
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty())
    with bar:
        yield bar.track(paths)  # type: ignore[misc]
