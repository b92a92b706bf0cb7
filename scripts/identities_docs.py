"""One page an identity, from the identities' docstrings: a MkDocs hook, as for the rules."""

from __future__ import annotations

import inspect
from typing import Any

from upweave.rewrite.identity import Identity, all_identities

TITLES = {
    "speed": "For speed",
    "portability": "For other runtimes",
    "training": "For training further",
    "repair": "Repairs that change outputs",
}


def overview() -> str:
    """The Markdown page that lists all identities by purpose."""
    parts = [
        "# Identities",
        "What `upweave accelerate` and `upweave fix` can do, one page each. Those for speed are applied where they "
        "pay, those for other runtimes by `fix`; the rest has to be named with `--select`.",
    ]
    for purpose, title in TITLES.items():
        rows = [
            f"| [`{i.name}`]({i.name}.md) | {i.summary} | {', '.join(i.answers)} |"
            for i in all_identities().values()
            if i.purpose == purpose
        ]
        parts += [f"## {title}", "\n".join(["| identity | what becomes of what | answers |", "|---|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"


def page(identity: type[Identity]) -> str:
    """The manual of one identity as Markdown."""
    words = ["safe" if identity.safety == "safe" else "changes outputs", TITLES[identity.purpose].lower()]
    return f"# {identity.name}\n\n*{' · '.join(words)}*\n\n{inspect.cleandoc(identity.__doc__ or '')}\n"


def on_config(config: Any) -> Any:
    """MkDocs: put the pages into the navigation, under "Identities"."""
    pages = ["identities/index.md", *({n: f"identities/{n}.md"} for n in all_identities())]
    config["nav"] = [{"Identities": pages} if "Identities" in entry else entry for entry in config["nav"]]
    return config


def on_files(files: Any, config: Any) -> Any:
    """MkDocs: add the generated pages."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "identities/index.md", content=overview()))
    for identity in all_identities().values():
        files.append(File.generated(config, f"identities/{identity.name}.md", content=page(identity)))
    return files
