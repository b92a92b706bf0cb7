"""`[tool.upweave]`: what it accepts, what it refuses and how it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from upweave.audit import Config, Level, Silence, load_config
from upweave.audit.config import parse_config, read_config
from upweave.audit.rule import all_rules
from upweave.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_select_every_rule(tmp_path: Path) -> None:
    assert load_config(tmp_path) == Config()
    assert Config().rules() == tuple(all_rules())


def test_found_from_below_and_the_nearest_with_a_table_wins(tmp_path: Path) -> None:
    write(tmp_path, '[tool.upweave]\nselect = ["UW1", "off-centre-grid"]\nignore = ["UW105"]\nfail-level = "error"\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    write(tmp_path / "a", "[tool.other]\n")
    config = load_config(below)
    assert config.rules() == ("UW101", "UW102", "UW103", "UW104", "UW201")
    assert config.fail_level is Level.ERROR
    assert config.source == tmp_path / "pyproject.toml"


def test_silences(tmp_path: Path) -> None:
    path = write(tmp_path, '[[tool.upweave.silence]]\nrule = "UW101"\nlayer = "up.*"\nreason = "blurred"\n')
    assert read_config(path).silences == (Silence("UW101", "up.*", "*", "blurred"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[tool.upweave]\nselct = ["UW1"]', "unknown key 'selct'; did you mean 'select'?"),
        ('[tool.upweave]\nselect = ["uneven-covrage"]', "no rule 'uneven-covrage'; did you mean 'uneven-coverage'?"),
        ('[tool.upweave]\nignore = ["XY1"]', "ignore: there is no rule 'XY1'"),
        ('[tool.upweave]\nselect = "UW1"', "select: expected a list of strings"),
        ('[tool.upweave]\nselect = [""]', "there is no rule ''"),
        ('[tool.upweave]\nfail-level = "eror"', "'eror' is not one of note, warning, error; did you mean 'error'?"),
        ("[tool.upweave]\nfail-level = 2", "2 is not one of"),
        ('[tool.upweave]\nsilence = "UW101"', "expected [[tool.upweave.silence]] tables"),
        ('[[tool.upweave.silence]]\nrul = "UW101"', "unknown key 'rul'; did you mean 'rule'?"),
        ('[[tool.upweave.silence]]\nreason = "all of it"', "would silence everything"),
        ('[[tool.upweave.silence]]\nrule = "UW999"', "silence: there is no rule 'UW999'"),
        ("[[tool.upweave.silence]]\nlayer = 3", "layer must be a string, got 3"),
        ("[tool\n", "pyproject.toml"),
        ("[tool]\nupweave = 3", "expected a table, got 3"),
    ],
)
def test_errors_say_what_and_where(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        load_config(tmp_path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_without_the_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no \[tool.upweave\]"):
        read_config(write(tmp_path, ""))
    assert parse_config({}) == Config()
