"""The bounded measurement with a clock of its own, and the file that remembers it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from upweave.ops.problem import problem  # noqa: E402
from upweave.ops.triton import available, tune  # noqa: E402
from upweave.ops.triton.tune import ATEN, BUDGET, Timings, file, key_of, load, measure, save, shape_class  # noqa: E402


class Bench:
    """Candidates that take what they are told to: (seconds to prepare, milliseconds a call)."""

    def __init__(self, **candidates: tuple[float, float]) -> None:
        self.candidates = candidates
        self.now = 0.0
        self.prepared: list[str] = []

    def clock(self) -> float:
        return self.now

    def prepare(self, name: str) -> Callable[[], float]:
        self.prepared.append(name)
        seconds, ms = self.candidates[name]
        self.now += seconds
        if ms < 0:
            raise RuntimeError("out of resources")

        def once() -> float:
            self.now += ms / 1000
            return ms

        return once

    def run(self, timings: Timings | None = None) -> Timings:
        timings = Timings() if timings is None else timings
        measure(list(self.candidates), self.prepare, timings, self.clock)
        return timings


def test_everything_is_timed_if_there_is_time() -> None:
    bench = Bench(aten=(0.01, 2.0), a=(0.3, 1.0), b=(0.3, 3.0))
    found = bench.run()
    assert found.ms == {"aten": 2.0, "a": 1.0, "b": 3.0}
    assert found.complete
    assert found.fastest(["aten", "a", "b"]) == "a"
    assert found.fastest(["aten", "b"]) == "aten"
    assert found.fastest(["c"]) is None


def test_the_first_call_ends_in_time_and_the_next_process_goes_on() -> None:
    slow = {"aten": (0.01, 1.0), **dict.fromkeys("abcdef", (0.9, 1.0))}
    bench = Bench(**slow)
    found = bench.run()
    assert bench.now <= BUDGET
    assert not found.complete
    assert 1 < len(found.ms) < len(slow)
    again = Bench(**slow)
    done = set(found.ms)
    again.run(found)
    assert not done & set(again.prepared)
    assert set(found.ms) > done


def test_long_calls_are_sampled_once() -> None:
    bench = Bench(aten=(0.0, 700.0), a=(0.1, 600.0), b=(0.1, 500.0))
    bench.run()
    assert bench.now < BUDGET + 0.7


def test_a_candidate_that_fails_is_out_and_says_why() -> None:
    bench = Bench(aten=(0.0, 2.0), a=(0.1, -1.0), b=(0.1, 1.0))
    found = bench.run()
    assert found.failed == {"a": "RuntimeError: out of resources"}
    assert found.fastest(["aten", "a", "b"]) == "b"
    assert found.complete


def test_nothing_is_measured_here() -> None:
    x = torch.zeros(1, 2, 3)
    assert not tune.allowed(x)
    p = problem((1, 2, 3), (2, 2, 3))
    assert tune.best(p, "forward", x, torch.zeros(2, 2, 3), None) is not None  # 1-D: as expected, unmeasured


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPWEAVE_CACHE", str(tmp_path))
    machine = key_of("NVIDIA H100 80GB HBM3", (9, 0), "2.8.0", "3.4.0")
    path = file(machine)
    assert path is not None
    assert path.parent == tmp_path / "triton"
    assert path.name.startswith("nvidia-h100-80gb-hbm3-")
    first, second = Timings({"aten": 1.0, "a": 0.5}, {"b": "why"}, True), Timings({"aten": 2.0})
    save(path, machine, "one", first)
    save(path, machine, "two", second)
    assert load(path) == {"one": first, "two": second}
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no temporary files are left
    other = key_of("NVIDIA H100 80GB HBM3", (9, 0), "2.9.0", "3.4.0")
    assert file(other) != path


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"schema": 1, "shapes": []}', '{"schema": 1, "shapes": {"a": {"ms": {"b": "c"}}}}',
     '{"schema": 1, "shapes": {"a": {"ms": {"b": NaN}, "failed": {}, "complete": true}}}'],
)  # fmt: skip
def test_a_broken_file_is_ignored_with_a_warning_and_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.warns(UserWarning, match=r"broken\.json is ignored"):
        assert load(path) == {}
    with pytest.warns(UserWarning, match="is ignored"):
        save(path, "machine", "shape", Timings({"aten": 1.0}))
    assert load(path) == {"shape": Timings({"aten": 1.0})}


def test_another_schema_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"schema": 0, "shapes": {"a": 1}}))
    assert load(path) == {}


def test_what_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="timings are not kept"):
        save(tmp_path / "file" / "below.json", "machine", "shape", Timings())


def test_shape_classes() -> None:
    def of(length: int, dtype: torch.dtype = torch.bfloat16, k: int = 4) -> str:
        p = problem((1, 8, length), (8, 8, k), stride=2)
        return shape_class(p, "forward", torch.zeros(1, 8, length, dtype=dtype))

    assert of(1000) == of(900)
    assert len({of(1000), of(2000), of(1000, torch.float16), of(1000, k=6)}) == 4


def test_why_it_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available, "_not_installed", lambda: "Triton is not installed")
    assert available.why_not() == "Triton is not installed"
    monkeypatch.setattr(available, "_not_installed", lambda: "")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert available.interpreted()
    assert available.why_not() == ""
    monkeypatch.setenv("TRITON_INTERPRET", "0")
    monkeypatch.setattr(available, "_no_gpu", lambda: "PyTorch sees no GPU")
    assert available.why_not() == "PyTorch sees no GPU"


def test_a_gpu_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Tesla T4")
    available.too_old.cache_clear()
    try:
        assert available.too_old(0) == "Tesla T4 has compute capability 7.5, the kernels need 8.0"
        available.too_old.cache_clear()
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (8, 6))
        assert available.too_old(0) == ""
    finally:
        available.too_old.cache_clear()


def test_the_setting_for_tf32_is_pytorch_s() -> None:
    from upweave.ops.triton.run import tf32

    for allowed in (False, True):
        with torch.backends.cudnn.flags(allow_tf32=allowed):  # the one way that torch.testing leaves open
            assert tf32() == allowed


def test_aten_is_the_first_to_be_timed() -> None:
    assert ATEN == "aten"
    bench = Bench(aten=(5.0, 1.0), a=(0.1, 1.0))  # even where it alone takes more than the budget
    assert set(bench.run().ms) == {"aten"}
