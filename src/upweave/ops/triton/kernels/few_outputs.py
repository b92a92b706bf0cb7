"""Few output channels: every phase of every channel is a column, so that each input is loaded once for all of them.

    a program      BM positions  ×  BN columns (channel, r₁, r₂, r₃), r₃ the phase on the last axis

    for each offset j (of all phases together), for each block of BK input channels

        acc [BM, BN] += x[q − j] [BM, BK] · w[c, o, r + s·j] [BK, BN]

Only without dilation, where tap r + s·j of phase r reads input q − j. A phase that has no tap at an offset takes no
part in it: its column is masked out of the product, not multiplied with a zero, which would make NaN of an infinity.

    its output     n = s·q + r − p: columns of neighbouring r₃ are neighbours, LINE of them a piece of a line
"""

import triton
import triton.language as tl

from .common import activate, load_rows, product


@triton.jit
def few_outputs(
    x, w, bias, y, xs, ws, ys, size, out, positions, rows, slope,
    CI: tl.constexpr, CO: tl.constexpr, GROUPED: tl.constexpr, K: tl.constexpr, S: tl.constexpr, P: tl.constexpr,
    TILES: tl.constexpr, LINE: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
    XLAST: tl.constexpr, BIAS: tl.constexpr, ACT: tl.constexpr, PREC: tl.constexpr, WIDE: tl.constexpr,
    UPCAST: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0)
    if WIDE:
        pid = pid.to(tl.int64)
    wide = pid * 0  # gives offsets the width that they need
    part = (pid // TILES) % GROUPED
    m = (pid // (TILES * GROUPED)) * BM + tl.arange(0, BM)
    real = m < rows
    a3 = m % positions[2] + P[2] // S[2]
    left = m // positions[2]
    a2 = left % positions[1] + P[1] // S[1]
    left = left // positions[1]
    a1 = left % positions[0] + P[0] // S[0]
    b = left // positions[0]

    # LINE slots for the phases of the last axis, a power of two: slots from S[2] on stay empty
    n = (pid % TILES) * BN + tl.arange(0, BN)
    r3 = n % LINE
    r2 = (n // LINE) % S[1]
    r1 = (n // (LINE * S[1])) % S[0]
    o = n // (LINE * S[1] * S[0])
    column = (r3 < S[2]) & (o < CO)

    j1s: tl.constexpr = (K[0] + S[0] - 1) // S[0]
    j2s: tl.constexpr = (K[1] + S[1] - 1) // S[1]
    j3s: tl.constexpr = (K[2] + S[2] - 1) // S[2]
    whole: tl.constexpr = (K[0] % S[0] == 0) and (K[1] % S[1] == 0) and (K[2] % S[2] == 0)
    blocks: tl.constexpr = (CI + BK - 1) // BK
    at_x = b * xs[0] + a1 * xs[2] + a2 * xs[3] + a3 * xs[4]
    at_w = part * CI * ws[0] + o * ws[1] + r1 * ws[2] + r2 * ws[3] + r3 * ws[4]
    acc = tl.zeros((BM, BN), tl.float32)
    for step in range(j1s * j2s * j3s * blocks):
        j = step // blocks + wide
        c = (step % blocks) * BK + tl.arange(0, BK) + wide
        j3 = j % j3s
        j2 = (j // j3s) % j2s
        j1 = j // (j3s * j2s)
        h1 = a1 - j1
        h2 = a2 - j2
        h3 = a3 - j3
        inside = real & (h1 >= 0) & (h1 < size[0]) & (h2 >= 0) & (h2 < size[1]) & (h3 >= 0) & (h3 < size[2])
        moved = j1 * xs[2] + j2 * xs[3] + j3 * xs[4]
        values = load_rows(x + part * CI * xs[1], at_x - moved, inside, c, xs[1], CI, XLAST)
        skipped = j1 * S[0] * ws[2] + j2 * S[1] * ws[3] + j3 * S[2] * ws[4]
        tapped = column & (r1 + j1 * S[0] < K[0]) & (r2 + j2 * S[1] < K[1]) & (r3 + j3 * S[2] < K[2])
        weights = tl.load(
            w + at_w[None, :] + skipped + c[:, None] * ws[0], mask=tapped[None, :] & (c < CI)[:, None], other=0.0
        )
        if whole:
            acc = product(values, weights, acc, PREC, UPCAST)
        else:
            acc = tl.where(tapped[None, :], product(values, weights, acc, PREC, UPCAST), acc)

    if BIAS:
        acc += tl.load(bias + part * CO + o, mask=column, other=0.0).to(tl.float32)[None, :]
    acc = activate(acc, ACT, slope).to(y.dtype.element_ty)

    # acc as [BM, BN / LINE, LINE] to [BN / LINE, BM · LINE]: each row a piece of one line
    first = (pid % TILES) * BN + LINE * tl.arange(0, BN // LINE)
    n2 = (a2 * S[1])[None, :] + ((first // LINE) % S[1])[:, None] - P[1]
    n1 = (a1 * S[0])[None, :] + ((first // (LINE * S[1])) % S[0])[:, None] - P[0]
    of = first // (LINE * S[1] * S[0])
    kept = real[None, :] & (of < CO)[:, None] & (n1 >= 0) & (n1 < out[0]) & (n2 >= 0) & (n2 < out[1])
    at = (b * ys[0])[None, :] + ((part * CO + of) * ys[1])[:, None] + n1 * ys[2] + n2 * ys[3]
    slot = tl.arange(0, LINE)
    n3 = (a3 * S[2])[:, None] + slot[None, :] - P[2]
    kept3 = (slot < S[2])[None, :] & (n3 >= 0) & (n3 < out[2])
    woven = tl.permute(tl.reshape(acc, (BM, BN // LINE, LINE)), (1, 0, 2))
    tl.store(y + at[:, :, None] + (n3 * ys[4])[None, :, :], woven, mask=kept[:, :, None] & kept3[None, :, :])
