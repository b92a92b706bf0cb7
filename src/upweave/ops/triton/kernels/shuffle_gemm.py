"""Kernels as long as the stride: one matrix product whose epilogue interleaves.

No output has two taps, so that positions × (channels · taps) is an ordinary product over the input channels:

    a program      BM positions  ×  BN columns of the weight's own matrix [C_in, C_out/g·∏k], read in place

    acc [BM, BN] = x [BM, C_in] · w [C_in, BN]          column = channel, tap 1, tap 2, tap 3   (LAST: taps, channel)

                   ┌ q₀: o₀t₀ o₀t₁ o₁t₀ o₁t₁ ┐          ┌ o₀: q₀t₀ q₀t₁ q₁t₀ q₁t₁ … ┐
    interleave     └ q₁: o₀t₀ o₀t₁ o₁t₀ o₁t₁ ┘    →     └ o₁: q₀t₀ q₀t₁ q₁t₀ q₁t₁ … ┘   whole pieces of lines

A stride that is no power of two (LINE is 1) is written tap by tap. With channels last the columns are lines already.
"""

import triton
import triton.language as tl

from .common import activate, load_rows, product


@triton.jit
def shuffle_gemm(
    x, w, bias, y, xs, ws, ys, positions, rows, slope,
    CI: tl.constexpr, CO: tl.constexpr, GROUPED: tl.constexpr, K: tl.constexpr, TILES: tl.constexpr,
    LINE: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, XLAST: tl.constexpr,
    LAST: tl.constexpr, BIAS: tl.constexpr, ACT: tl.constexpr, PREC: tl.constexpr, WIDE: tl.constexpr,
    UPCAST: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0)
    if WIDE:
        pid = pid.to(tl.int64)
    n0 = (pid % TILES) * BN
    part = (pid // TILES) % GROUPED
    m = (pid // (TILES * GROUPED)) * BM + tl.arange(0, BM)
    real = m < rows
    i3 = m % positions[2]
    left = m // positions[2]
    i2 = left % positions[1]
    left = left // positions[1]
    i1 = left % positions[0]
    b = left // positions[0]

    taps: tl.constexpr = K[0] * K[1] * K[2]
    columns: tl.constexpr = CO * taps
    n = n0 + tl.arange(0, BN)
    at_x = b * xs[0] + i1 * xs[2] + i2 * xs[3] + i3 * xs[4]
    acc = tl.zeros((BM, BN), tl.float32)
    for c0 in range(0, CI, BK):
        c = c0 + tl.arange(0, BK) + pid * 0  # as wide as offsets need to be
        values = load_rows(x + part * CI * xs[1], at_x, real, c, xs[1], CI, XLAST)
        weights = tl.load(
            w + (part * CI + c)[:, None] * ws + n[None, :], mask=(c < CI)[:, None] & (n < columns)[None, :], other=0.0
        )
        acc = product(values, weights, acc, PREC, UPCAST)

    if BIAS:
        of = n % CO if LAST else n // taps
        acc += tl.load(bias + part * CO + of, mask=n < columns, other=0.0).to(tl.float32)[None, :]
    acc = activate(acc, ACT, slope).to(y.dtype.element_ty)

    at_m = b * ys[0] + i1 * K[0] * ys[2] + i2 * K[1] * ys[3] + i3 * K[2] * ys[4]
    if LINE > 1:
        first = (n0 + LINE * tl.arange(0, BN // LINE)).to(m.dtype)  # columns in whole runs of taps
        o = first // taps
        t2 = (first // K[2]) % K[1]
        t1 = (first // (K[2] * K[1])) % K[0]
        lines = (part * CO + o) * ys[1] + t1 * ys[2] + t2 * ys[3] + (first % K[2]) * ys[4]
        at = tl.reshape(at_m[:, None] + (tl.arange(0, LINE) * ys[4])[None, :], (BM * LINE,))
        kept = tl.reshape(tl.broadcast_to(real[:, None], (BM, LINE)), (BM * LINE,))
        woven = tl.reshape(tl.permute(tl.reshape(acc, (BM, BN // LINE, LINE)), (1, 0, 2)), (BN // LINE, BM * LINE))
        tl.store(y + lines[:, None] + at[None, :], woven, mask=(first < columns)[:, None] & kept[None, :])
    else:
        t = n // CO if LAST else n % taps
        o = n % CO if LAST else n // taps
        at_n = (part * CO + o) * ys[1]
        at_n += (t // (K[2] * K[1])) * ys[2] + ((t // K[2]) % K[1]) * ys[3] + (t % K[2]) * ys[4]
        if LAST:
            tl.store(y + at_m[:, None] + at_n[None, :], acc, mask=real[:, None] & (n < columns)[None, :])
        else:
            tl.store(y + at_n[:, None] + at_m[None, :], tl.trans(acc), mask=(n < columns)[:, None] & real[None, :])
