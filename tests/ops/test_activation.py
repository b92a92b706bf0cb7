"""Activations: which are known, and that they are PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import upweave
from tests.ops.close import assert_close
from upweave.ops.activation import ACTIVATIONS, activate, activation_of


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (None, ("none", 0.01)),
        ("none", ("none", 0.01)),
        ("relu", ("relu", 0.01)),
        ("leaky_relu", ("leaky_relu", 0.01)),
        (("leaky_relu", 0.2), ("leaky_relu", 0.2)),
        (("leaky_relu", np.float32(0.5)), ("leaky_relu", 0.5)),
        ("silu", ("silu", 0.01)),
    ],
)
def test_names(value: Any, want: tuple[str, float]) -> None:
    assert activation_of(value) == want


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ("gelu", "activation must be None, one of relu, leaky_relu, silu, tanh, sigmoid, .* got 'gelu'"),
        (3, "got 3"),
        (["relu"], r"got \['relu'\]"),
        (("leaky_relu",), "activation must be"),
        (("leaky_relu", 0.1, 2), "activation must be"),
        (("relu", 0.1), "only leaky_relu has a slope"),
        (("leaky_relu", "x"), "slope of leaky_relu must be a number"),
        (("leaky_relu", True), "slope of leaky_relu must be a number"),
        (np.tanh, "activation must be"),
    ],
)
def test_unknown_ones_raise(value: Any, match: str) -> None:
    with pytest.raises(upweave.SpecError, match=match):
        activation_of(value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_they_are_pytorch_s(name: str, dtype: str) -> None:
    """On numbers from tiny to overflowing, on NaN and on infinities."""
    torch = pytest.importorskip("torch")
    from upweave.ops.torch.aten import activate as activate_tensor

    rng = np.random.default_rng(0)
    special = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-30, -1e-30, 80.0, -80.0, 1000.0, -1000.0, 3e38, -3e38]
    y = np.concatenate([rng.standard_normal(200) * 4, special]).astype(dtype)
    want = activate_tensor(torch.from_numpy(y.astype(np.float64)), name, 0.125).numpy()
    ours = y.copy()
    activate(ours, name, 0.125)
    for one, exact in zip(ours, want, strict=True):
        assert_close(one.reshape(1), exact.reshape(1), scale=1e-30)
