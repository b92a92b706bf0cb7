"""The same kernel and stride as the frameworks crop them: "same" and "valid" of Keras and JAX, ONNX's auto_pad, PyTorch.

All of them stamp the kernel at s·i and keep a window of the result, of the length that they promise. What differs is
where the window begins.

    stamped            0 1 2 3 4 … s(H−1)+k−1
    Keras "valid"      [               ]            all of it, and never less than s·H
    Keras "same"         [         ]                s·H samples; the odd one of k − s is cropped at the end
    ONNX SAME_LOWER        [         ]              … at the beginning, as PyTorch's symmetric padding does it
"""

from __future__ import annotations

from ..spec import ConvTranspose


def same_upper(kernel: int, stride: int) -> ConvTranspose:
    """Keras and JAX "same", TensorFlow "SAME", ONNX SAME_UPPER: s·H samples, ⌊(k−s)/2⌋ cropped at the beginning.

    With k < s nothing is cropped and s − k samples without a tap follow at the end, as TensorFlow and JAX have it.
    """
    return _window(kernel, stride, max(kernel - stride, 0) // 2)


def same_lower(kernel: int, stride: int) -> ConvTranspose:
    """ONNX SAME_LOWER: s·H samples, ⌈(k−s)/2⌉ cropped at the beginning."""
    return _window(kernel, stride, -(-max(kernel - stride, 0) // 2))


def valid(kernel: int, stride: int) -> ConvTranspose:
    """Keras "valid": everything stamped, s(H−1) + max(k, s) samples."""
    return ConvTranspose(kernel, stride, 0, max(stride - kernel, 0))


def pytorch(kernel: int, stride: int) -> ConvTranspose:
    """What one writes in PyTorch to get s·H: the least symmetric padding, and output padding for the rest.

    Raises `SpecError` for stride 1 and an even kernel, where no symmetric padding does it.
    """
    padding = -(-max(kernel - stride, 0) // 2)
    return ConvTranspose(kernel, stride, padding, 2 * padding + stride - kernel)


def _window(kernel: int, stride: int, begin: int) -> ConvTranspose:
    rest = kernel - stride - begin
    return ConvTranspose((kernel,), (stride,), ((begin, max(rest, 0)),), (max(-rest, 0),))
