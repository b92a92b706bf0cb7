"""The comparison that every test of an operator makes: relative norms, and no NaN overlooked."""

from __future__ import annotations

from typing import Any

import numpy as np

LIMITS = {"float32": 1e-6, "float64": 1e-12}
"""How far, relative to the norm of the reference, a backend may be off in each dtype."""


def assert_close(got: Any, want: Any, *, limit: float | None = None, scale: float = 0.0) -> None:
    """Raise unless ‖got − want‖ < limit·max(‖want‖, scale), with NaN and infinities in the same places.

    `want` has the precision of the reference; `limit` is that of got's dtype if not said. `scale` is the norm that the
    output would have without cancellation, for outputs that came out small by chance.
    """
    got, want = np.asarray(got), np.asarray(want)
    limit = LIMITS[got.dtype.name] if limit is None else limit
    if got.shape != want.shape:
        raise AssertionError(f"got shape {got.shape}, want {want.shape}")
    for name, found in (("NaN", np.isnan), ("+inf", np.isposinf), ("-inf", np.isneginf)):
        if (found(got) != found(want)).any():
            raise AssertionError(f"{name} at {np.argwhere(found(got))[:5]}, expected at {np.argwhere(found(want))[:5]}")
    finite = np.isfinite(want)
    exact = want[finite].astype(np.float64)
    off = float(np.linalg.norm(got[finite].astype(np.float64) - exact))
    size = max(float(np.linalg.norm(exact)), scale)
    if not (off < limit * size or off == 0):
        raise AssertionError(f"off by {off:.3g}, {off / size if size else np.inf:.3g} of {size:.3g}; limit {limit:g}")
