from __future__ import annotations

import gc
import math

import pytest

torch = pytest.importorskip("torch", reason="the benchmark compares with torch")
from bench.contender import Contender  # noqa: E402
from bench.harness import Settings, compare  # noqa: E402

TRUTH = (torch.ones(3, dtype=torch.float64),)


class World:
    """A clock that moves only when somebody works or sleeps, and what happened in it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def settings(self, **more: object) -> Settings:
        return Settings(clock=lambda: self.now, sleep=self.sleep, **more)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.log.append("pause")

    def contender(self, name: str, seconds: float, variant: str = "v", nchw: bool = True, result=None) -> Contender:
        def call():
            self.now += seconds
            self.log.append(f"{name}/{variant}")
            return torch.ones(3) if result is None else result

        return Contender(name, variant, nchw, call, lambda y: (y,))


def test_times_are_those_of_the_clock():
    world = World()
    fast, slow = compare([world.contender("a", 0.001), world.contender("b", 0.004)], TRUTH, world.settings(rounds=9))
    assert math.isclose(fast.median_ms, 1)
    assert math.isclose(slow.q3_ms, 4)
    assert (fast.status, fast.rounds) == ("ok", 9)
    assert fast.calls == 9 * 20  # a burst of 20 ms
    assert slow.calls == 9 * 5


def test_every_burst_is_one_contenders_and_follows_a_pause():
    world = World()
    compare([world.contender("a", 0.01), world.contender("b", 0.01)], TRUTH, world.settings(rounds=4))
    bursts = [burst.split() for burst in " ".join(world.log).split("pause")[1:]]
    assert len(bursts) == 2 * 2 + 2 * 4  # two trials each, then the rounds
    assert [len(burst) for burst in bursts[-8:]] == [1 + 3] * 8  # one call that is not timed, and three
    assert all(len(set(burst)) == 1 for burst in bursts[-8:])
    rounds = [burst[0] for burst in bursts[-8:]]
    assert all(set(rounds[i : i + 2]) == {"a/v", "b/v"} for i in range(0, 8, 2))


def test_the_first_call_of_a_burst_is_not_timed():
    world = World()

    def call():
        world.now += 1.0 if world.log[-1:] == ["pause"] else 0.001
        world.log.append("call")
        return torch.ones(3)

    [found] = compare([Contender("a", "v", True, call, lambda y: (y,))], TRUTH, world.settings())
    assert math.isclose(found.q3_ms, 1)


def test_wrong_nan_and_raising_contenders_are_not_timed():
    world = World()

    def fail():
        raise RuntimeError("no such kernel\nat some address")

    wrong, nan, failed, right = compare(
        [
            world.contender("wrong", 0.001, result=torch.tensor([1.0, 1.0, 1.001])),
            world.contender("nan", 0.001, result=torch.tensor([1.0, math.nan, 1.0])),
            Contender("failed", "v", True, fail, lambda y: (y,)),
            world.contender("right", 0.001),
        ],
        TRUTH,
        world.settings(),
    )
    assert (wrong.status, nan.status, failed.status, right.status) == ("wrong", "wrong", "failed", "ok")
    assert wrong.median_ms is nan.median_ms is None
    assert nan.error is None
    assert "nan" in nan.reason
    assert failed.reason == "RuntimeError: no such kernel"


def test_of_a_peers_variants_the_best_and_the_best_in_nchw_go_on():
    world = World()
    found = compare(
        [
            world.contender("p", 0.004, "nchw slow"),
            world.contender("p", 0.003, "nchw fast"),
            world.contender("p", 0.002, "nhwc", nchw=False),
            world.contender("p", 0.005, "nhwc slow", nchw=False),
        ],
        TRUTH,
        world.settings(),
    )
    assert [o.status for o in found] == ["trial", "ok", "ok", "trial"]
    assert found[0].reason == "nchw fast was faster in the trial"
    assert math.isclose(found[0].median_ms, 4)


def test_the_hopeless_are_left_out_unless_kept():
    world = World()
    contenders = [world.contender("fast", 0.001), world.contender("torch", 0.1), world.contender("jax", 0.1)]
    fast, torch_, jax = compare(contenders, TRUTH, world.settings(), keep=["torch"])
    assert (fast.status, torch_.status, jax.status) == ("ok", "ok", "trial")
    assert jax.reason == "100 times slower than the fastest in the trial"


def test_one_call_of_the_very_slow_is_enough():
    world = World()
    _, slow = compare([world.contender("fast", 0.01), world.contender("slow", 5.0)], TRUTH, world.settings())
    assert world.log.count("slow/v") == 1
    assert (slow.status, slow.calls) == ("trial", 1)
    assert math.isclose(slow.median_ms, 5000)


def test_the_budget_limits_rounds_but_not_below_the_least():
    world = World()
    [found] = compare([world.contender("a", 0.25)], TRUTH, world.settings(budget=5.0))
    assert found.rounds == 4  # 0.05 s of pause and four calls a round
    [found] = compare([world.contender("a", 2.0)], TRUTH, world.settings(budget=1.0))
    assert (found.rounds, found.calls) == (3, 3)  # long calls are timed one a burst


def test_rounds_go_on_while_times_are_spread_and_end_with_patience():
    def run(end: float, seconds: float = 0.01, **more: object):
        """Rounds and median of one whose calls take thrice as long from 1 s to `end`, beside a steady one."""
        world = World()

        def call():
            world.now += 3 * seconds if 1 < world.now < end else seconds
            return torch.ones(3)

        settings = world.settings(budget=2.0, **more)
        varied, steady = compare(
            [Contender("a", "v", True, call, lambda y: (y,)), world.contender("b", 0.01)], TRUTH, settings
        )
        assert varied.rounds == steady.rounds
        return varied.rounds, varied.median_ms

    calm, _ = run(0.0)
    assert calm == 11  # 0.18 s each
    rounds, median = run(2.5)
    assert calm < rounds < 3 * calm
    assert math.isclose(median, 10)  # the slow second is a quarter of the times at most
    assert run(2.5, patience=1.5)[0] == 16 < rounds
    assert run(2.5, rounds=calm)[0] == calm
    assert run(2.5, seconds=0.03)[0] == run(0.0, seconds=0.03)[0]  # it is nowhere near the fastest


def test_what_runs_before_a_call_is_not_timed():
    world = World()

    def before():
        world.now += 0.5

    plain = world.contender("a", 0.001)
    [found] = compare([Contender("a", "v", True, plain.call, plain.tensors, before)], TRUTH, world.settings())
    assert math.isclose(found.median_ms, 1)


def test_collection_is_off_in_bursts_and_on_again_after_an_error():
    seen = []

    def call():
        seen.append(gc.isenabled())
        if len(seen) > 1:
            raise RuntimeError
        return torch.ones(3)

    compare([Contender("a", "v", True, call, lambda y: (y,))], TRUTH, World().settings())
    assert seen == [True, False]
    assert gc.isenabled()
