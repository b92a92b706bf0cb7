"""What the kernels share: the numbers of a phase group, activations, and loads in the order of memory.

Tensors come as a pointer and the strides (batch, channel, axis 1, axis 2, axis 3), so that any layout is read in place;
weights as a pointer and the strides (channel read, channel written, tap 1, tap 2, tap 3, convolution group).
"""

import triton
import triton.language as tl


@triton.jit
def pick(tile, GROUPS: tl.constexpr, i: tl.constexpr):
    """Number `i` of the group that `tile` belongs to: the last row of GROUPS whose first tile is not behind it."""
    found = tl.full((), GROUPS[0][i], tl.int32)
    for g in tl.static_range(1, len(GROUPS)):
        found = tl.where(tile >= GROUPS[g][0], GROUPS[g][i], found)
    return found


@triton.jit
def activate(v, ACT: tl.constexpr, slope):
    """A named activation of fp32 values; NaN stays NaN, infinities go where PyTorch sends them."""
    if ACT == "relu":
        v = tl.where(v < 0, 0.0, v)
    elif ACT == "leaky_relu":
        v = tl.where(v > 0, v, v * slope)
    elif ACT == "sigmoid":
        v = 1.0 / (1.0 + tl.exp(-v))
    elif ACT == "silu":
        v = v / (1.0 + tl.exp(-v))
    elif ACT == "tanh":
        e = tl.exp(-2.0 * tl.abs(v))
        far = tl.where(v < 0, -1.0, 1.0) * (1.0 - e) / (1.0 + e)
        u = v * v  # near 0, where 1 − e loses digits, the series
        near = v * (1.0 + u * (-1.0 / 3 + u * (2.0 / 15 + u * (-17.0 / 315 + u * (62.0 / 2835)))))
        v = tl.where(tl.abs(v) < 0.25, near, tl.where(v == v, far, v))
    return v


@triton.jit
def load_rows(base, rows, inside, channels, stride, COUNT: tl.constexpr, LAST: tl.constexpr):
    """Values [rows, channels] at base + rows + channels·stride, zeros where not inside; channels count to COUNT.

    Neighbouring threads take neighbours in memory: channels where those are last, else rows, and the tile is turned.
    """
    if LAST:
        return tl.load(
            base + rows[:, None] + channels[None, :] * stride,
            mask=inside[:, None] & (channels < COUNT)[None, :], other=0.0,
        )  # fmt: skip
    return tl.trans(
        tl.load(
            base + rows[None, :] + channels[:, None] * stride,
            mask=inside[None, :] & (channels < COUNT)[:, None], other=0.0,
        )
    )  # fmt: skip


@triton.jit
def product(a, b, acc, PREC: tl.constexpr, UPCAST: tl.constexpr):
    """acc + a·b in fp32. UPCAST: the interpreter multiplies no bfloat16; its products are exact in fp32."""
    if UPCAST:
        a = a.to(tl.float32)
        b = b.to(tl.float32)
    return tl.dot(a, b, acc, input_precision=PREC)
