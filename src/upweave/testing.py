"""Checks that raise: the dot test of an adjoint, the matrix of any function, comparison of operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .bank import Array


def dot_test(
    operator: Any,
    adjoint: Any = None,
    *,
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None,
    tolerance: float = 1e-9,
    trials: int = 3,
    seed: int = 0,
) -> float:
    """Check ⟨A x, y⟩ = ⟨x, Aᴴ y⟩ on random vectors and return the greatest relative difference found.

    Args:
        operator: a matrix, a scipy.sparse array, a `LinearOperator`, or a function with `shapes`.
        adjoint: the same for Aᴴ; by default the operator's own (`rmatvec`, or the conjugate transpose).
        shapes: (input shape, output shape) where operator and adjoint are functions of arrays.
        tolerance: the difference allowed, relative to ‖A x‖·‖y‖ + ‖x‖·‖Aᴴ y‖.
        trials: how many pairs of vectors.
        seed: of the random vectors.

    Raises `AssertionError` with both products. Source: Claerbout's dot-product test.
    """
    forward, backward = _function(operator), _adjoint(operator) if adjoint is None else _function(adjoint)
    if shapes is None:
        rows, columns = operator.shape
        shapes = (columns,), (rows,)
        other = getattr(adjoint, "shape", (columns, rows))
        if tuple(other) != (columns, rows):
            raise AssertionError(f"dot test: A is {rows}×{columns}, so its adjoint cannot be {other[0]}×{other[1]}")
    rng = np.random.default_rng(seed)
    worst = 0.0
    for trial in range(trials):
        x, y = rng.standard_normal(shapes[0]), rng.standard_normal(shapes[1])
        ax, aty = np.asarray(forward(x)), np.asarray(backward(y))
        if ax.shape != y.shape or aty.shape != x.shape:
            raise AssertionError(f"dot test: A maps {x.shape} to {ax.shape}, its adjoint {y.shape} to {aty.shape}")
        left, right = complex(np.vdot(y, ax)), complex(np.vdot(aty, x))
        scale = float(np.linalg.norm(ax) * np.linalg.norm(y) + np.linalg.norm(x) * np.linalg.norm(aty))
        error = abs(left - right) / scale if scale else 0.0
        if not error <= tolerance:
            raise AssertionError(
                f"dot test, trial {trial}: ⟨Ax, y⟩ = {left:.12g}, ⟨x, Aᴴy⟩ = {right:.12g}, "
                f"relative difference {error:.3g} > {tolerance:g}"
            )
        worst = max(worst, error)
    return worst


def unit_matrix(function: Callable[[Array], Any], shape: tuple[int, ...], dtype: Any = np.float64) -> Array:
    """The matrix of a linear function of arrays, found by pushing every unit vector of `shape` through it."""
    columns: list[Array] = []
    for i in np.ndindex(*shape):
        unit = np.zeros(shape, dtype=dtype)
        unit[i] = 1
        columns.append(np.asarray(function(unit)).reshape(-1))
    return np.stack(columns, axis=1)


def assert_close(actual: Any, expected: Any, *, tolerance: float = 1e-9, what: str = "values") -> None:
    """Raise `AssertionError` unless two arrays (dense or sparse) agree in shape and in every entry.

    `tolerance` is relative to the greatest expected entry, or to 1 if that is smaller. Non-finite
    entries must be equal. The message names the worst entry and both numbers.
    """
    a, b = _dense(actual), _dense(expected)
    if a.shape != b.shape:
        raise AssertionError(f"{what}: shapes differ, {a.shape} against {b.shape}")
    if not a.size:
        return
    finite = np.isfinite(b)
    scale = max(1.0, float(np.abs(b[finite]).max(initial=0.0)))
    with np.errstate(invalid="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        apart = np.where(finite & np.isfinite(a), np.abs(a - b), np.where(same, 0, np.inf))
    worst = np.unravel_index(int(np.argmax(apart)), a.shape)
    if not apart[worst] <= tolerance * scale:
        raise AssertionError(
            f"{what}: {int((apart > tolerance * scale).sum())} of {a.size} entries differ; at "
            f"{tuple(int(i) for i in worst)} {a[worst]!r} against {b[worst]!r}"
        )


def _dense(value: Any) -> npt.NDArray[Any]:
    return np.asarray(value.toarray() if hasattr(value, "toarray") else value)


def _function(operator: Any) -> Callable[[Array], Any]:
    if hasattr(operator, "matvec"):
        operator = operator.matvec
    matrix = hasattr(operator, "shape")
    return lambda x: operator @ x if matrix else operator(x)


def _adjoint(operator: Any) -> Callable[[Array], Any]:
    if hasattr(operator, "rmatvec"):
        return lambda y: operator.rmatvec(y)
    if not hasattr(operator, "shape"):
        raise TypeError("dot_test: a function needs its adjoint beside it")
    transposed = operator.conj().T
    return lambda y: transposed @ y
