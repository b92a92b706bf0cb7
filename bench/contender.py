"""What the harness times: contenders, and the register of peers that provide them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from .case import Case


class CannotRun(Exception):
    """A peer does not run this layer, with the reason as its text."""


@dataclass(frozen=True)
class Contender:
    """One way to run a case, ready to be called again and again.

    `name` is the peer's, `variant` says which of its ways this is; several variants of a peer compete in a trial.
    `call` runs it once and returns an output of memory that no earlier call returned (as far as the API allows);
    `tensors` turns what it returned into torch tensors, batch and channels first, for the check.
    `takes_nchw` is False if input or output must be in another layout than PyTorch's default.
    `before` runs untimed before every call.
    """

    name: str
    variant: str
    takes_nchw: bool
    call: Callable[[], Any]
    tensors: Callable[[Any], tuple[torch.Tensor, ...]]
    before: Callable[[], object] | None = None


@dataclass(frozen=True)
class Peer:
    """Another library's transposed convolution, at its best setting.

    `package` is the distribution whose version is recorded, `fresh_output` how an output of fresh memory is had from
    it; `contenders(case, threads)` returns one contender or more, or raises `CannotRun`.
    """

    name: str
    package: str
    about: str
    fresh_output: str
    contenders: Callable[[Case, int], list[Contender]]

    @property
    def version(self) -> str | None:
        """Version of its package, None if that is not installed."""
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return None


PEERS: dict[str, Peer] = {}
"""Every peer by name, in the order in which tables list them."""

Build = Callable[["Case", int], list[Contender]]


def peer(name: str, *, package: str, fresh_output: str) -> Callable[[Build], Build]:
    """Decorator: register a function `(case, threads) -> contenders` as a peer; its docstring is the peer's `about`."""

    def register(build: Build) -> Build:
        if name in PEERS:
            raise ValueError(f"there are two peers of the name {name}")
        PEERS[name] = Peer(name, package, " ".join((build.__doc__ or "").split()), fresh_output, build)
        return build

    return register
