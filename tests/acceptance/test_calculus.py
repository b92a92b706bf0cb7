"""The calculus against PyTorch, from the public contract alone: names, arguments, integers, shapes."""

from __future__ import annotations

import random
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
import pytest

import upweave

torch = pytest.importorskip("torch")
F = torch.nn.functional
TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
DIRECT = (F.conv1d, F.conv2d, F.conv3d)


def drawn(seed: int) -> tuple[int, dict[str, Any], int, Any]:
    """(rank, hyper-parameters as numbers or tuples, groups, size)."""
    rng = random.Random(seed)
    rank, numbers = rng.choice((1, 1, 2, 3)), rng.random() < 0.5

    def value(low: int, high: int) -> Any:
        return rng.randint(low, high) if numbers else tuple(rng.randint(low, high) for _ in range(rank))

    fields = {
        "kernel": value(1, 5),
        "stride": value(1, 4),
        "padding": value(0, 3),
        "output_padding": value(0, 3),
        "dilation": value(1, 3),
    }
    size = tuple(rng.randint(1, 6) for _ in range(rank))
    return rank, fields, rng.choice((1, 1, 2)), size[0] if rank == 1 and numbers else size


def full(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else value


def run(rank: int, f: dict[str, Any], groups: int, x: Any, w: Any) -> Any:
    s, p, o, d = (full(f[k], rank) for k in ("stride", "padding", "output_padding", "dilation"))
    return TRANSPOSED[rank - 1](x, w, None, s, p, o, groups, d)


def ours(make: Any) -> Any:
    try:
        return make()
    except upweave.SpecError:
        return None


def test_output_size_agrees_with_torch_on_thousands_of_layers() -> None:
    seen = {"valid": 0, "refused": 0}
    for seed in range(3000):
        rank, f, groups, size = drawn(seed)
        try:
            x = torch.zeros(1, 2, *full(size, rank), dtype=torch.float64)
            want = tuple(run(rank, f, groups, x, torch.zeros(2, 1, *full(f["kernel"], rank), dtype=x.dtype)).shape[2:])
        except RuntimeError:
            want = None
        want = None if want is None or min(want) < 1 else want
        found = ours(lambda f=f, g=groups, n=size: upweave.output_size(upweave.ConvTranspose(**f, groups=g), n))
        assert (found if found is None else full(found, rank)) == want, (f, size)
        if isinstance(size, int) and found is not None:
            assert isinstance(found, int)
        seen["refused" if want is None else "valid"] += 1
    assert min(seen.values()) > 500


def test_matrix_coverage_and_gain_agree_with_torch() -> None:
    torch.manual_seed(0)
    checked = 0
    for seed in range(500):
        rank, f, groups, size = drawn(seed)
        if ours(lambda f=f, n=size: upweave.output_size(upweave.ConvTranspose(**f), n)) is None:
            continue
        checked += 1
        spec = upweave.ConvTranspose(**f, groups=groups)
        x = torch.randn(1, 2, *full(size, rank), dtype=torch.float64)
        w = torch.randn(2, 1 + seed % 2, *full(f["kernel"], rank), dtype=torch.float64)
        y = run(rank, f, groups, x, w)
        given = (w, w.numpy(), w.tolist(), torch.nn.Parameter(w))[seed % 4]
        m = upweave.matrix(spec, full(size, rank), given)
        assert m.shape == (y.numel(), x.numel())
        np.testing.assert_allclose(m @ x.numpy().ravel(), y.numpy().ravel(), atol=1e-12)

        lines = [axis_coverage(f, a, rank) for a in range(rank)]
        tuples = upweave.ConvTranspose(**{k: full(v, rank) for k, v in f.items()})
        counts = upweave.coverage(tuples)
        assert np.issubdtype(counts.dtype, np.integer)
        np.testing.assert_array_equal(counts, reduce(np.multiply.outer, lines))
        bank = upweave.phase_bank(spec, w)
        np.testing.assert_array_equal(bank.support.sum(axis=tuple(range(rank, 2 * rank))), counts)

        gain = upweave.dc_gain(spec, w).sum(axis=tuple(range(rank)))
        response = upweave.frequency_response(spec, w, n=3)
        np.testing.assert_allclose(response[(slice(None), slice(None), *(0,) * rank)], gain, atol=1e-12)

        outputs = tuple(y.shape[2:])
        back = upweave.Conv(**{k: v for k, v in f.items() if k != "output_padding"}, groups=groups)
        direct = DIRECT[rank - 1](y, w, None, *(full(f[k], rank) for k in ("stride", "padding", "dilation")), groups)
        c = upweave.matrix(back, outputs, w)
        np.testing.assert_allclose(c @ y.numpy().ravel(), direct.numpy().ravel(), atol=1e-12)
        if direct.shape == x.shape:
            assert abs(c.T - m).max() < 1e-12
    assert checked > 150


def axis_coverage(f: dict[str, Any], axis: int, rank: int) -> np.ndarray:
    """Ones through an axis of 40 samples: the counts of one period in the middle."""
    k, s, p, o, d = (full(f[n], rank)[axis] for n in ("kernel", "stride", "padding", "output_padding", "dilation"))
    y = F.conv_transpose1d(torch.ones(1, 1, 40), torch.ones(1, 1, k), None, s, p, o, 1, d)[0, 0].numpy()
    middle = len(y) // 2 // s * s
    return y[middle : middle + s].astype(int)


def test_padding_that_differs_by_side() -> None:
    x, w = torch.randn(1, 1, 6, 5, dtype=torch.float64), torch.randn(1, 1, 4, 3, dtype=torch.float64)
    spec = upweave.ConvTranspose(kernel=(4, 3), stride=(2, 3), padding=((1, 0), (0, 2)))
    want = F.conv_transpose2d(x, w, stride=(2, 3))[..., 1:, :-2]
    np.testing.assert_allclose(upweave.matrix(spec, (6, 5), w) @ x.numpy().ravel(), want.numpy().ravel(), atol=1e-12)


def test_a_dilation_on_the_strides_lattice_leaves_a_residue_empty() -> None:
    assert upweave.coverage(upweave.ConvTranspose(kernel=3, stride=2, dilation=2)).tolist() == [3, 0]
    assert upweave.coverage(upweave.ConvTranspose(kernel=3, stride=2, padding=1, dilation=2)).tolist() == [0, 3]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(4, 8), (5, 9), (7, 13), (1, 4), (16, 79), (8, 4), (3, 3), ((4, 4, 4), (8, 8, 8)), ((4, 5), (8, 9)), (3, (7, 7))],
)
def test_every_design_does_what_was_asked(given: Any, wanted: Any) -> None:
    found = upweave.design(given, wanted)
    assert found
    for c in found:
        assert upweave.output_size(c.spec, given) == wanted
        assert c.coverage.tolist() == upweave.coverage(c.spec).tolist()
        assert c.reasons
    spread = [int(c.coverage.max() - c.coverage.min()) > 0 for c in found]
    assert spread == sorted(spread)  # even coverage first


def test_design_of_a_whole_decoder() -> None:
    sizes = (4, 8, 16, 32, 64)
    steps = upweave.design_chain(sizes)
    assert [upweave.output_size(s[0].spec, n) for s, n in zip(steps, sizes, strict=False)] == list(sizes[1:])


def test_design_refuses_what_no_layer_does() -> None:
    with pytest.raises(upweave.SpecError, match="4096"):
        upweave.design(4, 10**9)


def test_alignment_names_both_conventions() -> None:
    (axis,) = upweave.alignment(upweave.ConvTranspose(kernel=3, stride=2, padding=1, output_padding=1)).axes
    assert (axis.kind, axis.shift_half_pixel, axis.shift_point) == ("phase-0", Fraction(-1, 2), 0)
    assert upweave.alignment(upweave.ConvTranspose(kernel=4, stride=2, padding=1)).kind == "centred"


CT, W = upweave.ConvTranspose, [1.0, 2.0, 3.0]
BAD: dict[str, tuple[Any, str]] = {
    "kernel-zero": (lambda: CT(0), "0"),
    "kernel-negative": (lambda: CT(-3), "-3"),
    "kernel-bool": (lambda: CT(True), "True"),
    "kernel-float": (lambda: CT(3.0), "3.0"),
    "kernel-text": (lambda: CT("3"), "'3'"),
    "kernel-fractional-array": (lambda: CT(np.array(3.5)), "3.5"),
    "stride-zero": (lambda: CT(3, 0), "0"),
    "padding-negative": (lambda: CT(3, 2, -1), "-1"),
    "output-padding": (lambda: CT(3, 2, 1, 2), "output_padding 2 must be smaller than stride 2 or dilation 1"),
    "output-padding-one-axis": (lambda: CT((3, 3), (2, 1), 1, (1, 1)), "1 must be smaller than stride 1"),
    "ranks": (lambda: CT((3, 3), (2,)), "kernel has 2, stride has 1"),
    "groups-tuple": (lambda: CT(3, groups=(1, 1)), "one int"),
    "size-zero": (lambda: upweave.output_size(CT(3, 2), 0), "0"),
    "size-negative": (lambda: upweave.output_size(CT(3, 2), -4), "-4"),
    "size-bool": (lambda: upweave.output_size(CT(3, 2), True), "True"),
    "size-float": (lambda: upweave.output_size(CT(3, 2), 2.0), "2.0"),
    "size-fractional-array": (lambda: upweave.output_size(CT(3, 2), np.array(4.5)), "4.5"),
    "size-none": (lambda: upweave.output_size(CT(3, 2), None), "None"),
    "size-empty": (lambda: upweave.output_size(CT(3, 2), ()), "at least one axis"),
    "size-rank": (lambda: upweave.output_size(CT((3, 3), 2), (1, 2, 3)), "2 axes"),
    "size-too-small": (lambda: upweave.output_size(CT(1, 2, 3), 1), "at least 4"),
    "no-spec": (lambda: upweave.output_size(None, 4), "None"),
    "no-spec-coverage": (lambda: upweave.coverage(3), "3"),
    "no-spec-alignment": (lambda: upweave.alignment("k3"), "k3"),
    "weight-shape": (lambda: upweave.matrix(CT(3, 2), 4, [1, 2]), r"\(2,\).*\(3,\)"),
    "weight-groups": (lambda: upweave.matrix(CT(3, 2, groups=2), 4, np.ones((3, 1, 3))), "3 does not split into 2"),
    "weight-ragged": (lambda: upweave.matrix(CT(3, 2), 4, [[1, 2], [3]]), "array of numbers"),
    "weight-text": (lambda: upweave.dc_gain(CT(3, 2), "abc"), "abc"),
    "weight-none-inside": (lambda: upweave.matrix(CT(3, 2), 4, [1, None, 2]), "None"),
    "weight-meta": (lambda: upweave.matrix(CT(3, 2), 4, torch.empty(1, 1, 3, device="meta")), "meta"),
    "bias-shape": (lambda: upweave.phase_bank(CT(3, 2), W, [1, 2]), r"\(2,\).*\(1,\)"),
    "bank-as-spec": (lambda: upweave.matrix(upweave.phase_bank(CT(3, 2), W), 4), "bank_matrix"),
    "points": (lambda: upweave.frequency_response(CT(3, 2), W, n=2.5), "2.5"),
    "design-float": (lambda: upweave.design(4.0, 8), "4.0"),
    "design-bool": (lambda: upweave.design(True, 8), "True"),
    "design-kernel": (lambda: upweave.design(4, 8, max_kernel=2.5), "2.5"),
    "design-limit": (lambda: upweave.design(4, 8, limit=True), "True"),
    "design-stride": (lambda: upweave.design(4, 8, stride=1.5), "1.5"),
    "design-axes": (lambda: upweave.design((4, 4), (8, 8, 8)), "different numbers of axes"),
    "design-chain": (lambda: upweave.design_chain(4), "two sizes"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_error(name: str) -> None:
    make, says = BAD[name]
    with pytest.raises(upweave.SpecError, match=says) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int64", "bool"])
def test_weights_of_any_type(dtype: str) -> None:
    weight = torch.tensor([[[1, 0, 1]]]).to(getattr(torch, dtype))
    found = upweave.matrix(CT(3, 2), 2, weight).toarray()
    np.testing.assert_array_equal(found, [[1, 0], [0, 0], [1, 1], [0, 0], [0, 1]])


def test_the_articles_example() -> None:
    c = upweave.matrix(upweave.Conv(kernel=3, stride=2, padding=1), 5, (2, -1, 3)).toarray()
    assert c.tolist() == [[-1, 3, 0, 0, 0], [0, 2, -1, 3, 0], [0, 0, 0, 2, -1]]
    assert upweave.matrix(CT(kernel=3, stride=2, padding=1), 3, (2, -1, 3)).toarray().tolist() == c.T.tolist()
