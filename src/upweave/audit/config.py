"""`[tool.upweave]` of pyproject.toml: which rules run, which findings are silenced, what fails.

[tool.upweave]
select = ["ALL"]                 # codes, prefixes ("UW1") or names; the default
ignore = ["uneven-gradient"]
fail-level = "warning"

[[tool.upweave.silence]]         # every key but `reason` narrows; a finding must match them all
rule = "uneven-coverage"
layer = "decoder.up.*"
model = "*generator.onnx"
reason = "the blur behind it removes the pattern"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .finding import Finding, Level
from .rule import all_rules

UNUSED = "UW902"


@dataclass(frozen=True)
class Silence:
    """Findings that are known and accepted: those of `rule` at layers and in models that match the globs."""

    rule: str = "ALL"
    layer: str = "*"
    model: str = "*"
    reason: str = ""

    def covers(self, finding: Finding, target: str) -> bool:
        """True if it silences this finding of that model."""
        return (
            finding.code in expand(self.rule, "silence")
            and fnmatchcase(finding.layer, self.layer)
            and self.covers_model(target)
        )

    def covers_model(self, target: str) -> bool:
        """True if it speaks of that model at all."""
        return fnmatchcase(target, self.model)


@dataclass(frozen=True)
class Config:
    """What `[tool.upweave]` says. `source` is the file, None for the defaults."""

    select: tuple[str, ...] = ("ALL",)
    ignore: tuple[str, ...] = ()
    fail_level: Level = Level.WARNING
    silences: tuple[Silence, ...] = field(default=())
    source: Path | None = None

    def rules(self) -> tuple[str, ...]:
        """The codes that run, in order; raises `ConfigError` for a selector that names no rule."""
        wanted = {c for text in self.select for c in expand(text, "select")}
        unwanted = {c for text in self.ignore for c in expand(text, "ignore")}
        return tuple(sorted(wanted - unwanted))


def expand(selector: str, key: str) -> tuple[str, ...]:
    """The codes that a code, a prefix of one, a name or "ALL" stands for; raises `ConfigError` if there are none."""
    rules = all_rules()
    if selector.upper() == "ALL":
        return tuple(rules)
    found = tuple(c for c, r in rules.items() if r.name == selector or c.startswith(selector.upper()))
    if not found or not selector:
        names = [*rules, *(r.name for r in rules.values())]
        raise ConfigError(f"{key}: there is no rule {selector!r}{_meant(selector, names)}")
    return found


def load_config(start: Path | None = None) -> Config:
    """The configuration of the nearest pyproject.toml with a `[tool.upweave]`, at or above `start` (default: here)."""
    folder = (start or Path.cwd()).resolve()
    for parent in (folder, *folder.parents):
        path = parent / "pyproject.toml"
        if path.is_file() and (table := _table(path)) is not None:
            return parse_config(table, path)
    return Config()


def read_config(path: Path) -> Config:
    """The configuration that a TOML file says in `[tool.upweave]`; raises `ConfigError` if it says nothing there."""
    table = _table(path)
    if table is None:
        raise ConfigError(f"{path}: there is no [tool.upweave] in it")
    return parse_config(table, path)


def _table(path: Path) -> Any:
    """`[tool.upweave]` of a TOML file, or None."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    tool = table.get("tool", {})
    return tool.get("upweave") if isinstance(tool, dict) else None


def parse_config(table: Any, source: Path | None = None) -> Config:
    """The configuration that a `[tool.upweave]` table says; raises `ConfigError` for whatever it does not know."""
    here = f"{source}: [tool.upweave]" if source else "[tool.upweave]"
    _check_keys(table, ("select", "ignore", "fail-level", "silence"), here)
    silences = table.get("silence", [])
    if not isinstance(silences, list):
        raise ConfigError(f"{here} silence: expected [[tool.upweave.silence]] tables, got {silences!r}")
    config = Config(
        select=_strings(table, "select", here) if "select" in table else ("ALL",),
        ignore=_strings(table, "ignore", here),
        fail_level=_level(table.get("fail-level", "warning"), here),
        silences=tuple(_silence(s, f"{here} silence") for s in silences),
        source=source,
    )
    try:
        config.rules()
        for silence in config.silences:
            expand(silence.rule, "silence")
    except ConfigError as error:
        raise ConfigError(f"{here} {error}") from None
    return config


def _silence(table: Any, here: str) -> Silence:
    keys = ("rule", "layer", "model", "reason")
    _check_keys(table, keys, here)
    for key, value in table.items():
        if not isinstance(value, str):
            raise ConfigError(f"{here}: {key} must be a string, got {value!r}")
    if not set(table) - {"reason"}:
        raise ConfigError(f"{here}: an entry needs a rule, a layer or a model, or it would silence everything")
    return Silence(**table)


def _check_keys(table: Any, known: Sequence[str], here: str) -> None:
    if not isinstance(table, Mapping):
        raise ConfigError(f"{here}: expected a table, got {table!r}")
    for key in table:
        if key not in known:
            raise ConfigError(f"{here}: unknown key {key!r}{_meant(str(key), known)}")


def _strings(table: Mapping[str, Any], key: str, here: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise ConfigError(f"{here} {key}: expected a list of strings, got {value!r}")
    return tuple(value)


def _level(value: Any, here: str) -> Level:
    names = [str(level) for level in Level]
    if not isinstance(value, str) or value.lower() not in names:
        raise ConfigError(f"{here} fail-level: {value!r} is not one of {', '.join(names)}{_meant(str(value), names)}")
    return Level.parse(value)


def _meant(text: str, known: Sequence[str]) -> str:
    by_folded = {k.lower(): k for k in known}
    close = get_close_matches(text.lower(), list(by_folded), n=1)
    return f"; did you mean {by_folded[close[0]]!r}?" if close else ""


def silence_findings(
    findings: Sequence[Finding], config: Config, target: str, chosen: Sequence[str]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """(findings that stay, findings that are silenced); a silence without effect adds a finding of UW902.

    A silence is without effect only if it speaks of this model by name and of a rule that ran.
    """
    kept: list[Finding] = []
    silenced: list[Finding] = []
    used: set[int] = set()
    for finding in findings:
        hits = [i for i, s in enumerate(config.silences) if s.covers(finding, target)]
        used.update(hits)
        (silenced if hits else kept).append(finding)
    if UNUSED in chosen:
        rule = all_rules()[UNUSED]()
        for i, s in enumerate(config.silences):
            ran = set(expand(s.rule, "silence")) & set(chosen)
            if i in used or not s.covers_model(target) or not ran:
                continue
            asked = {
                k: v for k, v in (("rule", s.rule), ("layer", s.layer), ("model", s.model)) if v not in ("*", "ALL")
            }
            words = ", ".join(f"{k} = {v!r}" for k, v in asked.items())
            message = f"the silence with {words} matches no finding of this model; remove it"
            evidence = {**asked, "reason": s.reason, "config": str(config.source) if config.source else None}
            kept.append(rule.finding("", message, evidence=evidence))
    return tuple(kept), tuple(silenced)
