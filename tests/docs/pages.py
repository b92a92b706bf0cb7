"""A page of the documentation as a script: its blocks in order, in one namespace and one folder.

    ```python                  `>>>` is a doctest, anything else is executed
    ```python title="net.py"   written to that file (any language), not executed
    ```console                 `$ command`, then what it prints; `...` stands for anything
    ```sh                      not run; `upweave` lines must be valid commands, `make` lines targets
    ```py                      not run: it needs what a page cannot have

Of commands, `upweave` (in this process), `cat`, `ls` and `echo $?` can be run. Paths below the repository are printed
as they are from its root, where a reader would type the command.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[a-z]+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
CHECKER = doctest.OutputChecker()


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its title if it has one, its text, and the line it starts on."""

    language: str
    title: str | None
    body: str
    line: int


@dataclass(frozen=True)
class Command:
    """One `$` line of a console block, and what the page says it prints."""

    words: str
    expected: str


def blocks(text: str) -> list[Block]:
    """All fenced blocks of a page."""
    found = []
    for match in FENCE.finditer(text):
        indent = match["indent"]
        body = "".join(line.removeprefix(indent) for line in match["body"].splitlines(keepends=True))
        found.append(Block(match["language"], match["title"], body, text.count("\n", 0, match.start()) + 1))
    return found


def commands(body: str) -> list[Command]:
    """The commands of a console block; a line that ends in a backslash goes on in the next."""
    parts = re.split(r"^\$ ", body, flags=re.MULTILINE)
    if parts[0].strip():
        raise AssertionError(f"a console block starts with its command, not with {parts[0]!r}")
    found = []
    for part in parts[1:]:
        words, _, expected = part.replace("\\\n", "").partition("\n")
        found.append(Command(words.strip(), expected))
    return found


def runs(block: Block) -> bool:
    """True for a block whose numbers a test would notice to be wrong."""
    return (block.language == "python" and block.title is None) or block.language == "console"


class Script:
    """Runs a page's blocks, one after the other; `tried` counts examples, `failures` says what went wrong."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.namespace: dict[str, object] = {"__name__": name}
        self.tried = 0
        self.failures: list[str] = []
        self._code = 0

    def run(self, block: Block) -> None:
        """Run one block, or write it to its file."""
        if block.title is not None:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.body, encoding="utf-8")
        elif block.language == "console":
            for command in commands(block.body):
                self._command(command, block.line)
        elif block.language == "python" and ">>>" in block.body:
            self._doctest(block)
        elif block.language == "python":
            self.tried += 1
            exec(compile("\n" * block.line + block.body, self.name, "exec"), self.namespace)

    def _doctest(self, block: Block) -> None:
        # a name of its own: doctest looks up the source of a function from an earlier block by it
        name = f"{self.name}:{block.line}"
        test = doctest.DocTestParser().get_doctest(block.body, self.namespace, name, self.name, block.line)
        said: list[str] = []
        runner = doctest.DocTestRunner(optionflags=OPTIONS)
        runner.run(test, out=said.append, clear_globs=False)
        self.namespace.update(test.globs)
        self.tried += runner.tries
        if runner.failures:
            self.failures.append("".join(said))

    def _command(self, command: Command, line: int) -> None:
        self.tried += 1
        got = self._output(shlex.split(command.words, comments=True)).replace(f"{ROOT}/", "")
        if not CHECKER.check_output(command.expected, got, OPTIONS):
            self.failures.append(
                f"{self.name}, block at line {line}\n$ {command.words}\nExpected:\n{command.expected}\nGot:\n{got}"
            )

    def _output(self, words: list[str]) -> str:
        match words:
            case ["upweave", *arguments]:
                return self._upweave(arguments)
            case ["echo", "$?"]:
                return f"{self._code}\n"
            case ["cat", name]:
                return (self.folder / name).read_text("utf-8")
            case ["ls"]:
                return "".join(f"{p.name}\n" for p in sorted(self.folder.iterdir()) if p.name != "__pycache__")
            case _:
                raise AssertionError(f"{self.name}: a console block cannot run {words}; see {__name__}")

    def _upweave(self, arguments: list[str]) -> str:
        from upweave.cli import run

        printed = io.StringIO()
        with (
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
            warnings.catch_warnings(),
        ):
            self._code = run(arguments)
        return printed.getvalue()


def run(text: str, name: str, folder: Path) -> Script:
    """Run a page in `folder`, which becomes the current one; the modules that it writes are forgotten afterwards."""
    script = Script(name, folder)
    before = set(sys.modules)
    with contextlib.chdir(folder):
        sys.path.insert(0, str(folder))
        try:
            for block in blocks(text):
                script.run(block)
        finally:
            sys.path.remove(str(folder))
            for module in set(sys.modules) - before:
                if str(getattr(sys.modules[module], "__file__", None) or "").startswith(f"{folder}/"):
                    del sys.modules[module]
    return script
