"""Sound models stay clean: what fires here is a bug in a rule."""

from __future__ import annotations

import sys

import pytest

from upweave.audit import Level

from .build import Net


def unet(k: int = 2) -> Net:
    net = Net(1, 3, 64, 64)
    skips = []
    y = net.act(net.conv("x", 8, 3, p=1))
    for n in range(3):
        skips.append(y)
        y = net.act(net.conv(net.pool(y), 16 << n, 3, p=1))
    for n, skip in enumerate(reversed(skips)):
        c = net.shapes[skip][1]
        y = net.up(y, c, k, 2, (k - 2) // 2, path=f"up{n}")
        y = net.act(net.conv(net.cat(skip, y), c, 3, p=1))
    net.conv(y, 2, 1)
    return net


def gan() -> Net:
    net = Net(1, 100, 1, 1)
    y = net.up("x", 64, 4, 1, 0)
    for c in (32, 16, 8, 3):
        y = net.act(net.up(y, c, 4, 2, 1))
    return net


def resize_decoder(mode: str) -> Net:
    net = Net(1, 8, 16, 16)
    y = "x"
    for _ in range(3):
        y = net.act(net.conv(net.resize(y, mode=mode), 8, 3, p=1))
    return net


def phase_0_autoencoder() -> Net:
    net = Net(1, 3, 64, 64)
    y = "x"
    for c in (8, 16, 32):
        y = net.act(net.conv(y, c, 3, 2, 1))
    for c in (16, 8, 3):
        y = net.act(net.up(y, c, 3, 2, 1, 1))
    return net


def causal_codec() -> Net:
    """Left-padded strided convolutions, and transposed convolutions trimmed on the right."""
    net = Net(1, 1, 320)
    y = "x"
    for c, s in ((8, 2), (16, 4)):
        y = net.act(net.conv(net.pad(y, (s, 0)), c, 2 * s, s))
    for c, s in ((8, 4), (1, 2)):
        y = net.up(y, c, 2 * s, s)
        y = net.act(net.slice(y, 2, 0, -s))
    return net


def vocoder() -> Net:
    net = Net(1, 80, 32)
    y = "x"
    for c, k, s in ((64, 16, 8), (32, 16, 8), (16, 4, 2), (8, 4, 2)):
        y = net.act(net.up(net.act(y), c, k, s, (k - s) // 2))
    net.conv(y, 1, 7, p=3)
    return net


def style_block() -> Net:
    """A transposed convolution of kernel 3 and stride 2, then its fixed binomial filter."""
    import numpy as np

    blur = np.broadcast_to(np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16.0, (8, 1, 4, 4))
    net = Net(1, 8, 16, 16)
    y = net.conv(net.up("x", 8, 3, 2, 0), 8, 4, p=1, g=8, weight=blur)
    net.act(y)
    return net


def super_resolution() -> Net:
    net = Net(1, 3, 16, 16)
    net.conv(net.shuffle(net.conv("x", 64, 3, p=1)), 3, 3, p=1)
    return net


def stride_1() -> Net:
    net = Net(1, 3, 16, 16)
    net.up(net.up("x", 8, 3, 1, 1), 3, 5, 1, 2)
    return net


def discriminator() -> Net:
    net = Net(1, 3, 64, 64)
    net.conv(net.conv("x", 8, 4, 2, 1), 16, 4, 2, 1)
    return net


SOUND = [unet(), unet(4), gan(), resize_decoder("nearest"), resize_decoder("linear"), causal_codec(), vocoder(),
         style_block(), super_resolution(), stride_1(), discriminator()]  # fmt: skip
NAMES = [
    "unet",
    "unet-k4",
    "gan",
    "nearest",
    "linear",
    "causal",
    "vocoder",
    "style",
    "shuffle",
    "stride-1",
    "discriminator",
]


@pytest.mark.parametrize("net", SOUND, ids=NAMES)
def test_sound_models_have_notes_at_most_and_none_of_coverage_or_grids(net: Net) -> None:
    report = net.audit()
    bad = [f for f in report.findings if f.level > Level.NOTE or f.code.startswith(("UW1", "UW2"))]
    assert bad == []


def test_phase_0_behind_its_encoder_is_aligned() -> None:
    codes = set(phase_0_autoencoder().codes())
    assert not {c for c in codes if c.startswith("UW2")}
    assert "UW101" in codes  # uneven it is


def test_structural_rules_need_no_torch() -> None:
    import subprocess

    script = (
        "import sys; from tests.audit.build import Net; n = Net(1, 8, 16); n.up('x', 4, 3, 2, 1, 1); n.audit(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": "src:."}, check=False).returncode == 0
