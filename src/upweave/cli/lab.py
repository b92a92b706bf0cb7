"""`upweave lab`: the interactive labs in the browser."""

from __future__ import annotations

import contextlib
import importlib.util

import click

from ..errors import UpweaveError

LANGUAGES = click.Choice(("en", "zh"))


@click.command("lab", short_help="The interactive labs, in the browser.")
@click.argument("name", required=False)
@click.option("--list", "listed", is_flag=True, help="List the labs and exit.")
@click.option("--lang", type=LANGUAGES, help="Language of the page. Default: the browser's; L changes it.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default: any free one.")
@click.option("--no-browser", is_flag=True, help="Only serve; open the address that is printed yourself.")
@click.option("--export", "folder", type=click.Path(file_okay=False), metavar="DIR", help="Save them as HTML and exit.")
@click.option("--force", is_flag=True, help="With --export: write over files that exist.")
def command(
    name: str | None, listed: bool, lang: str | None, port: int, no_browser: bool, folder: str | None, force: bool
) -> int:
    """Open the lab NAME, or the list of all of them.

    \b
    upweave lab
    upweave lab matrix --lang zh

    They run on this machine until Ctrl-C ends them; only this machine can reach them.
    """
    from ..labs import LABS, find_lab

    if listed:
        for lab in LABS:
            click.echo(f"{lab.name:17}{lab.title.en}  {lab.title.zh}")
        return 0
    if name is not None:
        find_lab(name)
    missing = [m for m in ("marimo", "anywidget", "markdown", "torch") if importlib.util.find_spec(m) is None]
    if missing:
        raise UpweaveError(f"the labs need {', '.join(missing)}: pip install 'upweave[labs]'")
    if folder is not None:
        from ..labs.export import export

        for path in export(folder, [name] if name else None, force=force):
            click.echo(path)
        return 0
    from ..labs.serve import server

    running, listening = server(port)
    place = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    address = place + (f"{name}/" if name else "") + (f"?lang={lang}" if lang else "")
    click.echo(f"{address}   (Ctrl-C ends it)")
    if not no_browser:
        import webbrowser

        webbrowser.open(address)  # the socket listens already; the answer comes when the server runs
    with contextlib.suppress(KeyboardInterrupt):  # the way to end it is no error
        running.run(sockets=[listening])
    return 0
