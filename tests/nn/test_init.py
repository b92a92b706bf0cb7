"""Random initialisers, by the property that each one is for."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import Tensor, nn
from torch.nn.utils import parametrize

import upweave
from upweave.errors import SpecError
from upweave.nn import init
from upweave.nn.layout import resolve

from .build import CONV, TRANSPOSED, Case, cases, interior, phases, spec_of

RANDOM = [init.he_normal_, init.he_uniform_, init.glorot_normal_, init.glorot_uniform_, init.orthogonal_, init.icnr_]


def _variances(layer: nn.Module, rank: int, stride: int, margin: int) -> dict[tuple[int, ...], float]:
    x = torch.randn(64, layer.in_channels, *(24,) * rank, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        y = interior(layer(x), margin)
    return {r: float(v.square().mean()) for r, v in phases(y, stride).items()}


# Given the weights, an output's variance is Σw² over n = C_in/g·T_r normal weights, which scatters by √(2/n), and its
# mean over 48 channels by √(2/(48·n)): 1.8 % for n = 128. The signals add less than 1 %. Eight per cent is four sigmas.
TOLERANCE = 0.08


@pytest.mark.parametrize("draw", [init.he_normal_, init.he_uniform_])
@pytest.mark.parametrize(("rank", "k", "s", "groups"), [(1, 4, 2, 1), (1, 6, 3, 2), (2, 4, 2, 1)])
def test_he_keeps_the_variance(draw, rank, k, s, groups):
    layer = TRANSPOSED[rank](64 * groups, 48, k, s, groups=groups, bias=False)
    draw(layer, nonlinearity="linear", generator=torch.Generator().manual_seed(0))
    for variance in _variances(layer, rank, s, s * k).values():
        assert variance == pytest.approx(1, rel=TOLERANCE)


def test_he_backwards_keeps_the_gradients_variance():
    layer = nn.ConvTranspose1d(48, 64, 5, 2, bias=False)
    init.he_normal_(layer, mode="fan_out", nonlinearity="linear", generator=torch.Generator().manual_seed(0))
    x = torch.zeros(64, 48, 24, requires_grad=True)
    y = layer(x)
    y.backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(1)))
    assert float(x.grad.square().mean()) == pytest.approx(1, rel=TOLERANCE)


@pytest.mark.parametrize("draw", [init.he_normal_, init.he_uniform_])
def test_uneven_phases_get_their_own_fan(draw):
    """k = 3, s = 2: one phase sums twice as many products as the other."""
    layer = nn.ConvTranspose1d(128, 48, 3, 2, bias=False)
    draw(layer, nonlinearity="linear", generator=torch.Generator().manual_seed(0))
    mean = _variances(layer, 1, 2, 6)
    assert mean[(0,)] / mean[(1,)] == pytest.approx(2, rel=2 * TOLERANCE)
    assert (mean[(0,)] + mean[(1,)]) / 2 == pytest.approx(1, rel=TOLERANCE)
    draw(layer, nonlinearity="linear", per_phase=True, generator=torch.Generator().manual_seed(0))
    for variance in _variances(layer, 1, 2, 6).values():
        assert variance == pytest.approx(1, rel=TOLERANCE)


def test_own_fans_in_the_plane_leave_the_backward_variance():
    """The weights' variances, without a signal between: each phase sums to 1, and all of them to what they were."""
    shape, s = (1, 1, 5, 3), (2, 3)
    ones = torch.ones(shape, dtype=torch.float64)
    generator = torch.Generator()
    same = init.he_normal_(ones.clone(), nonlinearity="linear", stride=s, generator=generator.manual_seed(0))
    own = init.he_normal_(
        ones.clone(), nonlinearity="linear", stride=s, per_phase=True, generator=generator.manual_seed(0)
    )
    variance = (own / same).square() * (s[0] * s[1] / 15)  # both are the same draws
    _, layout = resolve(ones, s)
    by_phase = layout.phases(layout.split(variance)).sum(dim=(-2, -1)).flatten()
    torch.testing.assert_close(by_phase, torch.ones(6, dtype=torch.float64))
    assert float(variance.sum()) == pytest.approx(6)


def test_glorot_has_the_mean_fan():
    weight = torch.empty(64, 32, 4, 4)
    for draw in (init.glorot_normal_, init.glorot_uniform_):
        draw(weight, stride=2, gain=3, generator=torch.Generator().manual_seed(0))
        fan_in, fan_out = upweave.fans(upweave.ConvTranspose((4, 4), 2), 64, 32)
        # 32768 draws: the variance scatters by √(2/32768) = 0.8 %
        assert float(weight.var()) == pytest.approx(9 * 2 / (fan_in + fan_out), rel=0.04)
    bound = 3 * math.sqrt(6 / (fan_in + fan_out))
    assert 0.99 * bound < float(weight.abs().max()) <= bound


def test_he_agrees_with_torch_where_torch_has_the_fan():
    """In front of a pixel shuffle stands an ordinary convolution; for a transposed one of stride 1 the roles change."""

    def seed() -> torch.Generator:
        return torch.Generator().manual_seed(3)

    mine, theirs = torch.empty(16, 8, 3, 3), torch.empty(16, 8, 3, 3)
    init.he_normal_(mine, upscale_factor=2, generator=seed())
    nn.init.kaiming_normal_(theirs, nonlinearity="relu", generator=seed())
    torch.testing.assert_close(mine, theirs)
    init.he_uniform_(mine, stride=1, nonlinearity="leaky_relu", a=0.2, generator=seed())
    nn.init.kaiming_uniform_(theirs, 0.2, "fan_out", generator=seed())
    torch.testing.assert_close(mine, theirs)


@settings(max_examples=60)
@given(cases())
def test_every_phase_is_semi_orthogonal(case: Case) -> None:
    weight = case.weight
    init.orthogonal_(weight, gain=1.5, **case.numbers)
    bank = upweave.phase_bank(case.spec, weight)
    d, g = bank.rank, bank.groups
    counts = bank.support.reshape(-1, bank.support.size // math.prod(bank.stride)).astype(bool)
    shape = (-1, g, bank.out_channels // g, bank.weights.shape[d + 1], counts.shape[1])
    filters = torch.as_tensor(bank.weights.reshape(shape).copy())
    for r, groups in enumerate(filters):
        for f in groups:
            a = f[..., torch.as_tensor(counts[r])].reshape(f.shape[0], -1)
            m, n = a.shape
            product = a @ a.T if m <= n else a.T @ a
            want = 1.5**2 * max(1, m / n) * torch.eye(min(m, n), dtype=a.dtype)
            torch.testing.assert_close(product, want, atol=1e-10, rtol=0)


def _conv_then_nearest(kernel: Tensor, x: Tensor, s: int, padding: int) -> Tensor:
    y = getattr(F, f"conv{x.ndim - 2}d")(x, kernel, padding=padding)
    for a in range(x.ndim - 2):
        y = y.repeat_interleave(s, 2 + a)
    return y


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_icnr_shuffle_is_a_convolution_and_a_nearest_resize(rank):
    torch.manual_seed(0)
    drawn: list[Tensor] = []
    conv = CONV[rank](3, 2 * 2**rank, 3, padding=1)
    init.icnr_(conv, lambda w: drawn.append(nn.init.normal_(w).clone()), upscale_factor=2)
    x = torch.randn(2, 3, *(4,) * rank)
    y = conv(x)
    y = y.reshape(2, 2, 2**rank, *y.shape[2:])
    assert drawn[0].shape == (2, 3, *(3,) * rank)
    for r in range(2**rank):
        assert torch.equal(y[:, :, r], y[:, :, 0])  # the bias is tied too
    torch.testing.assert_close(
        y[:, :, 0] - conv.bias[:: 2**rank].reshape(1, -1, *(1,) * rank), _conv_then_nearest(drawn[0], x, 1, 1)
    )
    assert float(upweave.nn.phase_similarity(conv.weight.detach(), upscale_factor=2)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("rank", "k", "s", "p"),
    [(1, 4, 2, 1), (1, 6, 3, 0), (1, 5, 2, 2), (2, 4, 2, 1), (2, 5, 3, 1), (3, 2, 2, 0)],
)
def test_icnr_transposed_is_a_convolution_a_nearest_resize_and_a_crop(rank, k, s, p):
    torch.manual_seed(0)
    drawn: list[Tensor] = []
    layer = TRANSPOSED[rank](4, 6, k, s, p, bias=False, groups=1)
    init.icnr_(layer, lambda w: drawn.append(nn.init.normal_(w).clone()))
    m, front = k // s, k % s // 2
    assert drawn[0].shape == (6, 4, *(m,) * rank)
    x = torch.randn(1, 4, *(5,) * rank)
    y = layer(x)
    want = _conv_then_nearest(drawn[0], x, s, m - 1)  # starts at output front − p, has zeros outside
    for a in range(rank):
        want = F.pad(want.movedim(2 + a, -1), (front, k)).movedim(-1, 2 + a)
        want = want.narrow(2 + a, p, y.shape[2 + a])
    torch.testing.assert_close(y, want, atol=1e-5, rtol=1e-5)
    assert upweave.gain_imbalance(spec_of(layer), layer.weight).deviation < 1e-6


def test_icnr_in_groups():
    layer = nn.ConvTranspose1d(4, 6, 4, 2, 1, groups=2, bias=False)
    drawn: list[Tensor] = []
    init.icnr_(layer, lambda w: drawn.append(nn.init.normal_(w).clone()))
    assert drawn[0].shape == (6, 2, 2)
    x = torch.randn(1, 4, 5)
    want = F.conv1d(x, drawn[0], padding=1, groups=2).repeat_interleave(2, -1)[..., 1:-1]
    torch.testing.assert_close(layer(x), want)


@pytest.mark.parametrize("draw", RANDOM)
def test_draws_follow_the_generator_and_stay_in_place(draw):
    weight = torch.zeros(4, 6, 4, dtype=torch.bfloat16, requires_grad=True)
    one = draw(weight, stride=2, generator=torch.Generator().manual_seed(7))
    assert one.data_ptr() == weight.data_ptr()
    assert weight.requires_grad
    assert weight.grad_fn is None
    kept = weight.detach().clone()
    assert float(kept.abs().max()) > 0
    draw(weight, stride=2, generator=torch.Generator().manual_seed(8))
    assert not torch.equal(weight, kept)
    draw(weight, stride=2, generator=torch.Generator().manual_seed(7))
    assert torch.equal(weight, kept)


def test_a_parametrised_weight_is_set_through_its_parametrisation():
    layer = upweave.nn.equal_phase_gain(nn.ConvTranspose1d(2, 2, 4, 2))
    init.triangular_(layer)
    assert parametrize.is_parametrized(layer, "weight")
    torch.testing.assert_close(layer.weight[0, 0], torch.tensor([0.25, 0.75, 0.75, 0.25]))


@pytest.mark.parametrize(
    ("draw", "numbers", "message"),
    [
        (init.he_normal_, {"mode": "fan_avg"}, "mode must be 'fan_in' or 'fan_out', got 'fan_avg'"),
        (init.he_uniform_, {"nonlinearity": "cubic"}, "nonlinearity must be one of"),
        (init.he_normal_, {"stride": 5, "per_phase": True}, "1 of the 5 phases have no taps"),
        (init.glorot_normal_, {"stride": 5, "per_phase": True}, "1 of the 5 phases have no taps"),
        (init.orthogonal_, {"stride": 5}, "1 of the 5 phases have no taps"),
        (init.icnr_, {"stride": 5}, "1 of the 5 phases have no taps"),
        (init.icnr_, {"stride": 2, "dilation": 3}, "no neighbours"),
    ],
)
def test_what_cannot_be_drawn_says_so(draw, numbers, message):
    with pytest.raises(SpecError, match=message):
        draw(torch.ones(2, 2, 4), **{"stride": 2, **numbers})
