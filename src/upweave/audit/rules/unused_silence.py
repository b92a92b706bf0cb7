"""UW902 unused-silence."""

from __future__ import annotations

from collections.abc import Iterator

from ..context import Context
from ..finding import Finding
from ..rule import Rule


class UnusedSilence(Rule):
    """A silence in the configuration that silences nothing any more.

    ## What it finds
    Entries of `[[tool.upweave.silence]]` that speak of the audited model and of rules that ran, and match no finding.

    ## Why it is bad
    The layer was repaired or renamed, and the silence would hide the next fault there.

    ## Example
    ```toml
    [[tool.upweave.silence]]
    rule = "uneven-coverage"
    layer = "decoder.up0"   # has been called decoder.up.0 since the refactoring
    ```

    ## Use instead
    Remove the entry; if it is meant for another model, say which: `model = "*generator*"`.

    ## Fix safety
    Removing it changes no output.

    ## References
    - ESLint documentation: Configure Rules (reportUnusedDisableDirectives)
    """

    code = "UW902"
    name = "unused-silence"
    summary = "a silence that silences nothing"

    def check(self, context: Context) -> Iterator[Finding]:
        """Nothing: the silences are applied when all rules are done (`config.silence_findings`)."""
        yield from ()
