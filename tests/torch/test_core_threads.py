"""Numbers of threads and many callers: the operators under `torch.set_num_threads`, and memory per thread."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.native.scripts import run
from upweave.ops import native
from upweave.ops.torch import conv_transpose
from upweave.ops.torch.library import GRAD_INPUT, GRAD_WEIGHT

pytestmark = pytest.mark.skipif(not native.available(), reason=f"native core not available: {native.why_not()}")

NUMBERS = ((2, 2), (1, 1), (0, 0), 1, (1, 1))


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def results(threads: int) -> list[torch.Tensor]:
    """Value and both gradients, for inputs that are the same each time."""
    torch.set_num_threads(threads)
    assert native.default_threads() == threads
    torch.manual_seed(0)
    x, weight, gy = torch.randn(3, 24, 20, 20), torch.randn(24, 12, 4, 4), torch.randn(3, 12, 40, 40)
    return [
        conv_transpose(x, weight, None, *NUMBERS, backend="native"),
        GRAD_INPUT(gy, weight, x.shape[2:], *NUMBERS),
        GRAD_WEIGHT(x, gy, weight.shape[2:], *NUMBERS),
    ]


def test_changing_the_number_of_threads() -> None:
    first = results(1)
    for threads in (2, 4, 1, 3, 2):
        found, again = results(threads), results(threads)
        assert all(map(torch.equal, found, again))  # the same number, the same bits
        assert torch.equal(found[0], first[0])  # of the output for any number
        assert torch.equal(found[1], first[1])
        # the gradient of a small weight is summed in as many parts as there are threads
        torch.testing.assert_close(found[2], first[2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2])
def test_no_buffer_grows_with_kernel_times_input(threads: int) -> None:
    """k = 64 on 4096 samples: columns would take 33 MB; packed weights and 4 MiB a thread are what is allowed."""
    code = f"""
    import torch
    from bench.modes import memory
    from upweave.ops.torch import PACKED, conv_transpose

    torch.set_num_threads({threads})
    torch.set_grad_enabled(False)
    numbers = (4,), (30,), (0,), 1, (1,)
    x, weight = torch.randn(1, 64, 4096), torch.randn(64, 32, 64)
    torch.mm(torch.ones(512, 512), torch.ones(512, 512))  # starts the threads, with their stacks
    conv_transpose(torch.ones(1, 1, 1), torch.ones(1, 1, 1), None, *numbers[:1], (0,), (0,), 1, (1,))

    def call():
        return conv_transpose(x, weight, None, *numbers, backend="native")

    first = memory.extra(call)
    print(first, memory.extra(call), PACKED.nbytes / 2**20)
"""
    first, later, packed = map(float, run(code, **MALLOC).split())
    assert packed > 0.4
    assert first < packed + 4 * threads + 1
    assert later < 4 * threads + 1
    columns = 64 * 32 * 4096 * 4 / 2**20
    assert columns > 2 * (packed + 4 * threads + 1), "or a buffer would go unnoticed"


MALLOC = {
    "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_TOP_PAD_": "0", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1",
}  # fmt: skip
