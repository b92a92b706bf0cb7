"""The command `upweave`: a thin shell over the library.

Exit codes are ruff's: 0 clean, 1 findings at or above the fail level, 2 usage or input error. Every error is one
line, `error: …`, on the standard error. Commands are imported when they are called, so that `--help` is quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from .. import __version__
from ..errors import UpweaveError

COMMANDS = ("audit", "accelerate", "fix", "explain", "rules", "sizes", "design", "score", "lab")
"""Each is `command` in the module of its name."""


class LazyGroup(click.Group):
    """A group whose commands are modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"{__name__}.{cmd_name}").command
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="upweave", message="%(prog)s %(version)s")
def cli() -> None:
    """Find out which upsampling layers of a model make checkerboards, leave gaps, shift the picture or fail on odd
    sizes, why, and what to do; and rewrite a model so that it is faster, or repaired.

    The audit reads models and never runs them on data; rewrites are compared with the original before they are written.
    """


def fail(message: str) -> None:
    """Print one line on the standard error."""
    line = " ".join(str(message).split())
    printable = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)
    click.echo(f"{click.style('error', fg='red', bold=True)}: {printable}", err=True, color=_colour(sys.stderr))


def _colour(stream: Any) -> bool:
    return not os.environ.get("NO_COLOR") and bool(getattr(stream, "isatty", lambda: False)())


def run(args: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        code = cli.main(args=None if args is None else list(args), prog_name="upweave", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as e:
        click.echo(e.ctx.get_help() if e.ctx else e.format_message(), err=True)
        return 2
    except click.ClickException as e:
        ctx = getattr(e, "ctx", None)
        hint = f"; see '{ctx.command_path} --help'" if ctx is not None else ""
        message = e.format_message()
        fail(message[:1].lower() + message[1:].rstrip(".") + hint)
        return 2
    except UpweaveError as e:
        fail(str(e))
        return 2
    except BrokenPipeError:
        _swallow_stdout()
        return 0
    except (KeyboardInterrupt, click.Abort):
        fail("interrupted")
        return 130
    except Exception as e:
        if "--traceback" in (sys.argv[1:] if args is None else args):
            raise
        fail(f"internal error: {type(e).__name__}: {e} (--traceback shows where; please report it)")
        return 2


def _swallow_stdout() -> None:
    """Point the standard output at nothing, so that the interpreter's own last flush does not fail."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
    except (OSError, ValueError):
        pass


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without × must not end the audit
    sys.exit(run())
