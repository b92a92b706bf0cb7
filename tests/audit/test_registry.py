"""Every rule: its code, its name, its manual, and its tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from upweave.audit.rule import Rule, all_rules

RULES = all_rules()
HEADINGS = ["What it finds", "Why it is bad", "Example", "Use instead", "Fix safety", "References"]
REMEDIES = ("use", "avoid", "add", "remove", "prefer", "no", "missing")


def test_codes_are_unique_sorted_and_complete() -> None:
    assert list(RULES) == sorted(RULES)
    names = [r.name for r in RULES.values()]
    assert len(set(names)) == len(names)
    issue = "101 102 103 104 105 201 202 301 302 303 401 402 403 404 501 502 601 602 701 901 902"
    assert list(RULES) == [f"UW{n}" for n in issue.split()]


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda r: r.name)
def test_the_manual_is_complete(rule: type[Rule]) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.name)
    assert rule.name.split("-")[0] not in REMEDIES
    assert rule.__module__.endswith("." + rule.name.replace("-", "_"))
    assert re.findall(r"^    ## (.*)$", rule.__doc__ or "", re.M) == HEADINGS
    sections = re.split(r"^    ## .*$", rule.__doc__ or "", flags=re.M)
    assert all(s.strip() for s in sections)
    assert rule.summary
    assert rule.summary[0].islower()
    assert not rule.summary.endswith(".")


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda r: r.name)
def test_every_rule_is_shown_firing_and_silent(rule: type[Rule]) -> None:
    text = "\n".join(p.read_text(encoding="utf-8") for p in Path(__file__).parent.glob("test_*rules.py"))
    blocks = re.findall(r'rule="(UW\d+)"\)([^\n]*)', text)
    family = [rest for code, rest in blocks if rule.code.startswith(code)]
    if rule.code == "UW902":
        assert '["UW902"]' in text
        assert "not_run.findings == ()" in text
        return
    assert any("== []" in rest for rest in family), f"{rule.code}: no test in which it is silent"
    unpacked = re.findall(r'= .*rule="(UW\d+)"\)', "\n".join(line for line in text.splitlines() if "==" not in line))
    fires = rule.code in unpacked or ("(f.code, f.evidence" in text and f'("{rule.code}",' in text)
    assert fires, f"{rule.code}: no test in which it fires"
