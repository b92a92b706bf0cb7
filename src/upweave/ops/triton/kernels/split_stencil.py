"""Gradient of the weight of depthwise layers and narrow groups: one sum over the positions for each channel and tap.

    a program      BC pairs (input channel, output channel of its group)  ×  BT taps, one part of the positions

        acc [BK, BC·BT] += x[c, i] · gy[o, s·i + d·t − p]      BK positions at a time, added up at the end

    channels first     BC = 1, BT taps      one signal, read along its rows
    channels last      BT = 1, BC pairs     neighbouring channels in neighbouring threads

The sums go to partial[split, c, o, t], which `sum_partials` adds in order.
"""

import triton
import triton.language as tl


@triton.jit
def split_stencil(
    x, gy, partial, xs, gs, size, out, rows, per_split, weights,
    CI: tl.constexpr, CO: tl.constexpr, PAIRS: tl.constexpr, K: tl.constexpr, S: tl.constexpr, P: tl.constexpr,
    D: tl.constexpr, TILES_C: tl.constexpr, TILES_T: tl.constexpr, BC: tl.constexpr, BT: tl.constexpr,
    BK: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0)
    if WIDE:
        pid = pid.to(tl.int64)
    taps: tl.constexpr = K[0] * K[1] * K[2]
    column = tl.arange(0, BC * BT)
    t = (pid % TILES_T) * BT + column % BT
    left = pid // TILES_T
    pair = (left % TILES_C) * BC + column // BT
    split = left // TILES_C
    ci = pair // CO
    co = (ci // CI) * CO + pair % CO
    e1 = (t // (K[2] * K[1])) * D[0] - P[0]
    e2 = ((t // K[2]) % K[1]) * D[1] - P[1]
    e3 = (t % K[2]) * D[2] - P[2]
    wanted = (t < taps) & (pair < PAIRS)
    at_n = co * gs[1] + e1 * gs[2] + e2 * gs[3] + e3 * gs[4]

    acc = tl.zeros((BK, BC * BT), tl.float32)
    start = split * per_split
    stop = tl.minimum(start + per_split, rows)
    for first in range(start, stop, BK):
        m = first + tl.arange(0, BK) + pid * 0  # as wide as offsets need to be
        i3 = m % size[2]
        left_m = m // size[2]
        i2 = left_m % size[1]
        left_m = left_m // size[1]
        i1 = left_m % size[0]
        b = left_m // size[0]
        n1 = (i1 * S[0])[:, None] + e1[None, :]
        n2 = (i2 * S[1])[:, None] + e2[None, :]
        n3 = (i3 * S[2])[:, None] + e3[None, :]
        mask = (m < stop)[:, None] & wanted[None, :]
        mask = mask & (n1 >= 0) & (n1 < out[0]) & (n2 >= 0) & (n2 < out[1]) & (n3 >= 0) & (n3 < out[2])
        at_x = (b * xs[0] + i1 * xs[2] + i2 * xs[3] + i3 * xs[4])[:, None] + (ci * xs[1])[None, :]
        at_m = b * gs[0] + i1 * S[0] * gs[2] + i2 * S[1] * gs[3] + i3 * S[2] * gs[4]
        values = tl.load(x + at_x, mask=mask, other=0.0).to(tl.float32)
        acc += values * tl.load(gy + at_m[:, None] + at_n[None, :], mask=mask, other=0.0).to(tl.float32)

    found = tl.sum(acc, axis=0).to(partial.dtype.element_ty)
    tl.store(partial + split * weights + pair * taps + t, found, mask=wanted)
