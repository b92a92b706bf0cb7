"""Compile the kernels for real GPUs, on a machine without one: what `run` would launch, one line of JSON for each.

A process of its own, without `TRITON_INTERPRET`; `test_compile.py` starts it. Triton brings the assembler along, so
what a kernel takes of registers and shared memory is known to the last one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from tests.triton.problems import CHOSEN
from upweave.ops.problem import Problem, problem
from upweave.ops.torch.layout import is_channels_last
from upweave.ops.triton import run
from upweave.ops.triton.choice import DIRECTIONS, Direction
from upweave.ops.triton.choose import choose

TARGETS = {
    "sm_90": GPUTarget("cuda", 90, 32),
    "sm_80": GPUTarget("cuda", 80, 32),
    "gfx942": GPUTarget("hip", "gfx942", 64),
}
OBJDUMP = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
NAMES = {torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.float16: "*fp16"}

LARGE: dict[str, Problem] = {
    "wide": problem((4, 256, 33, 47), (256, 128, 4, 4), stride=2, padding=1),
    "k3": problem((2, 128, 64, 64), (128, 64, 3, 3), stride=2, padding=1, output_padding=1),
    "3d": problem((2, 64, 16, 16, 16), (64, 32, 4, 4, 4), stride=2, padding=1),
    "k = s": problem((1, 128, 80, 96), (128, 64, 2, 2), stride=2),
    "k = s in 3d": problem((1, 64, 24, 24, 24), (64, 32, 2, 2, 2), stride=2),
    "rgb": problem((16, 64, 32, 32), (64, 3, 4, 4), stride=2, padding=1),
    "grey": problem((1, 56, 128, 128), (56, 1, 9, 9), stride=4, padding=4),
    "vocoder": problem((1, 512, 400), (512, 256, 16), stride=8, padding=4),
    "inverse STFT": problem((2, 1026, 400), (1026, 1, 1024), stride=256, padding=512),
    "depthwise": problem((1, 96, 64, 64), (96, 1, 4, 4), stride=2, padding=1, groups=96),
    "groups": problem((1, 256, 32, 32), (256, 64, 4, 4), stride=2, padding=1, groups=4),
}
"""Problems of the size of real layers: full tiles, full pipelines."""


def signature(value: Any) -> Any:
    """A value's type as Triton writes it; a 1 is a constant to it."""
    if isinstance(value, torch.Tensor):
        return NAMES[value.dtype]
    if isinstance(value, tuple):
        return tuple(map(signature, value))
    if isinstance(value, float):
        return "fp32"
    return "constexpr" if value == 1 else "i32" if abs(value) < 2**31 else "i64"


def specialised(value: Any, path: tuple[int, ...], constants: dict[Any, Any], attributes: dict[Any, Any]) -> None:
    """What a launch would tell the compiler: which numbers are 1, and which are multiples of 16."""
    if isinstance(value, tuple):
        for i, entry in enumerate(value):
            specialised(entry, (*path, i), constants, attributes)
    elif isinstance(value, torch.Tensor) or (isinstance(value, int) and value != 1 and value % 16 == 0):
        attributes[path] = [["tt.divisibility", 16]]
    elif isinstance(value, int) and value == 1:
        constants[path] = 1


def compile_for(name: str, kernel: Any, args: tuple[Any, ...], given: dict[str, Any]) -> dict[str, Any]:
    """Compile one launch for a target; what it takes of the machine."""
    given = dict(given)
    options = {key: given.pop(key) for key in ("num_warps", "num_stages") if key in given}
    types, constants, attributes = {}, dict(given), {}
    for i, (argument, value) in enumerate(zip(kernel.arg_names, args, strict=False)):
        types[argument] = signature(value)
        specialised(value, (i,), constants, attributes)
    types |= dict.fromkeys(given, "constexpr")
    source = ASTSource(kernel, {a: types[a] for a in kernel.arg_names}, constants, attributes)
    found = triton.compile(source, target=TARGETS[name], options=options)
    facts = {"kernel": kernel.__name__, "target": name, "shared": found.metadata.shared}
    if "cubin" in found.asm:
        with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
            file.write(found.asm["cubin"])
            file.flush()
            shown = subprocess.run(
                [OBJDUMP, "--dump-resource-usage", file.name], capture_output=True, text=True, check=True
            )
        facts["registers"], facts["stack"] = map(int, re.search(r"REG:(\d+) STACK:(\d+)", shown.stdout).groups())  # type: ignore[union-attr]
        facts["matrix"] = bool(re.search(r"\b(wgmma|mma)\.", found.asm["ptx"]))
        facts["asynchronous"] = "cp.async" in found.asm["ptx"]
    return facts


def launches(p: Problem, direction: Direction, dtype: torch.dtype, last: bool, wide: bool = False) -> list[Any]:
    """What `run` would launch for tensors of this kind, without data."""
    caught: list[Any] = []
    run._launch = lambda kernel, programs, *args, **given: caught.append((kernel, args, given))
    x, w, y = (torch.empty(s, dtype=dtype, device="meta") for s in (p.input_shape, p.weight_shape, p.output_shape))
    if last:
        x, y = (t.contiguous(memory_format=run_format(p)) for t in (x, y))
    first = y if direction == "grad_input" else x
    choice = choose(p, direction, dtype=str(dtype)[6:], channels_last=is_channels_last(first), tf32=True)
    if direction == "forward":
        run.forward(x, w, torch.empty(p.c_out, dtype=dtype, device="meta"), p, "tanh", 0.01, choice, wide)
    elif direction == "grad_input":
        run.grad_input(y, w, p, choice, wide)
    else:
        run.grad_weight(x, y, p, choice, wide)
    return [(choice.algorithm, *c) for c in caught]


def run_format(p: Problem) -> Any:
    """PyTorch's channels-last format for the problem."""
    return torch.channels_last if p.rank == 2 else torch.channels_last_3d


def main() -> None:
    """Every kernel, at the size of real layers and of small ones, for every target."""
    jobs = [(n, p, d, t, last, False) for n, p in LARGE.items() for d in DIRECTIONS
            for t, last in (("sm_90", False), ("sm_90", p.rank > 1), ("sm_80", False))]  # fmt: skip
    jobs += [(n, p, "forward", "gfx942", False, False) for n, p in LARGE.items()]
    jobs += [(n, p, "forward", "sm_90", False, True) for n, (p, _) in CHOSEN.items()]
    seen = set()
    for i, (name, p, direction, target, last, wide) in enumerate(jobs):
        dtype = (torch.bfloat16, torch.float32, torch.float16)[i % 3]
        for algorithm, kernel, args, given in launches(p, direction, dtype, last, wide):
            key = (kernel.__name__, target, str(signature(args)), str(sorted(given.items(), key=str)))
            if key in seen:
                continue
            seen.add(key)
            facts = compile_for(target, kernel, args, given)
            facts |= {
                "problem": name,
                "direction": direction,
                "algorithm": algorithm,
                "dtype": str(dtype),
                "last": last,
            }
            print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    sys.exit(main())
