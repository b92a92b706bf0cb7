"""Measure transposed convolutions on a GPU: Upweave's Triton kernels beside cuDNN, one command, under eight minutes.

    python bench/gpu.py --output bench/results/gpu.json      (or python -m bench.gpu)

It needs PyTorch, Triton and NumPy, and this source tree; nothing has to be installed or compiled. For each row of the
core table and each dtype: first the outputs, of random inputs, in memory that was filled with NaN before, against fp64;
then the times of all contenders in turns, forward, and forward with backward. At last, nearest resizing followed by a
convolution against the one transposed convolution that it is equal to. What the time limit does not leave room for is
named, and missing in the results.

`--tiny --interpret` runs all of it on shrunken problems in Triton's interpreter: a test of this script, no measurement.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for _path in (ROOT / "src", ROOT):  # from the source tree, however it is started
    if str(_path) not in sys.path:
        sys.path.insert(0, str(_path))


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench/gpu.py", description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--output", type=Path, help="where the JSON goes; without it, only the table is shown")
    parser.add_argument("--force", action="store_true", help="replace the output if it is there")
    parser.add_argument("--rows", help="rows whose name matches one of these shell patterns: 'hifigan*,unet_up?'")
    parser.add_argument("--dtypes", default="bfloat16,float32", help="comma-separated [bfloat16,float32]")
    parser.add_argument("--budget", type=float, default=470.0, help="seconds that it may take, about [470]")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--tiny", action="store_true", help="shrunken problems")
    parser.add_argument("--interpret", action="store_true", help="Triton's interpreter, on the CPU")
    found = parser.parse_args(given)
    if found.output is not None and found.output.exists() and not found.force:
        parser.error(f"{found.output} exists; choose another --output, or replace it with --force")
    return found


def main(given: Sequence[str] | None = None) -> int:
    """Measure, show, write; 1 if an output of Upweave's was wrong, 2 if nothing can be measured here."""
    start = time.perf_counter()
    options = arguments(given)
    if options.interpret:
        os.environ["TRITON_INTERPRET"] = "1"  # before anything imports Triton
    import torch

    from bench import gpu_table, layers, results
    from upweave.ops.triton import available

    reason = available.why_not()
    if reason or not (options.interpret or torch.cuda.is_available()):
        print(f"nothing to measure: {reason or 'PyTorch sees no GPU'}", file=sys.stderr)
        return 2
    from bench import gpu_measure as measure

    torch.backends.cudnn.benchmark = True
    device = "cpu" if options.interpret else "cuda"
    setting = measure.Setting(
        device, options.budget, start, compile=not options.no_compile and not options.tiny, tiny=options.tiny
    )
    chosen = layers.select(layers.load(), core=options.rows is None, pattern=options.rows)
    rows: list[gpu_table.Row] = []
    left: list[str] = []
    ceilings = measure.ceilings(setting)
    for name, make in _jobs(chosen, options.dtypes.split(","), setting):
        if time.perf_counter() - start > options.budget:
            left.append(name)
            continue
        rows.append(make(ceilings))
        print(gpu_table.line(rows[-1]), flush=True)
    run = gpu_table.Run(
        date=results_date(),
        command=" ".join(["python", "bench/gpu.py", *(sys.argv[1:] if given is None else given)]),
        machine=measure.machine(device),
        versions=measure.versions(),
        settings={"tiny": options.tiny, "interpret": options.interpret, "budget_s": options.budget},
        ceilings=ceilings,
        rows=tuple(rows),
        left_out=tuple(left),
        seconds=round(time.perf_counter() - start, 1),
    )
    print(gpu_table.text(run))
    if options.output is not None:
        results.write(options.output, gpu_table.dumps(run))
        print(f"written: {options.output}")
    for problem in run.wrong:
        print(f"wrong: {problem}", file=sys.stderr)
    return 1 if run.wrong else 0


def results_date() -> str:
    """Now, UTC, to the second."""
    from bench.machine import now

    return now()


def _jobs(chosen: Sequence, dtypes: Sequence[str], setting) -> Iterator:  # type: ignore[no-untyped-def, type-arg]
    """(name, what measures it) in the order of importance: what comes last is what a short run leaves out."""
    from bench import gpu_measure as measure

    for mode in ("forward", "train"):
        for dtype in dtypes:
            for layer in chosen:
                yield f"{layer.name} {mode} {dtype}", measure.row(layer, mode, dtype, setting)
    for dtype in dtypes:
        for channels, size in measure.FOLDS:
            yield f"nearest_{channels}_{size} fold {dtype}", measure.fold(channels, size, dtype, setting)


if __name__ == "__main__":
    sys.exit(main())
