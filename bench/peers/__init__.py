"""The peers, one a file; each imports its library only when it is asked for contenders."""

from ..contender import PEERS, Peer
from . import jax, onnxruntime, openvino, torch_channels_last, torch_compile, torch_nchw

_MODULES = (torch_nchw, torch_channels_last, torch_compile, onnxruntime, openvino, jax)
"""Importing them registers them, in any order; tables list them in this one."""

NAMES = ("torch", "torch_channels_last", "torch_compile", "onnxruntime", "openvino", "jax")


def by_name(names: str | None) -> list[Peer]:
    """The peers of a comma-separated list, all for None; `ValueError` for a name that no peer has."""
    wanted = NAMES if names is None else tuple(n.strip() for n in names.split(",") if n.strip())
    if unknown := [n for n in wanted if n not in PEERS]:
        raise ValueError(f"no peer is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return [PEERS[n] for n in NAMES if n in wanted]
