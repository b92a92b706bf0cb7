"""Which weight belongs to which phase, against the phase banks of theory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

import upweave
from upweave.convert.axis import axis_response
from upweave.errors import SpecError
from upweave.nn.layout import resolve

from .build import Case, cases


@settings(max_examples=60)
@given(cases(gaps=True))
def test_split_and_join_are_inverse(case: Case) -> None:
    _, layout = resolve(case.weight, **case.numbers)
    assert torch.equal(layout.join(layout.split(case.weight)), case.weight)


@settings(max_examples=60)
@given(cases(gaps=True))
def test_positions_are_those_of_theory(case: Case) -> None:
    """h[u] of the canonical weight is the impulse response, but for where u starts."""
    _, layout = resolve(case.weight, **case.numbers)
    for u, axis in zip(layout.positions(), case.spec.per_axis(), strict=True):
        response = axis_response(axis)
        expand = (u[None, :] == torch.arange(int(u.max()) + 1)[:, None]).numpy()
        assert np.array_equal(response.expand, expand)


@settings(max_examples=60)
@given(cases(gaps=True))
def test_phases_hold_what_the_bank_holds(case: Case) -> None:
    weight, layout = resolve(case.weight, **case.numbers)
    own = layout.phases(layout.split(weight))
    bank = upweave.phase_bank(case.spec, weight)
    theirs = np.sort((bank.weights**2).reshape(*bank.stride, -1).sum(axis=-1).ravel())
    mine = (own**2).sum(dim=(0, 1, 2, *range(3 + layout.rank, own.ndim))).flatten().sort().values
    np.testing.assert_allclose(mine.numpy(), theirs, atol=1e-12)


@settings(max_examples=60)
@given(cases(gaps=True))
def test_gaps_are_those_of_theory(case: Case) -> None:
    _, layout = resolve(case.weight, **case.numbers)
    if (np.asarray(upweave.coverage(case.spec)) > 0).all():
        layout.require_no_gaps("so that it fails")
    else:
        with pytest.raises(SpecError, match=r"phases have no taps .* so that it fails"):
            layout.require_no_gaps("so that it fails")


def test_layers_give_what_their_weights_give() -> None:
    layer = nn.ConvTranspose2d(4, 6, (4, 3), (2, 3), 1, groups=2, dilation=(3, 1))
    assert resolve(layer)[1] == resolve(layer.weight, (2, 3), (3, 1), 2)[1]
    conv = nn.Conv2d(4, 24, 3, groups=2)
    assert resolve(conv, upscale_factor=2)[1] == resolve(conv.weight, upscale_factor=(2, 2), groups=2)[1]
    assert resolve(upweave.nn.SubPixelConv3d(2, 2, 3, (1, 2, 3)))[1].stride == (1, 2, 3)


@pytest.mark.parametrize(
    ("what", "numbers", "message"),
    [
        (nn.Linear(2, 2), {}, "got a Linear"),
        (nn.Conv2d(2, 4, 3), {}, "upscale_factor of its pixel shuffle"),
        (nn.Conv2d(2, 4, 3, stride=2), {"upscale_factor": 2}, "needs stride 1"),
        (nn.Conv2d(2, 6, 3), {"upscale_factor": 2}, "6 channels do not fill the 4 phases"),
        (nn.ConvTranspose1d(2, 4, 3), {"upscale_factor": 2}, "belongs to an ordinary convolution"),
        (nn.ConvTranspose1d(2, 4, 3), {"stride": 2}, "knows its stride"),
        (nn.LazyConvTranspose1d(4, 3), {}, "no weight yet"),
        (torch.ones(2, 2, 3), {}, "either the stride"),
        (torch.ones(2, 2, 3), {"stride": 2, "upscale_factor": 2}, "either the stride"),
        (torch.ones(2, 2, 3), {"stride": 0}, "stride must be at least 1"),
        (torch.ones(2, 2, 3), {"stride": 2.0}, "does not fit a kernel of 1 axes"),
        (torch.ones(2, 2, 3), {"stride": (2, 2)}, "does not fit a kernel of 1 axes"),
        (torch.ones(2, 2, 3), {"stride": 2, "groups": 3}, "2 channels do not split into 3 groups"),
        (torch.ones(2, 2), {"stride": 2}, "cannot be an upsampling layer's"),
        (torch.ones(2, 0, 3), {"stride": 2}, "cannot be an upsampling layer's"),
        ("weight", {"stride": 2}, "got str"),
        (upweave.nn.ResizeConv1d(1, 1, 3), {}, "got a ResizeConv1d"),
    ],
)  # fmt: skip
def test_what_does_not_fit_says_so(what: object, numbers: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        resolve(what, **numbers)  # type: ignore[arg-type]


def test_phases_of_a_channel_must_share_a_group() -> None:
    weight, layout = resolve(torch.ones(6, 1, 3), upscale_factor=2, groups=2)
    with pytest.raises(SpecError, match="3 output channels do not split into 2 groups"):
        layout.split(weight)
