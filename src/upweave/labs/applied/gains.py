"""The remedy that several labs show: all phases of a weight brought to one gain."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec import Ints


def equal_gains(weight: Any, stride: Ints) -> npt.NDArray[np.float64]:
    """The nearest weight whose phases all have the same DC gain, for each pair of channels: `nn.EqualPhaseGain`."""
    import torch

    from ...nn import EqualPhaseGain

    with torch.no_grad():
        return np.asarray(EqualPhaseGain(stride)(torch.tensor(np.asarray(weight, dtype=np.float64))).numpy())
