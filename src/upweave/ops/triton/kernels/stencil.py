"""Depthwise layers and narrow groups: sums of products by themselves, since a matrix product would be mostly padding.

    a program      BM positions  ×  BF phases of the last axis  ×  BC output channels

        acc [BM, BC·BF] += x[q + base − hop·j] · w[tap + f + skip·j]      for each tap, each input channel of the group

    channels first     BC = 1: rows of one channel, its phases woven     q₀f₀ q₀f₁ q₁f₀ q₁f₁ …
    channels last      BF = 1: one phase of many channels                o₀ o₁ o₂ o₃ …

With the tables of the strided convolution it computes the gradient of the input ("strided_stencil").
"""

import triton
import triton.language as tl

from .common import activate, pick


@triton.jit
def stencil(
    x, w, bias, y, xs, ws, ys, size, out, positions, rows, slope,
    CI: tl.constexpr, CO: tl.constexpr, CHANNELS: tl.constexpr, AXES: tl.constexpr, GROUPS: tl.constexpr,
    TILES: tl.constexpr, BM: tl.constexpr, BC: tl.constexpr, BF: tl.constexpr,
    BIAS: tl.constexpr, ACT: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0)
    if WIDE:
        pid = pid.to(tl.int64)
    tile = pid % TILES
    wide = tile * 0  # gives offsets the width that they need
    m = (pid // TILES) * BM + tl.arange(0, BM)
    left = tile - pick(tile, GROUPS, 0)
    c_tiles: tl.constexpr = (CHANNELS + BC - 1) // BC
    c0 = (left % c_tiles) * BC
    left = left // c_tiles
    f3s = pick(tile, GROUPS, 15)
    chunks = (f3s + BF - 1) // BF
    f30 = (left % chunks) * BF
    left = left // chunks
    f2 = left % pick(tile, GROUPS, 9)
    f1 = left // pick(tile, GROUPS, 9)

    q3 = m % positions[2]
    left_m = m // positions[2]
    q2 = left_m % positions[1]
    left_m = left_m // positions[1]
    q1 = left_m % positions[0]
    b = left_m // positions[0]
    real = m < rows
    a1 = q1 + AXES[0][0]
    a2 = q2 + AXES[1][0]
    a3 = q3 + AXES[2][0]
    i1 = a1 * AXES[0][1] + pick(tile, GROUPS, 4)
    i2 = a2 * AXES[1][1] + pick(tile, GROUPS, 10)
    i3 = a3 * AXES[2][1] + pick(tile, GROUPS, 16)
    t1s = pick(tile, GROUPS, 5)
    t2s = pick(tile, GROUPS, 11)
    t3s = pick(tile, GROUPS, 17)

    column = tl.arange(0, BC * BF)
    channel = c0 + column // BF
    f3 = f30 + column % BF
    wanted = (channel < CHANNELS) & (f3 < f3s)
    part = channel // CO
    at_w = part * ws[5] + (channel % CO) * ws[1]
    at_w += (pick(tile, GROUPS, 6) + f1) * ws[2] + (pick(tile, GROUPS, 12) + f2) * ws[3]
    at_w += (pick(tile, GROUPS, 18) + f3) * ws[4]
    at_x = (b * xs[0] + i1 * xs[2] + i2 * xs[3] + i3 * xs[4])[:, None] + (part * CI * xs[1])[None, :]

    acc = tl.zeros((BM, BC * BF), tl.float32)
    for step in range(t1s * t2s * t3s):
        j = step + wide
        j3 = j % t3s
        j2 = (j // t3s) % t2s
        j1 = j // (t3s * t2s)
        h1 = i1 - j1 * AXES[0][2]
        h2 = i2 - j2 * AXES[1][2]
        h3 = i3 - j3 * AXES[2][2]
        inside = real & (h1 >= 0) & (h1 < size[0]) & (h2 >= 0) & (h2 < size[1]) & (h3 >= 0) & (h3 < size[2])
        moved = j1 * AXES[0][2] * xs[2] + j2 * AXES[1][2] * xs[3] + j3 * AXES[2][2] * xs[4]
        skipped = j1 * AXES[0][3] * ws[2] + j2 * AXES[1][3] * ws[3] + j3 * AXES[2][3] * ws[4]
        mask = inside[:, None] & wanted[None, :]
        for channel_in in range(CI):
            c = channel_in + wide
            values = tl.load(x + at_x - moved + c * xs[1], mask=mask, other=0.0).to(tl.float32)
            weights = tl.load(w + at_w + skipped + c * ws[0], mask=wanted, other=0.0).to(tl.float32)
            # where no input is, nothing is added: a zero times an infinite weight would be NaN
            acc = tl.where(mask, acc + values * weights[None, :], acc)

    if BIAS:
        acc += tl.load(bias + channel, mask=channel < CHANNELS, other=0.0).to(tl.float32)[None, :]
    acc = activate(acc, ACT, slope).to(y.dtype.element_ty)
    n1 = a1 * AXES[0][4] + pick(tile, GROUPS, 1) + pick(tile, GROUPS, 2) * f1 - AXES[0][5]
    n2 = a2 * AXES[1][4] + pick(tile, GROUPS, 7) + pick(tile, GROUPS, 8) * f2 - AXES[1][5]
    r3 = pick(tile, GROUPS, 13) + pick(tile, GROUPS, 14) * f3 - AXES[2][5]
    n3 = (a3 * AXES[2][4])[:, None] + r3[None, :]
    kept = real & (n1 >= 0) & (n1 < out[0]) & (n2 >= 0) & (n2 < out[1])
    at = (b * ys[0] + n1 * ys[2] + n2 * ys[3])[:, None] + (channel * ys[1])[None, :] + n3 * ys[4]
    tl.store(y + at, acc, mask=kept[:, None] & wanted[None, :] & (n3 >= 0) & (n3 < out[2]))
