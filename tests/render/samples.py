"""Reports of graphs made by hand, one for each thing that a renderer must cope with."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from tests.audit.build import Net
from upweave.audit import Config, Report, Silence
from upweave.audit.finding import Finding, Fix, Level

EVIL = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp; {{ 7*7 }}\x1b[31m\nnext"


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def gan() -> Report:
    """Two uneven layers behind each other, with weights."""
    net = Net(1, 8, 16, 16, target="gan.onnx", framework="onnx")
    x = net.up("x", 6, 3, 2, 1, 1, path="up.0", weight=_random(8, 6, 3, 3))
    net.up(net.act(x), 3, 3, 2, 1, 1, path="up.1", weight=_random(6, 3, 3, 3))
    return net.audit()


def vocoder() -> Report:
    """Sound layers in one dimension, without weights."""
    net = Net(1, 8, 32, target="vocoder")
    x = net.up("x", 4, 16, 8, 4, path="ups.0")
    net.up(x, 2, 4, 2, 1, path="ups.1")
    return net.audit()


def volume() -> Report:
    """Three dimensions, with holes."""
    net = Net(1, 4, 6, 6, 6, target="volume")
    net.up("x", 4, 2, 3, 0, path="up", weight=_random(4, 4, 2, 2, 2))
    return net.audit()


def unet() -> Report:
    """A skip between grids that disagree, a resize, a pixel shuffle and a pool."""
    net = Net(1, 4, 32, 32, target="unet")
    down = net.pool(net.conv("x", 8, 3, 1, 1, path="enc"), path="down")
    up = net.up(down, 8, 3, 2, 1, 1, path="dec.up")
    x = net.merge(up, net.conv("x", 8, 3, 1, 1, path="skip"), path="dec.add")
    x = net.resize(x, 2, path="dec.resize")
    net.shuffle(net.conv(x, 12, 3, 1, 1, path="dec.conv"), 2, path="dec.shuffle")
    return net.audit()


def evil() -> Report:
    """Names and messages that try to break out of every format, and numbers that JSON cannot hold."""
    net = Net(1, 4, 8, 8, target=EVIL)
    net.up("x", 4, 3, 2, 1, 1, path=EVIL)
    report = net.audit()
    bad = Finding(
        "UW101",
        "uneven-coverage",
        Level.ERROR,
        EVIL,
        EVIL,
        {"nan": math.nan, "inf": math.inf, "half": Fraction(1, 2), EVIL: [EVIL, np.float32(3), np.arange(2)]},
        Fix("safe", EVIL, EVIL),
        where=f"{EVIL}:12",
    )
    lone = dataclasses.replace(bad, layer="lone \ud800 surrogate", message="100% ::error::, a:b\r\nsecond")
    return dataclasses.replace(report, findings=(*report.findings, bad, lone), notes=(EVIL,))


def empty() -> Report:
    """No resampling layer at all."""
    net = Net(1, 4, 8, 8, target="classifier")
    net.conv("x", 4, 3, 1, 1)
    return net.audit()


def silenced() -> Report:
    """A finding that the configuration silences."""
    net = Net(1, 8, 16, 16, target="known")
    net.up("x", 4, 3, 2, 1, 1, path="up")
    from upweave.audit import audit_graph

    return audit_graph(net.graph(), config=Config(silences=(Silence(rule="UW101", layer="up", reason="known"),)))


def many(n: int = 50) -> Report:
    """2·n resampling layers, alternating down and up."""
    net = Net(1, 4, 32, 32, target="long")
    x = "x"
    for i in range(n):
        x = net.conv(x, 4, 4, 2, 1, path=f"block.{i}.down")
        x = net.up(
            x,
            4,
            3 if i % 2 else 4,
            2,
            1,
            i % 2,
            path=f"block.{i}.up",
            weight=_random(4, 4, 3 + (i + 1) % 2, 3 + (i + 1) % 2),
        )
    return net.audit()


SAMPLES: dict[str, Callable[[], Report]] = {
    f.__name__: f for f in (gan, vocoder, volume, unet, evil, empty, silenced, many)
}
