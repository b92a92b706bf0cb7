from __future__ import annotations

import os
import sys

import pytest
from click.testing import CliRunner

from upweave.ops import native

torch = pytest.importorskip("torch", reason="the benchmark compares with torch")
from bench import cli, machine, results, roofline  # noqa: E402

from . import made_up  # noqa: E402


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """The command in this process, which it must not bind to processors, with ceilings that nobody measures."""
    monkeypatch.setattr(machine, "pin", lambda threads: None)
    monkeypatch.setattr(roofline, "measure", lambda: roofline.Roofline(100.0, 10.0))
    threads = torch.get_num_threads()

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["bench", *words])
        return CliRunner().invoke(cli.main, [*words, *(() if words[0] == "report" else ("--results", str(tmp_path)))])

    yield run
    torch.set_num_threads(threads)


def test_peers_alone_from_the_command_to_the_page(bench, tmp_path):
    done = bench("forward", "--rows", "mimi_dw_up", "--peers", "torch", "--backend", "none", "--quick", "--repeat", "1")
    assert done.exit_code == 0, done.output
    run = results.loads((tmp_path / "forward.json").read_text())
    assert [row.name for row in run.rows] == ["mimi_dw_up"]
    assert [(o.name, o.status, o.rounds) for o in run.rows[0].outcomes] == [("torch", "ok", 1)]
    assert run.ours is None
    assert run.command.startswith("python -m bench forward --rows mimi_dw_up")
    assert run.settings["rounds"] == 1
    assert "mimi_dw_up" in done.output
    page = tmp_path / "docs" / "performance.md"
    words = ("report", "--results", str(tmp_path), "--page", str(page))
    assert bench(*words, "--check").exit_code == 1
    assert not page.exists()
    assert bench(*words).exit_code == 0
    assert bench(*words, "--check").exit_code == 0
    assert "mimi_dw_up" in page.read_text()


def test_results_are_refused_before_anything_is_measured(bench, tmp_path, monkeypatch):
    results.save(made_up.memory(), tmp_path / "look.json")
    before = (tmp_path / "look.json").read_text()
    monkeypatch.setattr(machine, "pin", lambda threads: pytest.fail("went on"))
    done = bench("forward", "--name", "look", "--backend", "none")
    assert done.exit_code == 1
    assert "--force" in done.output
    assert (tmp_path / "look.json").read_text() == before


def test_without_the_native_core_nothing_is_called_native(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(native, "available", lambda: False)
    monkeypatch.setattr(native, "why_not", lambda: "not built")
    for mode in ("forward", "train", "lengths", "overhead", "memory"):
        done = bench(mode)
        assert done.exit_code == 1
        assert "the native core is not available (not built)" in done.output
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--peers", "tensorflow"), "no peer is called tensorflow"),
        (("--rows", "nothing*"), "no row matches 'nothing*'"),
    ],
)
def test_wrong_words_say_what_is_there(bench, words, error):
    done = bench("forward", "--backend", "none", *words)
    assert done.exit_code == 1
    assert error in done.output


def test_a_busy_machine_is_warned_of(bench, monkeypatch):
    monkeypatch.setattr(machine, "load", lambda: 3.0)
    done = bench("forward", "--backend", "none", "--rows", "nothing")
    assert "warning: the load average is 3.0" in done.output


def test_a_wrong_upweave_ends_with_an_error(bench, tmp_path, monkeypatch):
    from bench import case as cases
    from bench import ours

    monkeypatch.setattr(ours, "run", lambda case, backend: cases.aten(case) + 1)
    monkeypatch.setattr(ours, "algorithm", lambda case, backend: "aten")
    done = bench("overhead", "--backend", "torch", "--quick")
    assert done.exit_code == 1
    assert "one_multiply_1d: upweave (torch backend): relative error" in done.output
    assert (tmp_path / "overhead.json").exists()  # with the reason in it
