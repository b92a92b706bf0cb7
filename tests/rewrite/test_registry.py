"""Every identity: its name, its manual, its module, and how it is chosen."""

from __future__ import annotations

import re

import pytest

from upweave.audit.rule import all_rules
from upweave.errors import ConfigError
from upweave.rewrite.identity import Identity, all_identities, choose

ALL = all_identities()
HEADINGS = ["What it matches", "Precondition", "New weights", "Cost", "Safety", "References"]


def test_the_names() -> None:
    assert set(ALL) == {
        *("fold-nearest-resize", "split-concat", "commute-resize", "transposed-to-shuffle", "shuffle-to-transposed"),
        *("kernel-equals-stride", "widen-kernel", "merge-linear", "fold-batch-norm", "explicit-padding"),
        *("absorb-output-padding", "equal-phase-gain", "recentre", "resize-convolution", "reinitialise"),
    }


@pytest.mark.parametrize("identity", ALL.values(), ids=lambda i: i.name)
def test_the_manual_is_complete(identity: type[Identity]) -> None:
    assert identity.__module__.endswith("." + identity.name.replace("-", "_"))
    assert re.findall(r"^    ## (.*)$", identity.__doc__ or "", re.M) == HEADINGS
    sections = re.split(r"^    ## .*$", identity.__doc__ or "", flags=re.M)
    assert all(s.strip() for s in sections)
    assert identity.summary
    assert not identity.summary.endswith(".")
    word = sections[HEADINGS.index("Safety") + 1].strip()
    assert word.startswith("Unsafe" if identity.safety == "unsafe" else "Safe")
    assert (identity.purpose == "repair") == (identity.safety == "unsafe")


def test_answers_are_rules_of_the_audit() -> None:
    codes = {c for i in ALL.values() for c in i.answers}
    assert codes <= set(all_rules())
    assert {"UW101", "UW401", "UW501", "UW502", "UW601", "UW602", "UW701"} <= codes


def test_choosing() -> None:
    assert choose(["fold-nearest-resize", "UW602"], purposes=()) == ("fold-nearest-resize", "absorb-output-padding")
    assert set(choose(["UW6"], purposes=())) == {"explicit-padding", "absorb-output-padding"}
    speed = choose(None, purposes=("speed",))
    assert "fold-nearest-resize" in speed
    assert "widen-kernel" not in speed
    assert "equal-phase-gain" not in choose(None, purposes=("speed", "repair", "portability", "training"))
    assert "split-concat" not in choose(None, ["UW701"], purposes=("speed",))
    with pytest.raises(ConfigError, match="did you mean split-concat"):
        choose(["split-concats"], purposes=())
    with pytest.raises(ConfigError, match="no rewrite answers UW301"):
        choose(["UW301"], purposes=())
