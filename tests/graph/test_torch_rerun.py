"""A size is called invalid only if the model itself fails there too."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import upweave  # noqa: E402
from upweave.graph.torch import from_torch  # noqa: E402

nn = torch.nn


class Halved(nn.Module):
    """Down by two, up by two, and a skip; `cares` pads odd inputs first and crops the result."""

    def __init__(self, cares: bool) -> None:
        super().__init__()
        self.cares = cares
        self.down = nn.Conv1d(1, 4, 2, 2)
        self.up = nn.ConvTranspose1d(4, 1, 2, 2)
        self.seen = None

    def forward(self, x):
        size = x.shape[-1]
        self.seen = x.new_ones(size)
        if self.cares and size % 2:
            x = nn.functional.pad(x, (0, 1))
        return (x + self.up(self.down(x)))[..., :size]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_branch_that_was_not_recorded_is_no_refusal(device: str) -> None:
    sizes = upweave.valid_sizes(Halved(cares=True).to(device), [(1, 1, 32)])
    assert sizes.axes == ()
    assert "handles 35 samples" in sizes.unknown[0]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_refusal_stands_where_the_model_fails(device: str) -> None:
    (axis,) = upweave.valid_sizes(Halved(cares=False).to(device), [(1, 1, 32)]).axes
    assert (axis.period, axis.residues) == (2, (0,))


def test_rerun_says_what_the_model_says() -> None:
    model = Halved(cares=False)
    graph = from_torch(model, [(1, 1, 32)])
    assert graph.rerun is not None
    assert graph.rerun.is_usable
    assert list(graph.rerun({"x": (1, 1, 48)}).values()) == [tuple(model(torch.zeros(1, 1, 48)).shape)]
    assert graph.rerun({"x": (1, 1, 33)}) is None


def test_keyword_inputs_and_several_outputs() -> None:
    class Two(nn.Module):
        def forward(self, *, a, b):
            return {"sum": a + b, "wide": (a.repeat(1, 1, 2),)}

    graph = from_torch(Two(), {"a": (1, 1, 8), "b": (1, 1, 8)})
    assert graph.rerun is not None
    assert graph.rerun.is_usable
    found = graph.rerun({"a": (1, 1, 6), "b": (1, 1, 6)})
    assert list(found.values()) == [(1, 1, 6), (1, 1, 12)]


def test_nothing_fake_stays_behind() -> None:
    model = Halved(cares=True).train()
    upweave.valid_sizes(model, [(1, 1, 32)])
    assert model.seen is None
    assert model.training
    assert model(torch.zeros(1, 1, 7)).shape == (1, 1, 7)
    assert type(model.seen) is torch.Tensor
