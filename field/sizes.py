"""Run every model at sizes that Upweave calls valid and invalid, and compare: `python -m field.sizes FAMILY…`.

UW301 and `upweave sizes` derive the valid sizes from one recorded graph; the models themselves are the judge. A model
whose first input is one tensor with spatial axes runs (on the meta device where it can) at the next sizes above the
recorded one, one axis at a time, and each run is compared with what was said: valid means that it runs and that its
first output follows the input, invalid that it does not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from typing import Any

from .model import Model
from .models import FAMILIES


def check(model: Model) -> str:
    """One line: how many predictions were right, and the ones that were not."""
    import torch

    from upweave.graph.infer import infer
    from upweave.graph.load import load
    from upweave.graph.sizes import sizes_of

    with torch.device(model.device):
        module = model.build().eval()
    graph = load(module, model.kwargs or model.shapes)[0]
    found = sizes_of(infer(graph))
    right, wrong = 0, []
    for axis in found.axes:
        shapes = _inputs(model)
        if axis.input not in graph.inputs or not _is_shape(shapes[graph.inputs.index(axis.input)]):
            continue
        for n in _interesting(axis):
            at = graph.inputs.index(axis.input)
            shape = list(shapes[at])
            shape[axis.dim] = n
            said = n in axis
            ran, why = _runs(module, model, at, tuple(shape), graph, axis.dim, n)
            if said == ran:
                right += 1
            else:
                wrong.append(f"dim {axis.dim} at {n}: said {'valid' if said else 'invalid'}, {why}")
    unknown = f", {len(found.unknown)} axes unknown ({'; '.join(found.unknown)[:120]})" if found.unknown else ""
    return f"{model.package} {model.name}: {right} right, {len(wrong)} wrong{unknown}" + "".join(
        f"\n    {w}" for w in wrong
    )


def _interesting(axis: Any) -> list[int]:
    near = [axis.size + d for d in (1, 2, 3)] + [axis.size + axis.period // 2, axis.size + axis.period]
    return sorted({n for n in near if n > axis.size})


def _inputs(model: Model) -> list[Any]:
    return list(model.kwargs.values()) if model.kwargs else list(model.shapes)


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(type(v) is int for v in value)


def _runs(module: Any, model: Model, at: int, shape: tuple[int, ...], graph: Any, dim: int, n: int) -> tuple[bool, str]:
    import torch

    from upweave.graph.torch.inputs import example_inputs

    inputs = _inputs(model)
    was = inputs[at][dim]
    inputs[at] = shape
    spec = dict(zip(model.kwargs, inputs, strict=True)) if model.kwargs else tuple(inputs)
    args, kwargs = example_inputs(module, spec)
    try:
        with torch.no_grad():
            out = module(*args, **kwargs)
    except Exception as error:
        return False, f"it raised {str(error).strip().splitlines()[0][:100]}"
    shapes = [tuple(t.shape) for t in _tensors(out)]
    recorded = [graph.shapes[v] for v in graph.outputs]
    for now, before in zip(shapes, recorded, strict=False):
        back = dim - len(shape)
        # an output as long as its input, or an integer number of times as long, has to stay so
        if len(before) >= -back and before[back] % was == 0 and now[back] * was != before[back] * n:
            return False, f"it made {now}"
    return True, f"it made {shapes[0] if shapes else None}"


def _tensors(out: Any) -> list[Any]:
    import torch

    if isinstance(out, torch.Tensor):
        return [out]
    values = out.values() if hasattr(out, "values") else out if isinstance(out, (list, tuple)) else ()
    return [t for v in values for t in _tensors(v)]


def main() -> int:
    """Run the command; 1 if some prediction was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="+", choices=sorted(FAMILIES))
    parser.add_argument("--only", nargs="+", help="only these models, in this process")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    failed = False
    for family in options.families:
        for model in FAMILIES[family]():
            if options.only:
                if model.name in options.only:
                    print(check(model))
                continue
            command = [sys.executable, "-m", "field.sizes", family, "--only", model.name]
            done = subprocess.run(command, capture_output=True, text=True)
            print(done.stdout.strip() or f"FAIL {model.name}: {done.stderr.strip().splitlines()[-1][:200]}", flush=True)
            failed |= done.returncode != 0 or "\n" in done.stdout.strip()
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
