"""The matrix, the operator, the bank's matrix and the reference loops are four routes to the same numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upweave.bank import PhaseBank
from upweave.boundary import exact_interior
from upweave.convert import boundary, phase_bank
from upweave.errors import NotRepresentable, SpecError
from upweave.ops.reference import reference
from upweave.spec import REGISTRY, Conv, ConvPixelShuffle, ConvTranspose, FirUpsample, ResizeConv, ZeroInsertConv
from upweave.testing import assert_close, dot_test
from upweave.theory.adjoint import adjoint
from upweave.theory.matrix import bank_matrix, linear_operator, matrix, weight_gradient
from upweave.theory.sizes import output_size

from ..strategies import UPSAMPLERS, layers


@pytest.mark.parametrize("name", sorted(REGISTRY))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_matrix_is_the_reference_on_signals_and_unit_vectors(name, data):
    layer = data.draw(layers(name))
    m = matrix(layer.spec, layer.size, layer.weight, channels=layer.channels)
    x = layer.signal()
    y = reference(layer.spec, x, layer.weight)
    assert y.shape[1:] == output_size(layer.spec, layer.size if layer.rank > 1 else tuple(layer.size))
    assert_close((m @ x.reshape(-1)).reshape(y.shape), y)
    column = data.draw(st.integers(0, x.size - 1))
    unit = np.zeros(x.size)
    unit[column] = 1
    assert_close(m[:, [column]].toarray()[:, 0], reference(layer.spec, unit.reshape(x.shape), layer.weight).reshape(-1))


@pytest.mark.parametrize("name", sorted(REGISTRY))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_operator_is_the_matrix_and_passes_the_dot_test(name, data):
    layer = data.draw(layers(name))
    m = matrix(layer.spec, layer.size, layer.weight, channels=layer.channels)
    operator = linear_operator(layer.spec, layer.size, layer.weight, channels=layer.channels)
    assert operator.shape == m.shape
    dot_test(operator)
    dot_test(operator, m.T)
    assert_close(operator @ np.eye(m.shape[1]), m)


@pytest.mark.parametrize("name", UPSAMPLERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_bank_has_the_layers_matrix(name, data):
    layer = data.draw(layers(name))
    m = matrix(layer.spec, layer.size, layer.weight, channels=layer.channels).toarray()
    bank = phase_bank(layer.spec, layer.weight, layer.bias, rank=layer.rank, channels=layer.channels)
    edges = boundary(layer.spec, layer.rank)
    if all(b.extension != "mixed" for b in edges):
        assert_close(bank_matrix(bank, layer.size, edges), m)
        return
    with pytest.raises(NotRepresentable, match="interior"):
        bank_matrix(bank, layer.size, edges)
    out = output_size(layer.spec, tuple(layer.size))
    zero = [type(b)(b.excess) for b in edges]
    rows = interior_rows(bank, layer.size, out)
    assert_close(bank_matrix(bank, layer.size, zero).toarray()[rows], m[rows])


@pytest.mark.parametrize("name", UPSAMPLERS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_bank_runs_the_layer_with_its_bias(name, data):
    layer = data.draw(layers(name))
    bank = phase_bank(layer.spec, layer.weight, layer.bias, rank=layer.rank, channels=layer.channels)
    if layer.bias is None:
        assert bank.bias is None
        return
    x = layer.signal()
    biased = reference(layer.spec, x, layer.weight, layer.bias) - reference(layer.spec, x, layer.weight)
    assert_close(biased, bias_field(bank, biased.shape[1:]))


@pytest.mark.parametrize("second", UPSAMPLERS)
@pytest.mark.parametrize("first", UPSAMPLERS)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_composition_is_the_product_of_matrices_in_the_interior(first, second, data):
    rank = data.draw(st.sampled_from([1, 1, 1, 2]))
    a, b = data.draw(layers(first, rank)), data.draw(layers(second, rank))
    bank_a = phase_bank(a.spec, a.weight, a.bias, rank=rank, channels=a.channels)
    bank_b = phase_bank(b.spec, b.weight, b.bias, rank=rank, channels=b.channels)
    if bank_b.in_channels != bank_a.out_channels:
        with pytest.raises(SpecError, match="channels"):
            bank_b @ bank_a
        return
    both = bank_b @ bank_a
    size = tuple(n + 4 for n in a.size) if rank == 1 else a.size
    edges_a, edges_b = ([type(e)(e.excess) for e in boundary(x.spec, rank)] for x in (a, b))
    try:
        middle = tuple(e.output_size(s, n) for e, s, n in zip(edges_a, bank_a.stride, size, strict=True))
        ends = [
            type(eb)(sb * ea.excess + eb.excess) for ea, eb, sb in zip(edges_a, edges_b, bank_b.stride, strict=True)
        ]
        product = bank_matrix(bank_b, middle, edges_b) @ bank_matrix(bank_a, size, edges_a)
        composed = bank_matrix(both, size, ends)
    except SpecError:
        return  # too short
    out = tuple(e.output_size(s, n) for e, s, n in zip(ends, both.stride, size, strict=True))
    rows = interior_rows(bank_b, middle, out)
    assert_close(composed.toarray()[rows], product.toarray()[rows])
    if both.bias is not None:
        through = bank_matrix(bank_b, middle, edges_b) @ bias_field(bank_a, middle).reshape(-1)
        expected = through + bias_field(bank_b, out).reshape(-1)
        assert_close(bias_field(both, out).reshape(-1)[rows], expected[rows])


def interior_rows(bank: PhaseBank, size, out) -> np.ndarray:
    """Rows of the matrix, over all channels, that read inside the input on every axis."""
    inside = np.ones(out, dtype=bool)
    for a, (t, n, m) in enumerate(zip(bank.axes, size, out, strict=True)):
        line = np.zeros(m, dtype=bool)
        line[list(exact_interior(t, n, m))] = True
        inside &= line.reshape(-1, *(1,) * (len(out) - 1 - a))
    return np.tile(inside.reshape(-1), bank.out_channels).nonzero()[0]


def bias_field(bank: PhaseBank, out) -> np.ndarray:
    """The bias of every output, (C_out, *out)."""
    y = np.zeros((bank.out_channels, *out))
    if bank.bias is not None:
        for n in np.ndindex(*out):
            y[(slice(None), *n)] = bank.bias[tuple(i % s for i, s in zip(n, bank.stride, strict=True))]
    return y


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_adjoint_layer_has_the_transposed_matrix(data):
    up = data.draw(layers("ConvTranspose"))
    if any(a.output_padding >= a.stride for a in up.spec.per_axis(up.rank)):
        with pytest.raises(NotRepresentable, match="output_padding"):
            adjoint(up.spec)
        return
    out = output_size(up.spec, tuple(up.size))
    down = adjoint(up.spec)
    assert_close(matrix(down, out, up.weight), matrix(up.spec, up.size, up.weight).T)
    again = adjoint(down, out)
    assert_close(matrix(again, up.size, up.weight), matrix(up.spec, up.size, up.weight))


def test_adjoint_without_a_size_is_the_shortest_and_other_specs_have_none():
    assert adjoint(Conv(3, 2, 1)) == ConvTranspose(3, 2, 1, 0)
    assert adjoint(Conv((3, 3), (2, 2), (1, 1)), (4, 5)).output_padding == (1, 0)
    with pytest.raises(NotRepresentable, match="ResizeConv"):
        adjoint(ResizeConv(3, 2, 1))


@pytest.mark.parametrize("name", ["ConvTranspose", "Conv", "ZeroInsertConv", "ConvPixelShuffle", "ResizeConv"])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_weight_gradient_is_the_derivative_of_the_reference(name, data):
    layer = data.draw(layers(name))
    x = layer.signal()
    y = reference(layer.spec, x, layer.weight)
    g = np.random.default_rng(1).standard_normal(y.shape)
    grad = weight_gradient(layer.spec, x, g)
    assert grad.shape == layer.weight.shape
    direction = np.random.default_rng(2).standard_normal(grad.shape)
    assert_close((grad * direction).sum(), (reference(layer.spec, x, direction) * g).sum())


def test_weight_gradient_takes_bare_signals_and_batches():
    spec, rng = ConvTranspose(3, 2, 1), np.random.default_rng(0)
    x, g = rng.standard_normal((4, 2, 5)), rng.standard_normal((4, 3, 9))
    total = sum(weight_gradient(spec, a, b) for a, b in zip(x, g, strict=True))
    assert_close(weight_gradient(ConvTranspose((3,), 2, 1), x, g), total)
    assert_close(weight_gradient(spec, x[0, 0], g[0, 0]), weight_gradient(spec, x[0], g[0])[0, 0])
    with pytest.raises(SpecError, match="its gradient is"):
        weight_gradient(spec, x[0], g[0, :, :-1])
    with pytest.raises(SpecError, match="no weights"):
        weight_gradient(FirUpsample((1.0,)), x[0], g[0])


def test_wrong_weights_and_sizes_are_named():
    with pytest.raises(SpecError, match=r"\(1, 1, 4\).*\(3,\)"):
        matrix(ConvTranspose(3, 2), 4, np.ones((1, 1, 4)))
    with pytest.raises(SpecError, match="2 axes"):
        matrix(ConvTranspose((3, 3), 2), (4, 4, 4))
    with pytest.raises(SpecError, match="groups"):
        matrix(Conv(3, groups=2), 4, np.ones((3, 1, 3)))
    with pytest.raises(SpecError, match="phases"):
        matrix(ConvPixelShuffle(3, 2), 4, np.ones((3, 1, 3)))
    with pytest.raises(SpecError, match="at least 1"):
        matrix(ConvTranspose(3, 2), 0)
    with pytest.raises(SpecError, match="no weight"):
        matrix(FirUpsample((1.0, 1.0)), 4, np.ones(2))


def test_three_axes_and_default_weights():
    m = matrix(ZeroInsertConv(2, 2, 1), (2, 1, 2))
    assert m.shape == (4 * 2 * 4, 4)
    assert set(np.unique(m.toarray())) == {0.0, 1.0}
    assert matrix(ConvTranspose(3, 2, groups=3), 4).shape == (27, 12)
