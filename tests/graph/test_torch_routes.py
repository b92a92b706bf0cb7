"""What happens where torch.export fails."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch_oracle import assert_real_shapes  # noqa: E402

from upweave.errors import ModelError  # noqa: E402
from upweave.graph import ir  # noqa: E402
from upweave.graph.torch import from_torch  # noqa: E402


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 4, 4, 2, 1)
        self.out = nn.Conv2d(4, 3, 3, padding=1)


class BranchOnData(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.up(x)
        if y.mean() > 0:
            y = y * 2
        return self.out(y)


class StrideInBuffer(Base):
    """As in EnCodec: sizes are computed from integer buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("extra", torch.tensor(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.up(x)
        extra = self.extra + 1
        return self.out(nn.functional.pad(y, (0, int(extra) - 2, 0, 0)) if extra > 1 else y)


class ShapeFromData(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.out(self.up(x))
        picked = y[y > int(y.max())]
        return picked.reshape(-1, int(picked.sum().item()))


def test_a_branch_on_data_gives_layers_without_topology() -> None:
    graph = from_torch(BranchOnData(), ((1, 3, 8, 8),))
    assert not graph.has_topology
    assert [(type(n.op), n.path) for n in graph.nodes] == [
        (ir.TransposedConvolution, "up"), (ir.Convolution, "out")]  # fmt: skip
    assert graph.shapes[graph.nodes[0].output] == (1, 4, 16, 16)
    assert graph.nodes[0].weights["weight"].load() is not None
    assert "torch.export could not trace the model (" in graph.notes[0]
    assert "only its layers were recorded" in graph.notes[0]
    assert "reads a number from its data" in graph.notes[1]
    assert all("\n" not in note for note in graph.notes)


def test_numbers_in_buffers_are_followed() -> None:
    model = StrideInBuffer()
    graph = from_torch(model, ((1, 3, 8, 8),))
    assert graph.has_topology
    assert_real_shapes(graph, model, torch.randn(1, 3, 8, 8))
    assert "its run on fake tensors was recorded instead" in graph.notes[0]
    assert graph.shapes[graph.outputs[0]] == (1, 3, 16, 17)


def test_numbers_in_meta_buffers_are_missed_in_one_line() -> None:
    with pytest.raises(ModelError, match="build the model on the CPU"):
        from_torch(StrideInBuffer().to("meta"), ((1, 3, 8, 8),))


def test_a_recording_ends_where_a_shape_depends_on_data(monkeypatch: pytest.MonkeyPatch) -> None:
    _without_export(monkeypatch)
    graph = from_torch(ShapeFromData(), ((1, 3, 8, 8),))
    assert not graph.has_topology
    assert [n.path for n in graph.of(ir.TransposedConvolution, ir.Convolution)] == ["up", "out"]
    assert any("the recording ends" in note for note in graph.notes)


def test_a_recording_has_paths_weights_and_topology(monkeypatch: pytest.MonkeyPatch) -> None:
    class Net(Base):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.up(x).relu_()) + nn.functional.interpolate(x, scale_factor=2)

    _without_export(monkeypatch)
    model = Net()
    graph = from_torch(model, ((1, 3, 8, 8),))
    assert_real_shapes(graph, model, torch.randn(1, 3, 8, 8))
    assert [n.path for n in graph.nodes] == ["up", "", "out", "", ""]
    (resize,) = graph.of(ir.Resize)
    assert not resize.op.by_size
    assert {w.name for n in graph.nodes for w in n.weights.values()} == {
        "up.weight",
        "up.bias",
        "out.weight",
        "out.bias",
    }


def test_sizes_that_depend_on_data_are_noted() -> None:
    class Durations(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up = nn.ConvTranspose1d(4, 4, 4, 2, 1)

        def forward(self, x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
            return self.up(torch.repeat_interleave(x, n, dim=2))

    graph = from_torch(Durations(), ((1, 4, 8), ("int64", (8,))))
    assert "some sizes depend on the data" in graph.notes[0]
    assert any("different number of times" in n.op.reason for n in graph.of(ir.Opaque))
    (up,) = graph.of(ir.TransposedConvolution)
    assert graph.shapes[up.output][2] == 2 * graph.shapes[up.inputs[0]][2]


def test_nothing_of_the_failed_route_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    from_torch(BranchOnData(), ((1, 3, 8, 8),))
    out, err = capfd.readouterr()
    assert out == ""
    assert err == ""


def _without_export(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("not today\nand more")

    monkeypatch.setattr("upweave.graph.torch.trace.by_export", fail)
