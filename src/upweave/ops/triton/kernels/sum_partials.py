"""The second pass of a split sum: partial[0] + partial[1] + …, in this order whoever runs first.

a program      B neighbouring entries of the result

    partial   ▓░░░░   split 0
              ▓░░░░   split 1      →   result  ▓░░░░
              ▓░░░░   split 2
"""

import triton
import triton.language as tl


@triton.jit
def sum_partials(partial, result, count, splits, B: tl.constexpr, WIDE: tl.constexpr):
    pid = tl.program_id(0)
    if WIDE:
        pid = pid.to(tl.int64)
    at = pid * B + tl.arange(0, B)
    acc = tl.zeros((B,), tl.float32)
    for split in range(splits):
        acc += tl.load(partial + (split + pid * 0) * count + at, mask=at < count, other=0.0)
    tl.store(result + at, acc.to(result.dtype.element_ty), mask=at < count)
