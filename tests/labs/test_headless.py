"""Every lab runs from start to finish, speaks both languages, and judges its exercises."""

from __future__ import annotations

import ast
import html
import importlib
import inspect
import re
from pathlib import Path

import pytest

pytest.importorskip("marimo")

from upweave import labs
from upweave.errors import ConfigError, UpweaveError
from upweave.labs import LABS, find_lab
from upweave.labs.kit.exercise import Exercise

NAMES = [lab.name for lab in LABS]
FOLDER = Path(labs.__file__).parent
FILES = sorted(FOLDER.rglob("*.py"))


def run(name: str) -> list[object]:
    """The outputs of all cells of a lab, run afresh."""
    outputs, _ = importlib.import_module(f"upweave.labs.{name}").app.run()
    return list(outputs)


def widgets(outputs: list[object], kind: type) -> list:
    return [w for o in outputs if isinstance(w := getattr(o, "widget", None), kind)]


@pytest.mark.parametrize("name", NAMES)
def test_runs_from_start_to_finish(name: str) -> None:
    outputs = run(name)
    texts = [o.text for o in outputs if type(o).__name__ == "Html"]
    assert any(f'data-lab="{name}"' in t for t in texts), "the lab does not begin with opening(name)"
    assert "<footer>" in texts[-1], "the lab does not end with closing(name)"
    exercises = widgets(outputs, Exercise)
    if name != "explorer":
        module = importlib.import_module(f"upweave.labs.exercises.{name}")
        made = [f for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__]
        assert len(exercises) == len(made) >= 3, "each exercise of the module is one of the lab"
    assert len({e.name for e in exercises}) == len(exercises)


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_say_as_much(name: str) -> None:
    for output in run(name):
        text = getattr(output, "text", "")
        en = re.findall(r'<(?:div|span) class="en" lang="en">(.*?)</(?:div|span)>', text, re.S)
        zh = re.findall(r'<(?:div|span) class="zh" lang="zh-Hans">(.*?)</(?:div|span)>', text, re.S)
        assert len(en) == len(zh)
        for a, b in zip(en, zh, strict=True):
            assert same_numbers(a, b), (a, b)


def same_numbers(en: str, zh: str) -> bool:
    """Numbers that link to the theory are the same, in the same order, in both languages."""
    find = re.compile(r'data-number="([^"]+)">([^<]*)<')
    return sorted(find.findall(en)) == sorted(find.findall(zh))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(FOLDER).with_suffix("").as_posix())
def test_chinese_is_chinese(path: Path) -> None:
    """The second text of each pair has Chinese in it wherever the first is a sentence."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    pairs = 0
    for call in ast.walk(tree):
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id in ("both", "Text", "right", "wrong")
            and not any(isinstance(a, ast.Starred) for a in call.args)
        ):
            assert len(call.args) == 2, f"line {call.lineno}: {call.func.id} takes both languages"
            en, zh = (words(a) for a in call.args)
            if len(re.findall(r"[A-Za-z]{3,}", en)) >= 3:
                pairs += 1
                assert re.search(r"[\u4e00-\u9fff]", zh), f"line {call.lineno}: no Chinese in {zh!r}"
            assert not re.search(r"[\u4e00-\u9fff]", en), f"line {call.lineno}: Chinese in the English {en!r}"
    assert pairs > 3 or path.parent != FOLDER or path.stem not in NAMES


def words(node: ast.expr) -> str:
    """The literal text of a string or an f-string; what is computed is left out."""
    parts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return html.unescape(" ".join(parts))


@pytest.mark.parametrize("name", NAMES)
def test_exercises_refuse_what_is_no_answer(name: str) -> None:
    for exercise in widgets(run(name), Exercise):
        assert not exercise.judge("").right
        if exercise.kind == "choice":
            verdicts = [exercise.judge(key).right for key, _ in exercise.options]
            assert sum(verdicts) == 1, f"{exercise.name}: {sum(verdicts)} options are right"
        else:
            assert not exercise.judge("seven").right
            assert not exercise.judge("12345678 -3").right


def test_an_unknown_lab_is_named() -> None:
    with pytest.raises(ConfigError, match="no lab is called 'nothing'"):
        find_lab("nothing")
    with pytest.raises(UpweaveError):
        find_lab("nothing")
