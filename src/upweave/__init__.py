"""Upweave: transposed convolution and learnable upsampling, explained, audited and run."""

__version__ = "0.1.0"
