"""The calculus against PyTorch's own layers."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from upweave.ops.reference import reference
from upweave.spec import ConvPixelShuffle, ResizeConv
from upweave.testing import assert_close
from upweave.theory.matrix import linear_operator, weight_gradient

from ..strategies import layers

torch = pytest.importorskip("torch")
functional = torch.nn.functional


def _torch(layer, x, w):
    spec, rank = layer.spec, layer.rank
    axes = spec.per_axis(rank)
    name = type(spec).__name__
    s, p, d = ([getattr(a, f) for a in axes] for f in ("stride", "begin", "dilation"))
    if name == "ConvTranspose":
        run = (functional.conv_transpose1d, functional.conv_transpose2d)[rank - 1]
        return run(x, w, None, s, p, [a.output_padding for a in axes], spec.groups, d)
    convolve = (functional.conv1d, functional.conv2d)[rank - 1]
    if name == "Conv":
        return convolve(x, w, None, s, p, d, spec.groups)
    if name == "ResizeConv":
        mode = {"linear": ("linear", "bilinear")[rank - 1], "nearest": "nearest", "cubic": "bicubic"}[spec.mode]
        corners = None if mode == "nearest" else False
        x = functional.interpolate(x, scale_factor=[float(f) for f in s], mode=mode, align_corners=corners)
        return convolve(x, w, None, 1, p, d, spec.groups)
    return functional.pixel_shuffle(convolve(x, w, None, 1, p, d, spec.groups), s[0])


@pytest.mark.parametrize("name", ["ConvTranspose", "Conv", "ResizeConv", "ConvPixelShuffle"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_operator_reference_and_gradient_are_torchs(name, data):
    # PyTorch's pixel shuffle is square and two-dimensional
    layer = data.draw(layers(name, 2, scalar=True) if name == "ConvPixelShuffle" else layers(name))
    spec = layer.spec
    axes = spec.per_axis(layer.rank)
    assume(all(a.begin == a.end for a in axes))
    if isinstance(spec, ResizeConv):
        assume(spec.mode != "cubic" or (layer.rank == 2 and spec.cubic_a == -0.75))
    x = layer.signal()
    w = torch.tensor(layer.weight, requires_grad=True)
    y = _torch(layer, torch.tensor(x)[None], w)
    expected = y.detach().numpy()[0]
    operator = linear_operator(spec, layer.size, layer.weight)
    assert_close((operator @ x.reshape(-1)).reshape(expected.shape), expected)
    assert_close(reference(spec, x, layer.weight, layer.bias) - _field(spec, layer.bias, expected), expected)
    g = np.random.default_rng(3).standard_normal(y.shape)
    y.backward(torch.tensor(g))
    assert_close(weight_gradient(spec, x, g[0]), w.grad.numpy())


def _field(spec, bias, y):
    if isinstance(spec, ConvPixelShuffle):
        s = spec.per_axis(2)[0].stride
        channels = torch.tensor(bias).reshape(1, -1, 1, 1).expand(1, -1, *(n // s for n in y.shape[1:]))
        return functional.pixel_shuffle(channels, s).numpy()[0]
    return bias.reshape(-1, *(1,) * (y.ndim - 1))
