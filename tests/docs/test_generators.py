"""The pages of the rules and the tables in the READMEs, made from a rule that says what it should."""

from __future__ import annotations

import pytest

from scripts import identities_docs
from scripts.readme_rules import BLOCK, ROOT, ZH, table
from scripts.rules_docs import GROUPS, overview
from upweave.audit.render.docs import HEADINGS, markdown_of, sections
from upweave.audit.rule import Rule, all_rules
from upweave.rewrite.identity import all_identities


class Described:
    """Stands above the headings.

    ## What it finds
    Nothing.

    ## Why it is bad
    It is not.

    ## Example
    None.
    """

    code, name, level, summary = "UW000", "nothing-at-all", "note", "nothing"
    needs_weights, needs_topology = True, False


def test_sections_are_read_by_their_headings() -> None:
    found = sections(Described)  # type: ignore[arg-type]
    assert found[""] == "Stands above the headings."
    assert found["What it finds"] == "Nothing."
    assert found["Why it is bad"] == "It is not."
    assert found["Example"] == "None."


def test_page_has_facts_and_headings() -> None:
    text = markdown_of(Described)  # type: ignore[arg-type]
    assert text.startswith("# nothing-at-all (UW000)\n\n*note · needs weights*\n")
    assert text.index("## What it finds") < text.index("## Why it is bad") < text.index("## Example")


def test_every_rule_has_its_page_its_row_and_its_translation() -> None:
    listing, english, chinese = overview(), table(chinese=False), table(chinese=True)
    for code, rule in all_rules().items():
        assert issubclass(rule, Rule)
        missing = [h for h in HEADINGS if not sections(rule).get(h)]
        assert not missing, f"{rule.__name__}: no {missing} in its docstring"
        assert code[:3] in GROUPS
        assert f"]({rule.name}.md) | {code} |" in listing
        assert f"| {code} | `{rule.name}` |" in english
        assert f"| {code} | `{rule.name}` |" in chinese
        assert rule.name in ZH, f"scripts/readme_rules.py has no Chinese summary for {rule.name}"


def test_readmes_have_markers() -> None:
    for name in ("README.md", "README.zh-CN.md"):
        assert len(BLOCK.findall((ROOT / name).read_text("utf-8"))) == 1


def test_every_identity_has_its_page_and_its_row() -> None:
    listing = identities_docs.overview()
    for name, identity in all_identities().items():
        text = identities_docs.page(identity)
        assert text.startswith(f"# {name}\n\n*{'safe' if identity.safety == 'safe' else 'changes outputs'} · ")
        assert text.index("## What it matches") < text.index("## Safety")
        assert listing.count(f"| [`{name}`]({name}.md) | {identity.summary} |") == 1


def test_the_page_of_the_labs_lists_them() -> None:
    pytest.importorskip("marimo")
    from scripts import labs_docs
    from upweave.labs import LABS

    text = (ROOT / "docs/labs/index.md").read_text("utf-8")
    assert text.count(labs_docs.MARK) == 1
    for lab in LABS:
        assert f"]({lab.name}/index.html)" in labs_docs.rows()
