"""Repairs of PyTorch modules."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import upweave
from upweave.errors import ConfigError
from upweave.rewrite.torch.fix import REPAIRS, fix
from upweave.rewrite.weights.gains import imbalance
from upweave.spec import ConvTranspose


def layer(rank: int = 2, k: int = 3, s: int = 2, p: int = 1, o: int = 1, g: int = 1, bias: bool = True) -> nn.Module:
    torch.manual_seed(0)
    build = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[rank]
    return build(4, 6, k, s, p, o, g, bias).double()


def sample(rank: int = 2) -> torch.Tensor:
    return torch.randn(2, 4, *(5, 4, 3)[:rank], dtype=torch.float64)


def test_safe_repairs_keep_the_outputs() -> None:
    for rank in (1, 2, 3):
        model, x = nn.Sequential(layer(rank), nn.ReLU()), sample(rank)
        new = fix(model, example_inputs=x)
        torch.testing.assert_close(new(x), model(x))
        assert new[0].kernel_size == (4,) * rank
        assert {r.identity for r in new.report.repaired} == {"widen-kernel"}
        assert new.report.certificate.passed
        assert model[0].kernel_size == (3,) * rank


def test_output_padding_is_absorbed() -> None:
    model, x = layer(2, 3, 2, 1, 1), sample()
    new = fix(model, "absorb-output-padding")
    assert new.output_padding == (0, 0)
    torch.testing.assert_close(new(x), model(x))


def test_equal_phase_gain() -> None:
    model, x = nn.Sequential(layer()), sample()
    new = fix(model, ["equal-phase-gain"], unsafe=True, example_inputs=x)
    spec = ConvTranspose((3, 3), (2, 2))
    assert imbalance(spec, model[0].weight.detach().numpy()) > 0.1
    assert imbalance(spec, new[0].weight.detach().numpy()) < 1e-12
    (done,) = new.report.repaired
    assert done.effects["imbalance of the phase gains"][1] < 1e-12
    assert new.report.change.relative > 0
    flat = new(torch.ones(1, 4, 6, 6, dtype=torch.float64))[0, :, 3:-3, 3:-3]
    torch.testing.assert_close(flat, flat[:, :1, :1].expand_as(flat))
    assert fix(new, "UW401", unsafe=True).report.repaired == ()


@pytest.mark.parametrize(("k", "p", "o"), [(3, 1, 1), (4, 0, 0), (5, 2, 1)])
def test_recentre_keeps_the_size_and_centres_the_footprint(k: int, p: int, o: int) -> None:
    model, x = nn.Sequential(layer(2, k, 2, p, o, bias=False)), sample()
    new = fix(model, "recentre", unsafe=True, example_inputs=x)
    assert new.report.repaired
    assert new(x).shape == model(x).shape
    # a constant weight sees an impulse's image centred on the half-pixel place of its sample
    with torch.no_grad():
        for part in new.modules():
            if isinstance(part, nn.ConvTranspose2d):
                part.weight.copy_(part.weight.abs().sum((0, 1), keepdim=True).ne(0).double().expand_as(part.weight))
    pulse = torch.zeros(1, 4, 9, 9, dtype=torch.float64)
    pulse[..., 4, 4] = 1
    mass = new(pulse)[0].sum((0, 1))
    centre = (mass * torch.arange(len(mass), dtype=torch.float64)).sum() / mass.sum()
    assert abs(float(centre) - (2 * 4 + 0.5)) < 1e-9


def test_resize_convolution() -> None:
    model, x = nn.Sequential(layer(2, 4, 2, 1, 0)), sample()
    new = fix(model, "resize-convolution", unsafe=True, example_inputs=x)
    assert isinstance(new[0][0], nn.Upsample)
    assert new(x).shape == model(x).shape
    # what a resize and a convolution can say comes back as it was
    again = upweave.nn.ResizeConv2d(4, 6, 3, 2).double()
    folded = nn.Sequential(layer(2, 4, 2, 1, 0))
    folded[0].load_state_dict(again.folded().state_dict())
    back = fix(folded, "resize-convolution", unsafe=True)
    torch.testing.assert_close(back(x), again(x))
    assert back.report.repaired[0].effects["relative distance of the weight"] < 1e-12


def test_reinitialise() -> None:
    model = nn.Sequential(nn.Conv2d(16, 32 * 4, 3, padding=1), nn.PixelShuffle(2), nn.ConvTranspose2d(32, 64, 4, 2, 1))
    new = fix(model, "reinitialise", unsafe=True)
    assert len(new.report.repaired) == 2
    weight = new[0].weight.reshape(32, 4, 16, 3, 3)
    assert torch.equal(weight, weight[:, :1].expand_as(weight))
    x = new[1](new[0](torch.randn(1, 16, 8, 8)))
    assert torch.equal(x[..., ::2, ::2], x[..., 1::2, 1::2])
    torch.testing.assert_close(new[2].weight.std(), torch.tensor((2 / (32 * 4)) ** 0.5), rtol=0.05, atol=0)


def test_unsafe_repairs_are_asked_for_twice() -> None:
    with pytest.raises(ConfigError, match="unsafe=True"):
        fix(layer(), "recentre")
    with pytest.raises(ConfigError, match="no rewrite is called 'recenter'; did you mean recentre"):
        fix(layer(), "recenter", unsafe=True)
    with pytest.raises(ConfigError, match="no repair of a PyTorch module"):
        fix(layer(), "fold-batch-norm", unsafe=True)
    assert fix(layer(), unsafe=True).report.repaired[0].safety == "safe"


def test_shared_weights_and_layers() -> None:
    one = layer()
    twice = nn.ModuleDict({"a": one, "b": one, "c": nn.ConvTranspose2d(4, 6, 3, 2, 1, 1).double()})
    new = fix(twice, "equal-phase-gain", unsafe=True)
    assert new["a"] is new["b"]
    twice["c"].weight = one.weight
    new = fix(twice, "equal-phase-gain", unsafe=True)
    assert new.report.repaired == ()
    assert {r.path for r in new.report.refused} == {"a", "c"}
    assert "another layer's" in str(new.report)


def test_every_repair_has_an_identity_with_a_safety_class() -> None:
    from upweave.rewrite.identity import all_identities

    assert set(REPAIRS) <= set(all_identities())


def test_training_mode_stays() -> None:
    assert fix(nn.Sequential(layer()).train()).training
    assert not fix(nn.Sequential(layer()).eval())[0].training


def test_a_repair_that_would_change_sizes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of ours does; a wrong one is told from a right one without any inputs."""
    monkeypatch.setitem(REPAIRS, "recentre", lambda old, _: (nn.ConvTranspose2d(4, 6, 4, 2, 1).double(), "longer", {}))
    new = fix(nn.Sequential(layer()), "recentre", unsafe=True)
    assert new.report.repaired  # k4 s2 p1 gives the sizes of k3 s2 p1 o1
    monkeypatch.setitem(REPAIRS, "recentre", lambda old, _: (nn.ConvTranspose2d(4, 6, 4, 2, 0).double(), "longer", {}))
    new = fix(nn.Sequential(layer()), "recentre", unsafe=True)
    assert new.report.repaired == ()
    (refusal,) = new.report.refused
    assert "on [1, 4, 4, 5] its output would have the size [1, 6, 10, 12] instead of [1, 6, 8, 10]" in str(refusal)


def test_the_report_is_shown_in_every_form(tmp_path: Path) -> None:
    model, x = nn.Sequential(layer(), nn.ReLU()), torch.randn(1, 4, 5, 5).double()
    report = fix(model, ["widen-kernel", "equal-phase-gain"], unsafe=True, example_inputs=x).report
    page = report.save(tmp_path / "fix.html").read_text()
    for said in ("2 repairs", "widen-kernel", "changes outputs", "outputs: relative norm"):
        assert said in page, said
    assert all(name in page for r in report.repaired for name in r.effects)
    assert report.save(tmp_path / "fix.txt").read_text() == str(report)
    assert "widen-kernel" in report._repr_html_()
    assert "nothing to repair" in fix(nn.Sequential(nn.ReLU())).report.to_html()
