"""Spec (+ weights) to phase bank and back; what cannot be represented says so, with the reason."""

from .backward import shuffle_crop, to_conv_pixel_shuffle, to_conv_transpose
from .forward import boundary, impulse_response, phase_bank, taps
from .impulse import Impulse

__all__ = [
    "Impulse",
    "boundary",
    "impulse_response",
    "phase_bank",
    "shuffle_crop",
    "taps",
    "to_conv_pixel_shuffle",
    "to_conv_transpose",
]
