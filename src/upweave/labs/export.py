"""Labs as plain HTML files: what each shows when it is opened, in both languages, without Python and without a network.

Pictures can still be pointed at, for they are drawn from numbers that are in the page. Controls and exercises need
Python to answer them: they stand there, and the page says how to bring them to life.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from ..audit.render.files import check_destination, write_text
from ..errors import UpweaveError
from . import LABS, find_lab
from .kit.page import document, index_page, theory_page
from .kit.widget import Widget, static
from .text import Text

_ELEMENT = re.compile(r"<marimo-ui-element .*?</marimo-ui-element>", re.S)  # marimo's own: dead without its server
_LINKED = re.compile(r'data-number=\\?"([\w.]+)\\?"')


def pages(names: Iterable[str] | None = None) -> dict[str, str]:
    """The exported files of these labs (default: all), without the list of them: HTML by relative path.

    NAME/index.html for each lab, and theory/FUNCTION.html for every function that a number in them leads to.
    """
    out: dict[str, str] = {}
    for name in names if names is not None else [lab.name for lab in LABS]:
        out[f"{name}/index.html"] = page(name)
    functions = {f for text in out.values() for f in _LINKED.findall(text)}
    return out | {f"theory/{f}.html": theory_page(f) for f in sorted(functions)}


def export(folder: str | Path, names: Iterable[str] | None = None, *, force: bool = False) -> list[Path]:
    """Write the labs, their list and the functions' pages below `folder`, which is made; the files that were written.

    Raises `UpweaveError` for a file that exists, unless `force`: then before anything is written.
    """
    root = Path(folder)
    files = {"index.html": index_page(), **pages(names)}
    try:
        for path in files:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UpweaveError(f"cannot make folders in '{root}': {e.strerror or e}") from e
    targets = [check_destination(root / path, force=force) for path in files]
    for target, text in zip(targets, files.values(), strict=True):
        write_text(target, text)
    return targets


def page(name: str) -> str:
    """One lab as one HTML page."""
    lab = find_lab(name)
    outputs, _ = import_module(f"{__package__}.{lab.name}").app.run()
    found: list[Widget] = []
    parts = [_part(output, found) for output in outputs if output is not None]
    note = Text(
        f"This is a saved copy. Pictures answer when you point at them; for the controls and the exercises run: "
        f"upweave lab {lab.name}",
        f"这是保存下来的页面。指向图形会有反应；要使用控件和练习，请运行：upweave lab {lab.name}",
    )
    parts.insert(1, f'<p class="static">{note.inline}</p>')
    states = [{"kind": type(w).__name__, "state": _state(w)} for w in found]
    data = json.dumps(states, ensure_ascii=False).replace("</", "<\\/")
    kinds = {type(w).__name__: _address(w) for w in found}
    # a function, so that nothing in the data can be taken for a group reference
    script = re.sub(r"KINDS|STATES|STYLE", lambda m: _filling(m.group(), kinds, data), static("saved.js"))
    title = f"{lab.title.en} · {lab.title.zh}"
    return document(title, "\n".join(parts), f'<script type="module">{script}</script>')


def _filling(name: str, kinds: dict[str, str], data: str) -> str:
    return {"KINDS": json.dumps(kinds), "STATES": data, "STYLE": json.dumps(static("widget.css"))}[name]


def _part(output: Any, found: list[Widget]) -> str:
    """The HTML of one cell's output, or the place of a widget of ours, which joins `found`."""
    widget = getattr(output, "widget", None)
    if isinstance(widget, Widget):
        found.append(widget)
        return f'<div class="uw-widget" data-widget="{len(found) - 1}"></div>'
    return _ELEMENT.sub("", str(getattr(output, "text", "")))


def _state(widget: Widget) -> dict[str, Any]:
    """The traits that the widget's script reads: ours, not those that every widget has and that differ in every run."""
    own = {n for n in widget.trait_names(sync=True) if not n.startswith("_")} - set(Widget.class_trait_names())
    return {n: v for n, v in widget.get_state().items() if n in own}


def _address(widget: Widget) -> str:
    """The widget's script as an address that a module can be imported from without a server."""
    text = str(widget._esm)
    return "data:text/javascript;base64," + base64.b64encode(text.encode()).decode()
