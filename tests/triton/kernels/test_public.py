"""Backend "triton" by its name through the public functions: derivatives, graphs, transforms, casts, refusals."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import upweave
from upweave.ops.torch import gpu
from upweave.ops.torch.library import TRITON
from upweave.ops.triton import run, tune
from upweave.ops.triton.available import interpreted

DEVICE = "cpu" if interpreted() else "cuda"


@pytest.fixture(autouse=True)
def exact_products():
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def operands(requires_grad: bool = False) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    shapes = ((2, 6, 4, 3), (6, 5, 4, 4), (5,))
    return [torch.randn(s, generator=g).to(DEVICE).requires_grad_(requires_grad) for s in shapes]


def ours(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor | None = None, **more: object) -> torch.Tensor:
    return upweave.conv_transpose(x, w, b, stride=2, padding=1, backend="triton", **more)


def theirs(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor | None = None) -> torch.Tensor:
    return F.conv_transpose2d(x, w, b, 2, 1)


def close(got: torch.Tensor, want: torch.Tensor) -> None:
    torch.testing.assert_close(got, want, rtol=2e-5, atol=2e-5)


def test_the_value_and_its_derivatives_of_two_orders() -> None:
    found, wanted = operands(True), operands(True)
    y, z = torch.tanh(ours(*found)), torch.tanh(theirs(*wanted))
    close(ours(*found, activation="tanh"), z)
    first = torch.autograd.grad(y.square().sum(), found, create_graph=True)
    first_wanted = torch.autograd.grad(z.square().sum(), wanted, create_graph=True)
    second = torch.autograd.grad(sum(t.square().sum() for t in first), found)
    second_wanted = torch.autograd.grad(sum(t.square().sum() for t in first_wanted), wanted)
    for a, b in zip((*first, *second), (*first_wanted, *second_wanted), strict=True):
        assert (a - b).norm() < 2e-5 * b.norm()


def test_the_gradients_are_triton_s_too(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    for name in ("forward", "grad_input", "grad_weight"):
        real = getattr(run, name)
        monkeypatch.setattr(run, name, lambda *a, real=real, name=name: called.append(name) or real(*a))
    x, w, b = operands(True)
    ours(x, w, b).sum().backward()
    assert called == ["forward", "grad_input", "grad_weight"]


def test_a_compiled_graph_keeps_the_backend() -> None:
    graphs = []

    def look(graph, inputs):
        graphs.append(graph)
        return graph

    x, w, b = operands()
    close(torch.compile(ours, backend=look, fullgraph=True)(x, w, b), theirs(x, w, b))
    assert "conv_transpose_triton" in graphs[0].code
    xs = operands(True)
    torch.compile(ours, backend="aot_eager", fullgraph=True)(*xs).square().sum().backward()
    wanted = operands(True)
    theirs(*wanted).square().sum().backward()
    for t, u in zip(xs, wanted, strict=True):
        assert (t.grad - u.grad).norm() < 1e-5 * u.grad.norm()


def test_vmap_and_autocast() -> None:
    x, w, b = operands()
    many = torch.stack([x, 2 * x])
    close(torch.vmap(lambda x: ours(x, w, b))(many), torch.stack([theirs(t, w, b) for t in many]))
    per_sample = torch.func.vmap(torch.func.grad(lambda w, x: ours(x[None], w).square().sum()), (None, 0))(w, x)
    wanted = torch.func.vmap(torch.func.grad(lambda w, x: theirs(x[None], w).square().sum()), (None, 0))(w, x)
    assert (per_sample - wanted).norm() < 1e-5 * wanted.norm()
    with torch.autocast(DEVICE, torch.bfloat16):
        y = ours(x, w, b)
    assert y.dtype is torch.bfloat16
    assert (y.float() - theirs(x, w, b)).norm() < 1e-2 * y.float().norm()


def test_operators_keep_their_promises() -> None:
    x, w, b = operands()
    numbers = ((2, 2), (1, 1), (0, 0), 1, (1, 1))
    gy = torch.randn(2, 5, 8, 6).to(DEVICE)
    for op, args in zip(
        TRITON, ((x, w, b, *numbers, "relu", 0.0), (gy, w, (4, 3), *numbers), (x, gy, (4, 4), *numbers)), strict=True
    ):
        torch.library.opcheck(op, args)


def test_out_and_unbatched() -> None:
    x, w, b = operands()
    out = torch.full((2, 5, 8, 6), torch.nan, device=DEVICE)
    assert ours(x, w, b, out=out) is out
    close(out, theirs(x, w, b))
    close(ours(x[0], w, b), out[0])


def test_what_it_does_not_take_is_refused_with_the_reason() -> None:
    x, w, _ = operands()
    with pytest.raises(upweave.BackendError, match="float32, bfloat16, float16, not float64"):
        ours(x.double(), w.double())
    with pytest.raises(upweave.BackendError, match=r"groups of phases, the kernels know 64"):
        upweave.conv_transpose(x, torch.randn(6, 5, 30, 30, device=DEVICE), stride=23, dilation=9, backend="triton")
    with pytest.raises(upweave.BackendError, match="forward-mode"), torch.autograd.forward_ad.dual_level():
        ours(torch.autograd.forward_ad.make_dual(x, x), w)


def test_explained() -> None:
    x, w, _ = operands()
    found = upweave.explain_plan(x, w, stride=2, padding=1, backend="triton")
    assert (found.backend, found.algorithm) == ("triton", "phase_gemm")
    assert upweave.available_backends()["triton"] == ""


@pytest.mark.skipif(not interpreted(), reason="on a GPU it is another question")
def test_the_interpreter_is_never_automatic() -> None:
    x, w, _ = operands()
    assert upweave.explain_plan(x, w, stride=2).backend in ("native", "torch")
    p = gpu.kernels.problem_of(x.shape, w.shape, None, (2, 2), (1, 1), (0, 0), 1, (1, 1))
    assert not tune.allowed(x)
    assert tune.best_kernel(p, "forward", x, w, None) == run.default(p, "forward", x)


@pytest.mark.skipif(interpreted(), reason="needs a GPU")
def test_streams_and_cuda_graphs() -> None:
    x, w, b = operands()
    want = ours(x, w, b)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        side = ours(x, w, b)
    torch.cuda.current_stream().wait_stream(stream)
    assert torch.equal(side, want)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = ours(x, w, b)
    x.mul_(2)
    graph.replay()
    assert torch.equal(captured, ours(x, w, b))


@pytest.mark.skipif(interpreted(), reason="needs a GPU")
@pytest.mark.parametrize("backend", ["auto", "triton"])
def test_automatic_on_a_gpu(backend: str) -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        if backend == "triton" and dtype is torch.float64:
            continue
        x, w, b = (t.to(dtype).requires_grad_() for t in operands())
        y = upweave.conv_transpose(x, w, b, stride=2, padding=1, backend=backend)
        limit = 2e-2 if dtype is torch.bfloat16 else 1e-4
        assert (y - theirs(x, w, b)).norm() < limit * y.norm()
        y.sum().backward()
        assert x.grad is not None


@pytest.mark.skipif(interpreted(), reason="needs a GPU with much memory")
def test_offsets_beyond_32_bits() -> None:
    if torch.cuda.mem_get_info()[0] < 24 * 2**30:
        pytest.skip("needs 24 GiB")
    x = torch.randn(1, 1, 2**30 + 5, device=DEVICE, dtype=torch.bfloat16)
    w = torch.randn(1, 1, 4, device=DEVICE, dtype=torch.bfloat16)
    y = upweave.conv_transpose(x, w, stride=2, padding=1, backend="triton")
    assert y.numel() > 2**31
    close(
        y[..., -64:].float(),
        F.conv_transpose1d(x[..., -40:].float(), w.float(), None, 2, 1)[..., -64:].bfloat16().float(),
    )
