"""Which traced tensors are views of which: an in-place write through a view changes its base too."""

from __future__ import annotations

from typing import Any

from torch import fx


class Views:
    """The bases of views, as the operators' schemas declare them."""

    def __init__(self) -> None:
        self._base: dict[fx.Node, fx.Node] = {}

    def note(self, node: fx.Node, target: Any) -> None:
        """Remember that `node` shares memory with its first argument if its schema says so."""
        schema = getattr(target, "_schema", None)
        if schema is None or not schema.arguments or not node.args or not isinstance(node.args[0], fx.Node):
            return
        alias = schema.arguments[0].alias_info
        if alias is not None and not alias.is_write and any(r.alias_info is not None for r in schema.returns):
            self._base[node] = node.args[0]

    def bases(self, node: fx.Node) -> list[fx.Node]:
        """`node`, its base, the base of that, and so on."""
        chain = [node]
        while chain[-1] in self._base:
            chain.append(self._base[chain[-1]])
        return chain
