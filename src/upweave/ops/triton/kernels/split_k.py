"""Gradient of the weight: a matrix product over all positions, shared out over SPLITS programs for each tile.

    a program      BM input channels  ×  BN columns (output channel, tap) of the weight's gradient, one part of the
                   batch and the positions i, BK of them at a time

        acc [BM, BN] += x[c, i] [BM, BK] · gy[o, s·i + d·t − p] [BK, BN]

    split 0   ▓▓▓▓▓▓░░░░░░░░░░░░   positions        its sum, in fp32, to partial[split, c, o, t];
    split 1   ░░░░░░▓▓▓▓▓▓░░░░░░                    `sum_partials` adds them, always in the same order
    split 2   ░░░░░░░░░░░░▓▓▓▓▓▓

There are no atomics: the result is the same to the bit at every call. With one split it goes straight to its place.
"""

import triton
import triton.language as tl

from .common import load_rows, product


@triton.jit
def split_k(
    x, gy, partial, xs, gs, size, out, rows, per_split, weights,
    CI: tl.constexpr, CO: tl.constexpr, GROUPED: tl.constexpr, K: tl.constexpr, S: tl.constexpr, P: tl.constexpr,
    D: tl.constexpr, TILES_M: tl.constexpr, TILES_N: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
    BK: tl.constexpr, LAST: tl.constexpr, PREC: tl.constexpr, WIDE: tl.constexpr, UPCAST: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0)
    if WIDE:
        pid = pid.to(tl.int64)
    n0 = (pid % TILES_N) * BN
    left = pid // TILES_N
    c = (left % TILES_M) * BM + tl.arange(0, BM)
    left = left // TILES_M
    part = left % GROUPED
    split = left // GROUPED

    taps: tl.constexpr = K[0] * K[1] * K[2]
    n = n0 + tl.arange(0, BN)
    # neighbouring columns are neighbours in memory: channels where those are last, else taps
    o = n % CO if LAST else n // taps
    t = n // CO if LAST else n % taps
    t3 = t % K[2]
    t2 = (t // K[2]) % K[1]
    t1 = t // (K[2] * K[1])
    e1 = t1 * D[0] - P[0]
    e2 = t2 * D[1] - P[1]
    e3 = t3 * D[2] - P[2]
    at_n = (part * CO + o) * gs[1] + e1 * gs[2] + e2 * gs[3] + e3 * gs[4]
    column = n < CO * taps

    acc = tl.zeros((BM, BN), tl.float32)
    start = split * per_split
    stop = tl.minimum(start + per_split, rows)
    for first in range(start, stop, BK):
        m = first + tl.arange(0, BK) + pid * 0  # as wide as offsets need to be
        real = m < stop
        i3 = m % size[2]
        left_m = m // size[2]
        i2 = left_m % size[1]
        left_m = left_m // size[1]
        i1 = left_m % size[0]
        b = left_m // size[0]
        at_x = b * xs[0] + i1 * xs[2] + i2 * xs[3] + i3 * xs[4]
        values = load_rows(x + part * CI * xs[1], at_x, real, c, xs[1], CI, LAST)
        at_m = b * gs[0] + i1 * S[0] * gs[2] + i2 * S[1] * gs[3] + i3 * S[2] * gs[4]
        if LAST:
            n1 = (i1 * S[0])[:, None] + e1[None, :]
            n2 = (i2 * S[1])[:, None] + e2[None, :]
            n3 = (i3 * S[2])[:, None] + e3[None, :]
            mask = real[:, None] & column[None, :]
            mask = mask & (n1 >= 0) & (n1 < out[0]) & (n2 >= 0) & (n2 < out[1]) & (n3 >= 0) & (n3 < out[2])
            gradients = tl.load(gy + at_m[:, None] + at_n[None, :], mask=mask, other=0.0)
        else:
            n1 = (i1 * S[0])[None, :] + e1[:, None]
            n2 = (i2 * S[1])[None, :] + e2[:, None]
            n3 = (i3 * S[2])[None, :] + e3[:, None]
            mask = real[None, :] & column[:, None]
            mask = mask & (n1 >= 0) & (n1 < out[0]) & (n2 >= 0) & (n2 < out[1]) & (n3 >= 0) & (n3 < out[2])
            gradients = tl.trans(tl.load(gy + at_m[None, :] + at_n[:, None], mask=mask, other=0.0))
        acc = product(tl.trans(values), gradients, acc, PREC, UPCAST)

    at = split * weights + ((part * CI + c) * (CO * taps))[:, None] + (o * taps + t)[None, :]
    tl.store(partial + at, acc.to(partial.dtype.element_ty), mask=(c < CI)[:, None] & column[None, :])
