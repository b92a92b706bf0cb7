"""`.pt2` files are read as data: same graph as from the module, and no code of the file ever runs."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from upweave.errors import ModelError  # noqa: E402
from upweave.graph import ir  # noqa: E402
from upweave.graph.torch import from_pt2, from_torch  # noqa: E402


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.utils.parametrizations.weight_norm(nn.ConvTranspose2d(3, 4, 4, 2, 1))
        self.norm = nn.GroupNorm(2, 4)
        self.out = nn.Conv2d(4, 3, 3, padding="same")

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = self.norm(self.up(x)).relu_()
        a, b = nn.functional.interpolate(y, scale_factor=1.5, mode="bilinear").chunk(2, dim=-1)
        with torch.autocast("cpu", enabled=False):
            c = a @ a.mT
        n, _, h, w = x.shape
        return self.out(torch.cat([a, b], -1)), c.mean() + nn.functional.max_pool2d(x.reshape(n, 3, h, w), 2)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Net, Path]:
    model, path = Net().eval(), tmp_path_factory.mktemp("pt2") / "net.pt2"
    torch.export.save(torch.export.export(model, (torch.zeros(1, 3, 8, 8),), strict=False), path)
    return model, path


def test_the_file_gives_the_module_s_own_graph(exported: tuple[Net, Path]) -> None:
    model, path = exported
    live, read = from_torch(model, ((1, 3, 8, 8),)), from_pt2(path)
    assert [n.op for n in read.nodes] == [n.op for n in live.nodes]
    assert [n.path for n in read.nodes] == [n.path for n in live.nodes]
    assert [n.inputs for n in read.nodes] == [n.inputs for n in live.nodes]
    assert dict(read.shapes) == dict(live.shapes)
    for a, b in zip(read.nodes, live.nodes, strict=True):
        assert a.weights == b.weights
        for role, weight in a.weights.items():
            assert (weight.load() == b.weights[role].load()).all()


def test_other_shapes_through_a_dynamic_file(tmp_path: Path) -> None:
    size = torch.export.Dim("h", min=4)
    program = torch.export.export(Net().eval(), (torch.zeros(2, 3, 8, 8),), dynamic_shapes=({2: size},), strict=False)
    torch.export.save(program, tmp_path / "net.pt2")
    assert from_pt2(tmp_path / "net.pt2").shapes["x"] == (2, 3, 8, 8)
    graph = from_pt2(tmp_path / "net.pt2", ((2, 3, 12, 8),))
    assert graph.shapes["x"] == (2, 3, 12, 8)
    (resize,) = graph.of(ir.Resize)
    assert graph.shapes[resize.output] == (2, 4, 36, 24)


def test_a_fixed_file_does_not_take_other_shapes(exported: tuple[Net, Path]) -> None:
    with pytest.raises(ModelError, match="exported for inputs of the shapes"):
        from_pt2(exported[1], ((1, 3, 12, 12),))
    with pytest.raises(ModelError, match="takes 1 inputs"):
        from_pt2(exported[1], ((1, 3, 8, 8), (1, 3)))


class Trap:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.path, "the pickle ran"))


def rewritten(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of a .pt2 file with its records changed; all names are under net/."""
    with zipfile.ZipFile(source) as file:
        records = {n: file.read(n) for n in file.namelist()}
    change(records)
    with zipfile.ZipFile(target, "w") as file:
        for name, data in records.items():
            file.writestr(name, data)
    return target


def _pickles(trap: Trap) -> list[bytes]:
    saved = io.BytesIO()
    torch.save(trap, saved)
    return [pickle.dumps(trap), saved.getvalue()]


def _config(records: dict[str, bytes], **changes: Any) -> None:
    name = "net/data/weights/model_weights_config.json"
    config = json.loads(records[name])
    next(iter(config["config"].values())).update(changes)
    records[name] = json.dumps(config).encode()


@pytest.mark.parametrize("form", [0, 1])
def test_a_malicious_pickle_in_the_sample_inputs_never_runs(
    exported: tuple[Net, Path], tmp_path: Path, form: int
) -> None:
    trap = Trap(tmp_path / "proof")
    payload = _pickles(trap)[form]
    path = rewritten(
        exported[1], tmp_path / "bad.pt2", lambda r: r.update({"net/data/sample_inputs/model.pt": payload})
    )
    from_pt2(path)
    assert not trap.path.exists()
    torch.load(io.BytesIO(payload), weights_only=False) if form else pickle.loads(payload)
    assert trap.path.exists(), "the trap must work, or this test proves nothing"


@pytest.mark.parametrize(
    "place",
    [
        lambda r, p: (_config(r, use_pickle=True), r.update({"net/data/weights/weight_0": p})),
        lambda r, p: (_config(r, path_name="custom_obj_0"), r.update({"net/data/weights/custom_obj_0": p})),
        lambda r, p: _config(r, path_name="opaque_obj_0", tensor_meta=None),
        lambda r, p: r.update({"net/data/weights/model.pt": p}),
        lambda r, p: r.update({"net/data/constants/model.pt": p}),
        lambda r, p: r.update({"net/data.pkl": p}),
    ],
)
def test_pickled_contents_are_refused(exported: tuple[Net, Path], tmp_path: Path, place: Any) -> None:
    trap = Trap(tmp_path / "proof")
    path = rewritten(exported[1], tmp_path / "bad.pt2", lambda r: place(r, pickle.dumps(trap)))
    with pytest.raises(ModelError, match="never open"):
        from_pt2(path)
    assert not trap.path.exists()


def test_expressions_and_operators_of_the_file_are_not_evaluated(exported: tuple[Net, Path], tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    code = f"__import__('pathlib').Path({str(proof)!r}).write_text('x')"

    def change(records: dict[str, bytes]) -> None:
        program = json.loads(records["net/models/model.json"])
        graph = program["graph_module"]["graph"]
        graph["tensor_values"]["x"]["sizes"][2] = {"as_expr": {"expr_str": code, "hint": {"as_int": 8}}}
        graph["nodes"][-1]["target"] = "torch.os.system"
        program["guards_code"] = [code]
        records["net/models/model.json"] = json.dumps(program).encode()

    graph = from_pt2(rewritten(exported[1], tmp_path / "bad.pt2", change))
    assert any("torch.os.system is not an ATen operator" in n.op.reason for n in graph.of(ir.Opaque))
    assert not proof.exists()


def test_from_file_is_never_run(exported: tuple[Net, Path], tmp_path: Path) -> None:
    """aten.from_file would create the named file when a weight that is computed by it is asked for."""
    proof = tmp_path / "proof"

    def change(records: dict[str, bytes]) -> None:
        program = json.loads(records["net/models/model.json"])
        graph = program["graph_module"]["graph"]
        node = next(n for n in graph["nodes"] if "_weight_norm" in n["target"])
        node["target"] = "torch.ops.aten.from_file.default"
        node["inputs"] = [
            {"name": "filename", "arg": {"as_string": str(proof)}, "kind": 1},
            {"name": "shared", "arg": {"as_bool": True}, "kind": 1},
            {"name": "size", "arg": {"as_int": 192}, "kind": 1},
        ]
        records["net/models/model.json"] = json.dumps(program).encode()

    (up,) = from_pt2(rewritten(exported[1], tmp_path / "bad.pt2", change)).of(ir.TransposedConvolution)
    assert up.weights["weight"].load() is None
    assert not proof.exists()


@pytest.mark.parametrize("keep", [0, 10, 500, 5000, 20000])
def test_truncated_files_get_one_line(exported: tuple[Net, Path], tmp_path: Path, keep: int) -> None:
    path = tmp_path / "short.pt2"
    path.write_bytes(exported[1].read_bytes()[:keep])
    with pytest.raises(ModelError) as raised:
        from_pt2(path)
    assert "\n" not in str(raised.value)


def test_a_graph_that_names_what_is_not_there(exported: tuple[Net, Path], tmp_path: Path) -> None:
    def change(records: dict[str, bytes]) -> None:
        records["net/models/model.json"] = records["net/models/model.json"].replace(b'"p_up_bias"', b'"nowhere"', 3)

    with pytest.raises(ModelError, match="cannot be understood"):
        from_pt2(rewritten(exported[1], tmp_path / "bad.pt2", change))


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.pkl", "model.bin"])
def test_pickled_models_are_refused_by_name(tmp_path: Path, name: str) -> None:
    trap = Trap(tmp_path / "proof")
    torch.save(trap, tmp_path / name)
    with pytest.raises(ModelError, match=r"give a \.pt2 file"):
        from_pt2(tmp_path / name)
    (tmp_path / name).rename(tmp_path / "renamed.pt2")
    with pytest.raises(ModelError, match=r"give a \.pt2 file"):
        from_pt2(tmp_path / "renamed.pt2")
    assert not trap.path.exists()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no file"):
        from_pt2(tmp_path / "no.pt2")
