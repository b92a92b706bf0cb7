"""Every formula of the article (article.zh.txt), once, with the article's own numbers."""

from fractions import Fraction

import numpy as np
import pytest

import upweave
from upweave import Conv, ConvTranspose, FirUpsample, ZeroInsertConv
from upweave.testing import assert_close
from upweave.theory.alignment import centre_map, first_pixel_offset
from upweave.theory.coverage import overlap
from upweave.theory.sizes import valid_output_range
from upweave.theory.spectrum import dtft, sinc_kernel, zero_insert

W = np.array([2, -1, 3])
C = np.array([[-1, 3, 0, 0, 0], [0, 2, -1, 3, 0], [0, 0, 0, 2, -1]])


def test_convolution_length():
    """L = ⌊(N + 2p − k)/s⌋ + 1 = ⌊(7 − 3)/2⌋ + 1 = 3."""
    assert upweave.output_size(Conv(3, 2, 1), 5) == 3


def test_convolution_matrix():
    """y = C x with C the 3×5 matrix of w = (2, −1, 3), s = 2, p = 1."""
    assert upweave.matrix(Conv(3, 2, 1), 5, W).toarray().tolist() == C.tolist()


def test_transposed_matrix():
    """z = Cᵀ y: the transposed convolution takes 3 samples to 5."""
    spec = ConvTranspose(kernel=3, stride=2, padding=1)
    assert upweave.output_size(spec, 3) == 5
    assert upweave.matrix(spec, 3, W).toarray().tolist() == C.T.tolist()


def test_input_gradient_of_a_convolution_is_the_transposed_convolution():
    """∂L/∂x = C_wᵀ ∂L/∂y."""
    torch = pytest.importorskip("torch")
    x = torch.zeros(1, 1, 5, dtype=torch.float64, requires_grad=True)
    g = np.array([1.0, -2.0, 0.5])
    torch.nn.functional.conv1d(x, torch.tensor(W, dtype=torch.float64)[None, None], stride=2, padding=1).backward(
        torch.tensor(g)[None, None]
    )
    assert_close(upweave.matrix(ConvTranspose(3, 2, 1), 3, W) @ g, x.grad[0, 0].numpy())


def test_input_gradient_of_a_transposed_convolution_is_the_convolution():
    """∂L/∂u = (C_wᵀ)ᵀ ∂L/∂v = C_w ∂L/∂v."""
    torch = pytest.importorskip("torch")
    u = torch.zeros(1, 1, 3, dtype=torch.float64, requires_grad=True)
    g = np.array([1.0, -2.0, 0.5, 4.0, 3.0])
    w = torch.tensor(W, dtype=torch.float64)[None, None]
    torch.nn.functional.conv_transpose1d(u, w, stride=2, padding=1).backward(torch.tensor(g)[None, None])
    assert_close(upweave.matrix(Conv(3, 2, 1), 5, W) @ g, u.grad[0, 0].numpy())


def test_fans_exchange_their_roles():
    """The transposed convolution's fans are the convolution's, exchanged: (C_in·k/s, C_out·k)."""
    assert upweave.fans(ConvTranspose(4, 2, 1), 64, 32) == (128.0, 128.0)
    assert upweave.fans(Conv(4, 2, 1), 32, 64) == upweave.fans(ConvTranspose(4, 2, 1), 64, 32)[::-1]


def test_forward_rule():
    """o[n] = Σ_i x[i]·h[n − i·s]."""
    x = np.array([5.0, 7.0, 11.0])
    o = [sum(x[i] * W[n - 2 * i] for i in range(3) if 0 <= n - 2 * i < 3) for n in range(7)]
    assert (upweave.matrix(ConvTranspose(3, 2), 3, W) @ x).tolist() == o


def test_weight_gradient():
    """∂L/∂h[r] = Σ_i x[i]·g[i·s + r]."""
    x, g = np.array([5.0, 7.0, 11.0]), np.arange(1.0, 8.0)
    expected = [sum(x[i] * g[2 * i + r] for i in range(3)) for r in range(3)]
    assert upweave.weight_gradient(ConvTranspose(3, 2), x, g).tolist() == expected
    # with padding the gradient is read p samples earlier: g[i·s + r − p]
    padded = upweave.weight_gradient(ConvTranspose(3, 2, 1), x, g[:5])
    assert padded.tolist() == [sum(x[i] * g[n] for i in range(3) if 0 <= (n := 2 * i + r - 1) < 5) for r in range(3)]


def test_zero_insertion_then_convolution():
    """Insert s−1 zeros, then a stride-1 convolution (kernel flipped, p' = k − 1 − p): the same layer."""
    assert_close(upweave.matrix(ZeroInsertConv(3, 2, 1), 3, W[::-1]), upweave.matrix(ConvTranspose(3, 2, 1), 3, W))


def test_zero_inserted_signal():
    """x_↑L[n] = x[n/L] if L divides n, else 0."""
    assert zero_insert([1, 2, 3], 3).tolist() == [1, 0, 0, 2, 0, 0, 3, 0, 0]


def test_spectrum_of_the_zero_inserted_signal():
    """X_↑L(e^{jω}) = X(e^{jLω}): L copies of the spectrum, L−1 of them images."""
    x, omega = np.random.default_rng(0).standard_normal(9), np.linspace(-np.pi, np.pi, 41)
    for factor in (2, 3, 5):
        assert_close(dtft(zero_insert(x, factor), omega), dtft(x, factor * omega))


def test_ideal_lowpass():
    """H(e^{jω}) = L for |ω| ≤ π/L, 0 up to π."""
    assert upweave.ideal_lowpass(2, 8).tolist() == [2, 2, 2, 0, 0, 0, 2, 2]
    omega = 2 * np.pi * np.arange(60) / 60
    expected = np.where(np.minimum(omega, 2 * np.pi - omega) <= np.pi / 3 + 1e-9, 3.0, 0.0)
    assert upweave.ideal_lowpass(3, 60).tolist() == expected.tolist()


def test_gain_of_the_ideal_filter_undoes_the_dilution():
    """A constant c has mean c/L after zero insertion; the pass band's gain L restores c."""
    x = np.full(50, 4.0)
    assert zero_insert(x, 5).mean() == 4.0 / 5
    assert zero_insert(x, 5).mean() * upweave.ideal_lowpass(5, 16)[0] == 4.0


def test_sinc_kernel():
    """h[n] = sin(πn/L)/(πn/L): one at 0, zero at the other multiples of L, and its transform is the ideal filter."""
    assert sinc_kernel(2, [0, 1, 2, 4]).tolist() == pytest.approx([1, 2 / np.pi, 0, 0], abs=1e-15)
    n = np.arange(-4000, 4001)
    inside, outside = abs(dtft(sinc_kernel(2, n), [0.5, 2.5], start=-4000))
    assert inside == pytest.approx(2, abs=1e-3)
    assert outside == pytest.approx(0, abs=1e-3)


def test_sizes_inequality():
    """s(H−1) + k − 2p ≤ H_T < sH + k − 2p: s sizes, each of which the convolution takes back to H."""
    assert valid_output_range(3, 3, 2, 1) == range(5, 7)
    for h, k, s, p in [(3, 3, 2, 1), (8, 4, 2, 1), (5, 5, 3, 2), (4, 2, 4, 0)]:
        sizes = upweave.output_sizes(ConvTranspose(k, s, p), h)
        assert list(sizes) == list(valid_output_range(h, k, s, p))
        assert len(sizes) == s
        every = [n for n in range(1, 60) if (n + 2 * p - k) // s == h - 1]
        assert list(sizes) == every


def test_output_size():
    """H_T = s(H − 1) − 2p + k + o, 0 ≤ o < s."""
    assert [upweave.output_size(ConvTranspose(3, 2, 1, o), 3) for o in (0, 1)] == [5, 6]


def test_centre_map():
    """f_p(n) = 2n − p + (k−1)/2."""
    assert [centre_map(n, 4, 1) for n in (0, 1, 5)] == [Fraction(1, 2), Fraction(5, 2), Fraction(21, 2)]
    for k, p in [(3, 0), (3, 1), (4, 1), (5, 2)]:
        (axis,) = upweave.alignment(ConvTranspose(k, 2, p)).axes
        assert [axis.centre(n) for n in range(4)] == [centre_map(n, k, p) for n in range(4)]


def test_one_more_padding_moves_the_output_by_one_pixel():
    """Δ = f₁(n) − f₀(n) = −1."""
    assert {centre_map(n, 3, 1) - centre_map(n, 3, 0) for n in range(9)} == {-1}


def test_first_pixel_offset():
    """((k−1−2p)/4, (k−1−2p)/4), with the padding p of the convolution after zero insertion."""
    assert first_pixel_offset(3, 0) == Fraction(1, 2)
    assert first_pixel_offset(4, 1) == Fraction(1, 4)
    assert first_pixel_offset(3, 1) == 0
    # The map f(n) = s·n + offset sends input −offset/s to output 0; with ZeroInsertConv the p is the article's.
    for k, p in [(3, 0), (4, 1), (4, 2), (5, 2)]:
        for axis in upweave.alignment(ZeroInsertConv((k, k), 2, p)).axes:
            assert -axis.offset / 2 == first_pixel_offset(k, p)
        # and in the transposed convolution's own p the sign turns
        (axis,) = upweave.alignment(ConvTranspose(k, 2, p)).axes
        assert -axis.offset / 2 == -first_pixel_offset(k, p)


def test_coverage_count():
    """C(j) depends on j mod s: r = k mod s positions have ⌊k/s⌋+1, the other s−r have ⌊k/s⌋."""
    assert upweave.coverage(ConvTranspose(3, 2)).tolist() == [2, 1]
    for k in range(1, 13):
        for s in range(1, 6):
            r, low, _ = overlap(k, s)
            assert sorted(upweave.coverage(ConvTranspose(k, s)).tolist()) == [low] * (s - r) + [low + 1] * r


def test_coverage_variance():
    """V = (r/s)(1 − r/s), zero if and only if s divides k."""
    assert overlap(3, 2)[2] == Fraction(1, 4)
    for k in range(1, 13):
        for s in range(1, 6):
            variance = overlap(k, s)[2]
            assert upweave.coverage_variance(ConvTranspose(k, s)) == pytest.approx(float(variance))
            assert (variance == 0) == (k % s == 0)


def test_gaps():
    """k < s leaves gaps of s − k; k ≥ s covers every output."""
    assert [upweave.gaps(ConvTranspose(k, 4))[0] for k in range(1, 6)] == [3, 2, 1, 0, 0]


def test_polyphase():
    """y[2r] = (x * h₀)[r], y[2r+1] = (x * h₁)[r]."""
    h, x = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([2.0, -1.0, 3.0])
    h0, h1 = upweave.polyphase(h, 2)
    assert h0.tolist() == [1, 3, 5]
    assert h1.tolist() == [2, 4]
    y = upweave.matrix(ConvTranspose(5, 2), 3, h) @ x
    assert_close(y[0::2], np.convolve(x, h0))
    assert_close(y[1::2], np.convolve(x, h1))
    assert_close(upweave.interleave([np.convolve(x, h0), np.convolve(x, h1)]), y)


def test_kernels_that_are_multiples_of_the_stride():
    """Remedy 1: for s = 2, k = 2, 4, 6 … have even coverage."""
    even = [k for k in range(1, 9) if np.ptp(upweave.coverage(ConvTranspose(k, 2))) == 0]
    assert even == [2, 4, 6, 8]


def test_triangle_kernel():
    """Remedy 2: a triangular kernel has equal phases although k = 3 is no multiple of s = 2."""
    assert upweave.is_dc_flat(ConvTranspose(3, 2, 1), np.array([0.5, 1.0, 0.5]))
    assert not upweave.is_dc_flat(ConvTranspose(3, 2, 1), np.ones(3))


def test_interpolate_then_convolve():
    """Remedy 3: every output of interpolation + convolution is computed in the same way."""
    for mode in ("nearest", "linear", "cubic"):
        assert np.ptp(upweave.coverage(upweave.ResizeConv((3, 3), 2, 1, mode=mode))) == 0
        assert upweave.is_dc_flat(upweave.ResizeConv((3, 3), 2, 1, mode=mode))
    assert upweave.is_dc_flat(FirUpsample((1, 3, 3, 1)))
