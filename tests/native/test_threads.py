"""Many callers at once, forks, and other pools of threads: nothing hangs and every result is the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import upweave
from tests.native.problems import Operands, Run
from tests.native.scripts import need_torch, run
from upweave.ops import native
from upweave.ops.problem import problem

BIG = problem((2, 32, 24, 24), (32, 16, 4, 4), stride=2, padding=1)
SMALL = problem((1, 3, 9), (3, 2, 4), stride=2)
LONG = problem((1, 48, 300), (48, 24, 16), stride=8, padding=4)


def test_eight_threads_share_a_weight() -> None:
    every = [
        Operands(Run(p, dtype, False, native.isa(), 2)) for p in (BIG, SMALL, LONG) for dtype in ("float32", "float64")
    ]
    alone = [o.compute("silu") for o in every]

    def work(seed: int) -> bool:
        order = np.random.default_rng(seed).permutation(len(every) * 3) % len(every)
        return all(np.array_equal(every[i].compute("silu"), alone[i]) for i in order)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(16)))


def test_eight_threads_through_the_front() -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal(BIG.weight_shape).astype(np.float32)
    inputs = [rng.standard_normal(BIG.input_shape).astype(np.float32) for _ in range(8)]

    def work(x: np.ndarray) -> np.ndarray:
        return upweave.conv_transpose(x, weight, stride=2, padding=1, backend="native")

    alone = [work(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert all(map(np.array_equal, pool.map(work, inputs), alone))


@pytest.mark.parametrize("p", [BIG, SMALL, LONG], ids=["big", "small", "long"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_the_forward_pass_is_the_same_to_the_bit_for_every_number_of_threads(
    p: object, dtype: str, channels_last: bool
) -> None:
    """A sum's order is the schedule's, which shares out outputs and never a sum."""
    one, *others = (Operands(Run(p, dtype, channels_last, native.isa(), n)).compute() for n in (1, 1, 2, 3, 8))  # type: ignore[arg-type]
    assert all(np.array_equal(one, other) for other in others)


SETUP = """
    import os, sys, time
    {first}
    import numpy as np
    import upweave
    from upweave.ops import native
    {then}
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 32, 24, 24)).astype("f4")
    w = rng.standard_normal((32, 16, 4, 4)).astype("f4")
    def work():
        return upweave.conv_transpose(x, w, stride=2, padding=1, backend="native")
    before = work()
"""
FORK = """
    def finished(child):
        for _ in range(600):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        os.kill(child, 9)
        return "it hangs"

    def fork(job):
        child = os.fork()
        if child:
            return finished(child)
        try:
            os._exit(0 if job() else 3)
        finally:
            os._exit(4)  # an exception

    same = lambda: np.array_equal(work(), before)
    assert fork(same) == 0, "a child that computes"
    assert same(), "the parent goes on"
    assert fork(lambda: fork(same) == 0 and same()) == 0, "a child that forks"
    print(native.pool(), native.default_threads())
"""


@pytest.mark.parametrize(
    ("first", "then", "pool"),
    [
        ("", "", ("OpenMP", "none")),
        ("import torch", "torch.set_num_threads(3)", ("torch",)),
        ("", "import torch; torch.set_num_threads(2)", ("torch",)),
    ],
    ids=["own pool", "torch's pool", "torch after upweave"],
)
def test_fork_after_use(first: str, then: str, pool: tuple[str, ...]) -> None:
    if "torch" in first + then:
        need_torch()
    code = SETUP.format(first=first, then=then) + FORK
    assert run(code, OMP_NUM_THREADS="2").split()[0] in pool


def test_processes_that_multiprocessing_forks() -> None:
    code = (
        SETUP.format(first="", then="")
        + """
    import multiprocessing

    def job(_):
        return np.array_equal(work(), before)

    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert all(pool.map_async(job, range(6)).get(60))
    print("done")
"""
    )
    assert run(code, OMP_NUM_THREADS="2") == "done"


def test_torch_imported_after_the_core_was_used() -> None:
    need_torch()
    code = (
        SETUP.format(first="", then="")
        + """
    first = native.pool()
    import torch
    torch.set_num_threads(3)
    y = torch.mm(torch.ones(300, 300), torch.ones(300, 300))
    for threads in (3, 1, 2):
        torch.set_num_threads(threads)
        assert native.default_threads() == threads
        assert np.array_equal(work(), before)
        y = upweave.conv_transpose(torch.from_numpy(x), torch.from_numpy(w), stride=2, padding=1)
        assert np.linalg.norm(y.numpy() - before) < 1e-6 * np.linalg.norm(before)  # a kept weight may go another way
    print(first, native.pool())
"""
    )
    assert run(code, OMP_NUM_THREADS="2") in ("OpenMP torch", "none torch")


def test_turned_off_and_wrong_targets_say_so() -> None:
    code = """
    import numpy as np, upweave
    from upweave.ops import native
    x, w = np.ones((1, 2, 5), "f4"), np.ones((2, 3, 4), "f4")
    print(native.available(), native.targets(), native.isa(), native.pool(), native.default_threads())
    print(upweave.explain_plan(x, w).reason)
    print(upweave.conv_transpose(x, w).sum())
    try:
        upweave.conv_transpose(x, w, backend="native")
    except upweave.BackendError as error:
        print(error)
"""
    off = "native core not available: turned off by UPWEAVE_NATIVE=0"
    assert run(code, UPWEAVE_NATIVE="0").splitlines() == [
        "False ()   1", f"{off}; numpy runs instead", "120.0", f"backend 'native' cannot run this: {off}",
    ]  # fmt: skip
    found = run(code, UPWEAVE_ISA="abacus").splitlines()
    assert found[1].startswith("native core not available: UPWEAVE_ISA=abacus is not among")


@pytest.mark.parametrize("isa", native.targets())
def test_a_target_can_be_chosen(isa: str) -> None:
    code = (
        SETUP.format(first="", then="")
        + """
    want = upweave.conv_transpose(x, w, stride=2, padding=1, backend="numpy")
    print(native.isa(), np.allclose(before, want, atol=1e-3))
"""
    )
    assert run(code, UPWEAVE_ISA=isa) == f"{isa} True"
