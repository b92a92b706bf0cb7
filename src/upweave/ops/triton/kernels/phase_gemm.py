"""Phase implicit GEMM: all phases in one launch, each with its own taps and no others.

    a program      BM positions (batch and axes folded)  ×  BF phases of the last axis × BO output channels
    its products   for each tap of the group, for each block of BK input channels:

                         BK channels                      BF·BO columns: phase f, channel o
        positions q  ┌─────────────┐   input i =      ┌──────────────────────┐
        (gathered,   │ x[q + base  │   reach·a+base   │ w[c, o, tap + f +    │   acc [BM, BF·BO], fp32
         masked)     │  − hop·j]   │   − hop·j        │   skip·j]            │
                     └─────────────┘                  └──────────────────────┘

    its output     weave·a + first + step·f − pad:   q₀f₀ q₀f₁ q₁f₀ q₁f₁ …   one piece of a line for each channel

All phases of a group on the last axis are in one program, so that it writes whole pieces of lines: half-written sectors
would cost a read each. With channels last a phase's channels are whole lines by themselves, and BF is 1.

The input may have its channels last (XLAST) where the output has not (YLAST): 16-bit values are worth a copy into that
order, since a shifted row of them is not aligned to the four bytes that an asynchronous copy takes at least.

The same loop, with reach = s and weave = 1, is the strided convolution: the gradient of the input ("strided_gemm").
"""

import triton
import triton.language as tl

from .common import activate, load_rows, pick, product


@triton.jit
def phase_gemm(
    x, w, bias, y, xs, ws, ys, size, out, positions, rows, slope,
    CI: tl.constexpr, CO: tl.constexpr, GROUPED: tl.constexpr, AXES: tl.constexpr, GROUPS: tl.constexpr,
    TILES: tl.constexpr, BM: tl.constexpr, BO: tl.constexpr, BF: tl.constexpr, BK: tl.constexpr,
    XLAST: tl.constexpr, YLAST: tl.constexpr, BIAS: tl.constexpr, ACT: tl.constexpr, PREC: tl.constexpr,
    WIDE: tl.constexpr, UPCAST: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0)
    if WIDE:
        pid = pid.to(tl.int64)
    tile = pid % TILES  # neighbours in time read the same inputs
    wide = pid * 0  # gives offsets the width that they need
    part = (pid // TILES) % GROUPED
    m = (pid // (TILES * GROUPED)) * BM + tl.arange(0, BM)

    first1, step1, _, base1, t1s, tap1 = _axis(tile, GROUPS, 1)
    first2, step2, f2s, base2, t2s, tap2 = _axis(tile, GROUPS, 7)
    first3, step3, f3s, base3, t3s, tap3 = _axis(tile, GROUPS, 13)
    left = tile - pick(tile, GROUPS, 0)
    o_tiles: tl.constexpr = (CO + BO - 1) // BO
    o0 = (left % o_tiles) * BO
    left = left // o_tiles
    chunks = (f3s + BF - 1) // BF
    f30 = (left % chunks) * BF
    left = left // chunks
    f2 = left % f2s
    f1 = left // f2s

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

    column = tl.arange(0, BF * BO)
    o = o0 + column % BO
    f3 = f30 + column // BO
    wanted = (o < CO) & (f3 < f3s)
    at_w = w + part * ws[5] + o * ws[1] + (tap1 + f1) * ws[2] + (tap2 + f2) * ws[3] + (tap3 + f3) * ws[4]
    i1 = a1 * AXES[0][1] + base1
    i2 = a2 * AXES[1][1] + base2
    i3 = a3 * AXES[2][1] + base3
    at_x = b * xs[0] + i1 * xs[2] + i2 * xs[3] + i3 * xs[4]

    blocks: tl.constexpr = (CI + BK - 1) // BK
    acc = tl.zeros((BM, BF * BO), tl.float32)
    for step in range(t1s * t2s * t3s * blocks):
        j = step // blocks + wide
        c = (step % blocks) * BK + tl.arange(0, BK) + wide
        j3 = j % t3s
        j2 = (j // t3s) % t2s
        j1 = j // (t3s * t2s)
        h1 = i1 - j1 * AXES[0][2]
        h2 = i2 - j2 * AXES[1][2]
        h3 = i3 - j3 * AXES[2][2]
        inside = real & (h1 >= 0) & (h1 < size[0]) & (h2 >= 0) & (h2 < size[1]) & (h3 >= 0) & (h3 < size[2])
        moved = j1 * AXES[0][2] * xs[2] + j2 * AXES[1][2] * xs[3] + j3 * AXES[2][2] * xs[4]
        values = load_rows(x + part * CI * xs[1], at_x - moved, inside, c, xs[1], CI, XLAST)
        skipped = j1 * AXES[0][3] * ws[2] + j2 * AXES[1][3] * ws[3] + j3 * AXES[2][3] * ws[4]
        weights = tl.load(
            at_w[None, :] + skipped + c[:, None] * ws[0], mask=wanted[None, :] & (c < CI)[:, None], other=0.0
        )
        acc = product(values, weights, acc, PREC, UPCAST)

    if BIAS:
        acc += tl.load(bias + part * CO + o, mask=o < CO, other=0.0).to(tl.float32)[None, :]
    acc = activate(acc, ACT, slope).to(y.dtype.element_ty)

    n1 = a1 * AXES[0][4] + first1 + step1 * f1 - AXES[0][5]
    n2 = a2 * AXES[1][4] + first2 + step2 * f2 - AXES[1][5]
    line = b * ys[0] + n1 * ys[2] + n2 * ys[3]
    kept = real & (n1 >= 0) & (n1 < out[0]) & (n2 >= 0) & (n2 < out[1])
    f = f30 + tl.arange(0, BF)
    n3 = (a3 * AXES[2][4])[:, None] + (first3 + step3 * f - AXES[2][5])[None, :]
    kept3 = kept[:, None] & (f < f3s)[None, :] & (n3 >= 0) & (n3 < out[2])
    at = line[:, None] + n3 * ys[4]
    channel = o0 + tl.arange(0, BO)
    at_o = (part * CO + channel) * ys[1]
    if YLAST:  # BF is 1
        tl.store(
            y + tl.reshape(at, (BM,))[:, None] + at_o[None, :], acc,
            mask=tl.reshape(kept3, (BM,))[:, None] & (channel < CO)[None, :],
        )  # fmt: skip
    else:
        woven = tl.reshape(tl.permute(tl.reshape(acc, (BM, BF, BO)), (2, 0, 1)), (BO, BM * BF))
        tl.store(
            y + at_o[:, None] + tl.reshape(at, (BM * BF,))[None, :], woven,
            mask=(channel < CO)[:, None] & tl.reshape(kept3, (BM * BF,))[None, :],
        )  # fmt: skip


@triton.jit
def _axis(tile, GROUPS: tl.constexpr, i: tl.constexpr):
    """The six numbers of one axis of the tile's group (`phases.Group.row`)."""
    return (
        pick(tile, GROUPS, i), pick(tile, GROUPS, i + 1), pick(tile, GROUPS, i + 2),
        pick(tile, GROUPS, i + 3), pick(tile, GROUPS, i + 4), pick(tile, GROUPS, i + 5),
    )  # fmt: skip
