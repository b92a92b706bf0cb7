"""Rewrites of PyTorch modules: resizes deferred until a convolution consumes them, and what else makes them faster."""
