from __future__ import annotations

import math
import sys
from dataclasses import replace

import pytest

import upweave
from upweave.ops import native
from upweave.ops.problem import problem

torch = pytest.importorskip("torch", reason="the benchmark compares with torch")
from bench import case as cases  # noqa: E402
from bench import child, ours, roofline  # noqa: E402
from bench.contender import Contender, Peer  # noqa: E402
from bench.harness import Settings  # noqa: E402
from bench.layers import Layer  # noqa: E402
from bench.modes import forward, isa, lengths, memory, models, overhead, train  # noqa: E402
from bench.peers import by_name  # noqa: E402

TINY = Layer("tiny", "misc", True, problem((1, 3, 5, 4), (3, 2, 4, 4), stride=2, padding=1))
# nobody is hopeless: on a machine that is busy with other tests one pause makes a call look ten times slower
FAST = Settings(rounds=2, least_rounds=2, pause=0.0, burst=1e-4, budget=0.1, hopeless=math.inf)
OURS = "upweave (torch backend)"


@pytest.fixture
def by_aten(monkeypatch):
    """Upweave's part played by aten: what is tested here is the harness around it."""
    monkeypatch.setattr(ours, "run", lambda case, backend: cases.aten(case))
    monkeypatch.setattr(ours, "algorithm", lambda case, backend: "aten")


def test_a_model_is_measured_in_a_process_of_its_own():
    row = models.measure("esrgan_tail", replace(FAST, budget=0.5))
    assert [(o.name, o.status) for o in row.outcomes] == [
        ("torch", "ok"), ("torch_channels_last", "ok"), ("upweave", "ok")
    ]  # fmt: skip
    assert row.shapes["output"] == [1, 3, 256, 256]
    assert "same outputs" in str(row.facts["certified"])


@pytest.mark.usefixtures("by_aten")
def test_forward_has_an_outcome_for_everybody():
    absent = Peer("absent", "no-such-package", "About.", "yes", lambda case, threads: [])
    peers = [*by_name("torch,torch_channels_last"), absent]
    ceilings = roofline.Roofline(100.0, 10.0)
    row = forward.measure(TINY, peers, "torch", FAST, ceilings, channels_last=True)
    assert {o.name: o.status for o in row.outcomes} == {
        OURS: "ok", "upweave_channels_last (torch backend)": "ok", "torch": "ok", "torch_channels_last": "ok",
        "absent": "cannot",
    }  # fmt: skip
    assert row.outcomes[-1].reason == "no-such-package is not installed"
    assert all(o.error < 1e-6 for o in row.outcomes[:-1])
    assert row.floor_ms == ceilings.floor_ms(TINY)


def test_a_contender_that_is_wrong_is_found_in_the_modes_too(monkeypatch):
    monkeypatch.setattr(ours, "run", lambda case, backend: cases.aten(case) * (1 + 1e-3))
    monkeypatch.setattr(ours, "algorithm", lambda case, backend: "aten")
    assert forward.measure(TINY, [], "torch", FAST, None).outcomes[0].status == "wrong"
    assert train.measure(TINY, "torch", FAST).outcomes[0].status == "wrong"


@pytest.mark.usefixtures("by_aten")
def test_train_checks_gradients_and_writes_the_weight_before_every_call(monkeypatch):
    versions = []

    def run(case, backend):
        versions.append(case.weight._version)
        return cases.aten(case)

    monkeypatch.setattr(ours, "run", run)
    row = train.measure(TINY, "torch", FAST)
    assert [(o.name, o.status) for o in row.outcomes] == [(OURS, "ok"), ("torch", "ok"), ("torch_channels_last", "ok")]
    assert len(versions) > 3
    assert len(set(versions)) == len(versions)


def test_a_missing_gradient_is_an_error_not_a_time(monkeypatch):
    monkeypatch.setattr(
        ours, "run", lambda c, backend: cases.aten(cases.Case(c.problem, c.x, c.weight.detach(), c.bias))
    )
    assert train.measure(TINY, "torch", FAST).outcomes[0].status == "failed"


def test_lengths_add_up_and_are_checked(monkeypatch):
    monkeypatch.setattr(ours, "run", lambda case, backend: cases.aten(case))
    found = lengths.one_process([4, 2, 4], 2, 1, list(range(5, 30)), 40, "torch", 2, 0.0)
    assert set(found["ms"]) == {OURS, "torch", f"{OURS} (seen)", "torch (seen)"}
    assert all(ms > 0 for ms in found["ms"].values())
    assert all(error < 1e-6 for error in found["errors"].values())
    monkeypatch.setattr(ours, "run", lambda case, backend: cases.aten(case) * math.nan)
    assert math.isnan(lengths.one_process([4, 2, 4], 2, 1, [5, 6], 7, "torch", 2, 0.0)["errors"][OURS])


def test_lengths_are_new_in_every_process(monkeypatch):
    calls = []

    def call(function, arguments):
        calls.append(arguments)
        nan = math.nan if arguments["stride"] == 2 else 1e-7
        return {"ms": {"torch": 10.0 * len(calls), "torch (seen)": 1.0}, "errors": {"torch": nan}}

    monkeypatch.setattr(child, "call", call)
    row = lengths.measure("hifigan_up0_lengths", "none", replace(FAST, rounds=3))
    assert len(calls) == 3
    assert len(set(calls[0]["lengths"])) == 200
    assert calls[0]["spare"] not in calls[0]["lengths"]
    assert [(o.name, o.median_ms, o.rounds) for o in row.outcomes] == [("torch", 20.0, 3), ("torch (seen)", 1.0, 3)]
    assert {o.status for o in lengths.measure("hifigan_up2_lengths", "none", FAST).outcomes} == {"wrong"}


@pytest.mark.usefixtures("by_aten")
def test_overhead_is_of_one_multiply():
    assert [layer.problem.multiplies for layer in overhead.LAYERS] == [1, 1, 1]
    row = overhead.measure(overhead.LAYERS[0], "torch", FAST)
    assert [(o.name, o.status) for o in row.outcomes] == [(OURS, "ok"), ("torch", "ok")]
    assert row.outcomes[0].calls == 1000 * row.outcomes[0].rounds


def known(scratch_mib: int, output_mib: int) -> dict[str, float]:
    """`memory.extra` of a call that is known to take `scratch_mib` above its output."""

    def call():
        y = torch.ones(output_mib << 18)
        scratch = torch.ones(scratch_mib << 18)
        return y.add_(scratch.sum())

    memory.extra(call)
    return {"extra": memory.extra(call)}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peaks are read from Linux's /proc")
@pytest.mark.parametrize(("scratch", "output"), [(24, 6), (0, 16), (3, 40)])
def test_memory_is_right_to_a_mib(scratch, output):
    found = child.call(
        "tests.bench.test_modes:known", {"scratch_mib": scratch, "output_mib": output}, memory.ENVIRONMENT
    )
    assert found["extra"] == pytest.approx(scratch, abs=1.0)


def test_isa_is_held_by_the_environment(monkeypatch):
    for key, value in isa.ENVIRONMENT.items():
        monkeypatch.setenv(key, value)
    assert isa.held()
    monkeypatch.setenv("UPWEAVE_ISA", "avx512")
    assert not isa.held()
    isa.confirm("avx2", "AVX2")
    isa.confirm(None, "AVX2")
    with pytest.raises(RuntimeError, match="PyTorch runs with AVX512 where AVX2"):
        isa.confirm("avx2", "AVX512")
    with pytest.raises(RuntimeError, match="Upweave runs with avx512 where AVX2"):
        isa.confirm("avx512", "AVX2")


def test_the_native_name_needs_the_native_core(monkeypatch):
    monkeypatch.setattr(native, "available", lambda: False)
    monkeypatch.setattr(native, "why_not", lambda: "turned off")
    with pytest.raises(RuntimeError, match=r"not available \(turned off\)"):
        ours.name("native")
    with pytest.raises(RuntimeError, match="not available"):
        ours.contenders(cases.make(TINY.problem), "native")
    assert ours.name("torch") == OURS
    assert ours.contenders(cases.make(TINY.problem), "none") == []
    monkeypatch.setattr(native, "available", lambda: True)
    assert ours.name("native") == "upweave"


@pytest.mark.skipif(not hasattr(upweave, "conv_transpose"), reason="this build has no upweave.conv_transpose")
def test_upweave_itself_takes_part():
    case = cases.make(TINY.problem)
    contenders: list[Contender] = ours.contenders(case, "torch", channels_last=True)
    assert [c.name for c in contenders] == [OURS, "upweave_channels_last (torch backend)"]
    for contender in contenders:
        assert cases.relative_error(contender.tensors(contender.call()), (cases.exact(case),)) < 1e-6


def test_another_backend_than_asked_for_is_an_error(monkeypatch):
    class Plan:
        backend, algorithm, reason = "torch", "aten", "the core is missing"

    monkeypatch.setattr(upweave, "explain_plan", lambda *_, **__: Plan, raising=False)
    with pytest.raises(RuntimeError, match="'native' was asked for, and 'torch' would run"):
        ours.algorithm(cases.make(TINY.problem), "native")
    assert ours.algorithm(cases.make(TINY.problem), "torch") == "aten"


def test_floors_by_hand():
    ceilings = roofline.Roofline(gflops=1.0, gb_s=1.0)
    p = problem((1, 10, 10), (10, 10, 10), stride=10)
    layer = Layer("a", "misc", True, p)
    assert ceilings.floor_ms(layer) == pytest.approx(2 * 10**4 / 1e9 * 1e3)  # 10⁴ multiplies outweigh 8.4 kB
    wide = roofline.Roofline(gflops=1000.0, gb_s=1.0)
    assert wide.floor_ms(layer) == pytest.approx(layer.bytes / 1e9 * 1e3)
    assert ceilings.best(wide) == roofline.Roofline(1000.0, 1.0)


def test_floors_follow_the_better_ceilings():
    ceilings = roofline.Roofline(100.0, 10.0)
    layer = next(e for e in forward.layers.load() if e.name == "dcgan_in")
    [row] = forward.refloored([forward.row(layer, (), 1.0)], ceilings)
    assert row.floor_ms == ceilings.floor_ms(layer)
