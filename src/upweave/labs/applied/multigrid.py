"""Multigrid for Poisson's equation, with a transposed convolution as the prolongation.

−Δu = f on the unit square, u = 0 on its border, five-point differences on (2^l − 1)² interior points. Prolongation
from one grid to the next finer is `upweave.conv_transpose` with k = 3, s = 2, p = 0 and one line of three weights on
each axis; (½, 1, ½) is bilinear interpolation. Coarse point i lands on fine point 2i + 1, and what would lie beyond the
border is the 0 that is known there. Restriction is its adjoint, `upweave.adjoint` of the same spec, over 4: full
weighting.

Smoothing is damped Jacobi with ω = 4/5, whose worst factor over the high frequencies is 3/5; with ν sweeps a V-cycle
reduces the residual by the two-grid factor, (3/5)^ν for ν ≤ 3 (local Fourier analysis, which `two_grid_factor` does).

Sources: U. Trottenberg, C. Oosterlee, A. Schüller, "Multigrid", Academic Press 2001, sections 2.1 (ω-Jacobi), 2.7.1
(orders of the transfers) and 4.5 (two-grid analysis); W. Briggs, V. E. Henson, S. McCormick, "A Multigrid Tutorial",
SIAM 2000, chapter 3 (V-cycles).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

import upweave
from upweave.theory.spectrum import frequency_response

from ..text import Text

Array = npt.NDArray[np.float64]
Line: TypeAlias = tuple[float, float, float]

PROLONGATION = upweave.ConvTranspose(kernel=3, stride=2)
LINEAR: Line = (0.5, 1.0, 0.5)
OMEGA = 4 / 5

LINES: Mapping[str, tuple[Text, Line]] = {
    "linear": (Text("½, 1, ½: bilinear", "½, 1, ½：双线性"), LINEAR),
    "repeat": (Text("1, 1, 0: each value twice", "1, 1, 0：每个值重复一次"), (1.0, 1.0, 0.0)),
    "five": (Text("0.475, 1.05, 0.475: gains 5 % off", "0.475, 1.05, 0.475：增益偏差 5 %"), (0.475, 1.05, 0.475)),
    "ten": (Text("0.45, 1.1, 0.45: gains 10 % off", "0.45, 1.1, 0.45：增益偏差 10 %"), (0.45, 1.1, 0.45)),
    "inject": (Text("0, 1, 0: every other point", "0, 1, 0：只送到隔一个点上"), (0.0, 1.0, 0.0)),
}
"""Lines to try, by name."""


def kernel(line: Line = LINEAR) -> Array:
    """The weight of both axes, (3, 3)."""
    return np.outer(np.asarray(line, dtype=np.float64), line)


def prolong(coarse: Array, line: Line = LINEAR) -> Array:
    """From n points an axis to 2n + 1; bilinear interpolation for the standard line."""
    return np.asarray(upweave.conv_transpose(coarse[None, None], kernel(line)[None, None], stride=2)[0, 0])


def restrict(fine: Array, line: Line = LINEAR) -> Array:
    """From 2n + 1 points an axis to n: the adjoint of `prolong`, over 4; full weighting for the standard line."""
    n = fine.shape[0]
    return np.asarray(_restriction(n, line) @ fine.ravel()).reshape(n // 2, n // 2) / 4


@lru_cache
def _restriction(n: int, line: Line) -> Any:
    return upweave.matrix(upweave.adjoint(PROLONGATION), (n, n), kernel(line))


def laplacian(u: Array) -> Array:
    """−Δ by five points, with zeros beyond the border."""
    h = 1 / (u.shape[0] + 1)
    p = np.pad(u, 1)
    return np.asarray((4 * u - p[:-2, 1:-1] - p[2:, 1:-1] - p[1:-1, :-2] - p[1:-1, 2:]) / h**2)


def smooth(u: Array, f: Array, sweeps: int) -> Array:
    """Damped Jacobi."""
    h = 1 / (u.shape[0] + 1)
    for _ in range(sweeps):
        u = u + OMEGA * h**2 / 4 * (f - laplacian(u))
    return u


def v_cycle(u: Array, f: Array, before: int = 1, after: int = 1, line: Line = LINEAR) -> Array:
    """One V-cycle, down to the single point whose equation is solved at once."""
    if u.shape[0] == 1:
        return np.asarray(f / 16)  # 4/h² with h = 1/2
    u = smooth(u, f, before)
    coarse = restrict(f - laplacian(u), line)
    u = u + prolong(v_cycle(np.zeros_like(coarse), coarse, before, after, line), line)
    return smooth(u, f, after)


def reductions(
    levels: int, before: int = 1, after: int = 1, cycles: int = 30, seed: int = 0, line: Line = LINEAR
) -> Array:
    """‖r_{c+1}‖/‖r_c‖ of each V-cycle for f = 0 and a random start, where rounding never gets in the way."""
    n = 2**levels - 1
    f = np.zeros((n, n))
    u = np.random.default_rng(seed).standard_normal((n, n))
    out = []
    for _ in range(cycles):
        u = u / np.linalg.norm(laplacian(u))
        u = v_cycle(u, f, before, after, line)
        out.append(float(np.linalg.norm(laplacian(u))))
    return np.array(out)


def two_grid_factor(before: int = 1, after: int = 1, samples: int = 64, line: Line = LINEAR) -> float:
    """The textbook factor: the greatest spectral radius over frequencies of smoothing and coarse-grid correction.

    On the four frequencies θ + π·(0|1, 0|1) that one coarse frequency stands for, with the symbols of the operator A,
    the smoother S, the interpolation P (whose conjugate is that of the restriction), and the coarse operator A_H at 2θ,
    in units of h: M = S^after (I − P A_H⁻¹ P* A) S^before. P is the line's frequency response over 2, on each axis.
    """
    theta = (np.arange(samples) + 0.5) * np.pi / samples - np.pi / 2
    t, u = (a.ravel() for a in np.meshgrid(theta, theta, indexing="ij"))
    low = np.stack([(t + i * np.pi, u + j * np.pi) for i in (0, 1) for j in (0, 1)])  # (4, axes, frequencies)
    a = 4 - 2 * np.cos(low).sum(axis=1)
    coarse = (4 - 2 * np.cos(2 * t) - 2 * np.cos(2 * u)) / 4
    waves = np.exp(-1j * np.multiply.outer(low, np.arange(3) - 1))
    p = (waves @ np.asarray(line) / 2).prod(axis=1)
    s = 1 - OMEGA * a / 4
    correction = np.eye(4) - np.einsum("af,bf->fab", p, p.conj() * a) / coarse[:, None, None]
    m = (s.T**after)[:, :, None] * correction * (s.T**before)[:, None, :]
    return float(np.abs(np.linalg.eigvals(m)).max())


def order(line: Line) -> int:
    """How often the line's frequency response is zero at π, up to 3: each derivative there is a moment's response.

    Order 1: both phases have one gain, constants come up as constants; order 2: ramps as ramps.
    """
    at = np.arange(3.0)
    for m in range(3):
        moment = (np.asarray(line) * at**m).reshape(1, 1, 3)
        if abs(frequency_response(PROLONGATION, moment, n=2)[0, 0, 1]) > 1e-12:
            return m
    return 3


def charges(n: int) -> Array:
    """A positive and a negative charge, spread over a few points, on n² points."""
    at = np.arange(1, n + 1) / (n + 1)
    spots = ((0.3, 0.35, 1.0), (0.65, 0.7, -1.0))
    return np.asarray(sum(q * np.exp(-((at[:, None] - y) ** 2 + (at[None, :] - x) ** 2) / 0.003) for y, x, q in spots))


def solve(f: Array, cycles: int, before: int = 1, after: int = 1, line: Line = LINEAR) -> list[Array]:
    """The field after each of so many V-cycles, from nothing."""
    u, out = np.zeros_like(f), []
    for _ in range(cycles):
        u = v_cycle(u, f, before, after, line)
        out.append(u)
    return out
