"""How fast multigrid solves Poisson's equation with a transposed convolution as its prolongation.

The solver is `upweave.labs.applied.multigrid`, which a lab shows too; this prints its factor, and the textbook's.
"""

from __future__ import annotations

import argparse

from upweave.labs.applied.multigrid import OMEGA, reductions, two_grid_factor


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
