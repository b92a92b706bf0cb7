"""Long 1-D kernels (an inverse STFT, a vocoder's first stages): the phases of one channel are the columns.

    a program      BM positions q  ×  BN phases r₀ … r₀ + BN − 1 of one output channel

        acc [BM, BN] += x[c, q − j] [BM, BK] · w[c, o, r + s·j] [BK, BN]      j = 0 … ⌈k/s⌉ − 1, c in blocks of BK

    its output     n = s·q + r − p      ┌ q₀: r₀ r₁ r₂ … ┐
                                        └ q₁: r₀ r₁ r₂ … ┘      weights and outputs are read and written along r,

in place: no copy of the weight, no buffer of columns. The first k mod s phases have one tap more than the others; no
tile has both (GROUPS), so that none multiplies with taps that are not there. Without dilation.
"""

import triton
import triton.language as tl

from .common import activate, load_rows, pick, product


@triton.jit
def long_kernel(
    x, w, bias, y, xs, ws, ys, size, out, positions, rows, slope,
    CI: tl.constexpr, CO: tl.constexpr, GROUPED: tl.constexpr, S: tl.constexpr, P: tl.constexpr,
    GROUPS: tl.constexpr, TILES: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
    XLAST: tl.constexpr, BIAS: tl.constexpr, ACT: tl.constexpr, PREC: tl.constexpr, WIDE: tl.constexpr,
    UPCAST: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0)
    if WIDE:
        pid = pid.to(tl.int64)
    tile = pid % TILES
    wide = pid * 0  # gives offsets the width that they need
    part = (pid // TILES) % GROUPED
    m = (pid // (TILES * GROUPED)) * BM + tl.arange(0, BM)
    real = m < rows
    a = m % positions + P // S
    b = m // positions

    # a row of GROUPS: first tile, first phase, phases, taps
    left = tile - pick(tile, GROUPS, 0)
    chunks = (pick(tile, GROUPS, 2) + BN - 1) // BN
    taps = pick(tile, GROUPS, 3)
    f = (left % chunks) * BN + tl.arange(0, BN)
    o = left // chunks
    r = pick(tile, GROUPS, 1) + f
    column = f < pick(tile, GROUPS, 2)

    blocks: tl.constexpr = (CI + BK - 1) // BK
    at_x = b * xs[0] + a * xs[2]
    acc = tl.zeros((BM, BN), tl.float32)
    for step in range(taps * blocks):
        j = step // blocks + wide
        c = (step % blocks) * BK + tl.arange(0, BK) + wide
        inside = real & (a - j >= 0) & (a - j < size)
        values = load_rows(x + part * CI * xs[1], at_x - j * xs[2], inside, c, xs[1], CI, XLAST)
        weights = tl.load(
            w + (part * CI + c)[:, None] * ws[0] + o * ws[1] + (r + S * j)[None, :] * ws[2],
            mask=(c < CI)[:, None] & column[None, :], other=0.0,
        )  # fmt: skip
        acc = product(values, weights, acc, PREC, UPCAST)

    if BIAS:
        acc += tl.load(bias + part * CO + o).to(tl.float32)
    acc = activate(acc, ACT, slope).to(y.dtype.element_ty)
    n = (a * S)[:, None] + (r - P)[None, :]
    tl.store(
        y + (b * ys[0])[:, None] + (part * CO + o) * ys[1] + n * ys[2], acc,
        mask=real[:, None] & column[None, :] & (n >= 0) & (n < out),
    )  # fmt: skip
