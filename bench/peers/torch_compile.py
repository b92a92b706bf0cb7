"""Peer `torch_compile`: PyTorch through inductor, weights frozen."""

from __future__ import annotations

import types
from typing import Any

import torch

from ..case import CHANNELS_LAST, Case
from ..contender import CannotRun, Contender, peer

MODULES: dict[int, type[Any]] = {
    1: torch.nn.ConvTranspose1d,
    2: torch.nn.ConvTranspose2d,
    3: torch.nn.ConvTranspose3d,
}


@peer("torch_compile", package="torch", fresh_output="every call returns a new tensor")
def contenders(case: Case, threads: int) -> list[Contender]:
    """torch.compile of the module in eval mode: inductor, static shapes; weights frozen or not; NCHW, channels-last."""
    layouts: dict[str, torch.memory_format] = {"NCHW": torch.contiguous_format}
    if case.problem.rank > 1:
        layouts["channels-last"] = CHANNELS_LAST[case.problem.rank]
    # Forgets the rows before. Between two variants of one row it would throw the first away, to be compiled again
    # without its setting.
    torch._dynamo.reset()
    found, trouble = [], []
    for layout, memory_format in layouts.items():
        for frozen in (True, False):
            try:
                found.append(_compiled(case, layout, memory_format, frozen))
            except Exception as error:  # inductor raises errors of many kinds
                trouble.append(f"{layout}: {str(error).splitlines()[0]}")
    if not found:
        raise CannotRun("; ".join(trouble))
    return found


def _compiled(case: Case, layout: str, memory_format: torch.memory_format, frozen: bool) -> Contender:
    p, variant = case.problem, f"{layout}, frozen" if frozen else layout
    module = MODULES[p.rank](p.c_in, p.c_out, p.kernel, **case.keywords).eval()
    with torch.no_grad():
        module.weight.copy_(case.weight)
        module.bias.copy_(case.bias)
    x = case.x
    if p.rank > 1:
        module, x = module.to(memory_format=memory_format), x.to(memory_format=memory_format)

    def layer(x: torch.Tensor) -> torch.Tensor:
        return module(x)  # type: ignore[no-any-return]

    # Dynamo keeps what it compiled by code object, and one variant's guards may hold for another's call: each needs its
    # own, or the frozen variant is answered with the other's graph.
    own = types.FunctionType(layer.__code__.replace(), globals(), variant, None, layer.__closure__)
    compiled = torch.compile(own, fullgraph=True, dynamic=False)
    # One compile thread: inductor would else fork workers out of a process in which other peers have threads.
    with torch._inductor.config.patch(freezing=frozen, compile_threads=1), torch.no_grad():
        compiled(x)  # compiles here, while `freezing` holds

    def call() -> torch.Tensor:
        with torch.no_grad():
            return compiled(x)  # type: ignore[no-any-return]

    return Contender("torch_compile", variant, layout == "NCHW", call, lambda y: (y,))
