"""Multigrid for Poisson's equation, with a transposed convolution as the prolongation.

−Δu = f on the unit square, u = 0 on its border, five-point differences on (2^l − 1)² interior points. Prolongation
from one grid to the next finer is bilinear interpolation: `upweave.conv_transpose` with k = 3, s = 2, p = 0 and the
kernel (½, 1, ½) on each axis; coarse point i lands on fine point 2i + 1, and what would lie beyond the border is the 0
that is known there. Restriction is its adjoint, `upweave.adjoint` of the same spec, over 4: full weighting.

Smoothing is damped Jacobi with ω = 4/5, whose worst factor over the high frequencies is 3/5; with ν sweeps a V-cycle
reduces the residual by the two-grid factor, (3/5)^ν for ν ≤ 3 (local Fourier analysis, which `two_grid_factor` does).

Sources: U. Trottenberg, C. Oosterlee, A. Schüller, "Multigrid", Academic Press 2001, sections 2.1 (ω-Jacobi) and 4.5
(two-grid analysis); W. Briggs, V. E. Henson, S. McCormick, "A Multigrid Tutorial", SIAM 2000, chapter 3 (V-cycles).
"""

from __future__ import annotations

import argparse
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

import upweave

Array = npt.NDArray[np.float64]

PROLONGATION = upweave.ConvTranspose(kernel=3, stride=2)
KERNEL = np.outer((0.5, 1, 0.5), (0.5, 1, 0.5))
OMEGA = 4 / 5


def prolong(coarse: Array) -> Array:
    """Bilinear interpolation from n points an axis to 2n + 1."""
    return np.asarray(upweave.conv_transpose(coarse[None, None], KERNEL[None, None], stride=2)[0, 0])


def restrict(fine: Array) -> Array:
    """Full weighting, from 2n + 1 points an axis to n: the adjoint of `prolong`, over 4."""
    n = fine.shape[0]
    return np.asarray(_restriction(n) @ fine.ravel()).reshape(n // 2, n // 2) / 4


@lru_cache
def _restriction(n: int) -> Any:
    return upweave.matrix(upweave.adjoint(PROLONGATION), (n, n), KERNEL)


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


def v_cycle(u: Array, f: Array, before: int = 1, after: int = 1) -> Array:
    """One V-cycle, down to the single point whose equation is solved at once."""
    if u.shape[0] == 1:
        return np.asarray(f / 16)  # 4/h² with h = 1/2
    u = smooth(u, f, before)
    coarse = restrict(f - laplacian(u))
    u = u + prolong(v_cycle(np.zeros_like(coarse), coarse, before, after))
    return smooth(u, f, after)


def reductions(levels: int, before: int = 1, after: int = 1, cycles: int = 30, seed: int = 0) -> Array:
    """‖r_{c+1}‖/‖r_c‖ of each V-cycle for f = 0 and a random start, where rounding never gets in the way."""
    n = 2**levels - 1
    f = np.zeros((n, n))
    u = np.random.default_rng(seed).standard_normal((n, n))
    out = []
    for _ in range(cycles):
        u = u / np.linalg.norm(laplacian(u))
        u = v_cycle(u, f, before, after)
        out.append(float(np.linalg.norm(laplacian(u))))
    return np.array(out)


def two_grid_factor(before: int = 1, after: int = 1, samples: int = 64) -> float:
    """The textbook factor: the greatest spectral radius over frequencies of smoothing and coarse-grid correction.

    On the four frequencies θ + π·(0|1, 0|1) that one coarse frequency stands for, with the symbols of the operator A,
    the smoother S, the interpolation P (also that of the restriction), and the coarse operator A_H at 2θ, in units of
    h: M = S^after (I − P A_H⁻¹ P A) S^before.
    """
    theta = (np.arange(samples) + 0.5) * np.pi / samples - np.pi / 2
    worst = 0.0
    for t in theta:
        for u in theta:
            low = np.array([(t, u), (t + np.pi, u), (t, u + np.pi), (t + np.pi, u + np.pi)])
            a = (4 - 2 * np.cos(low).sum(axis=1)).real
            coarse = (4 - 2 * np.cos(2 * t) - 2 * np.cos(2 * u)) / 4
            p = ((1 + np.cos(low)) / 2).prod(axis=1)
            s = 1 - OMEGA * a / 4
            correction = np.eye(4) - np.outer(p, p * a) / coarse
            m = np.diag(s**after) @ correction @ np.diag(s**before)
            worst = max(worst, float(np.abs(np.linalg.eigvals(m)).max()))
    return worst


def main() -> None:
    """Print the measured and the textbook factor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--levels", type=int, default=7, help="the finest grid has 2^levels − 1 points an axis")
    levels = parser.parse_args().levels
    print(f"{2**levels - 1}² points, ω-Jacobi, ω = {OMEGA:g}")
    for before, after in ((1, 0), (1, 1), (2, 1)):
        measured = reductions(levels, before, after)[-5:].mean()
        print(f"V({before},{after})  measured {measured:.3f}  textbook {two_grid_factor(before, after):.3f}")


if __name__ == "__main__":
    main()
