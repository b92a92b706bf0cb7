"""The exceptions that Upweave raises for bad input; each message names the numbers and the way out."""

from __future__ import annotations


class UpweaveError(Exception):
    """Base of every error that Upweave raises on purpose; the command prints it as one line and exits 2."""


class SpecError(UpweaveError, ValueError):
    """A hyper-parameter is out of range, or a size, weight or bias does not fit its spec."""


class NotRepresentable(UpweaveError):
    """The layer has no phase bank, or the bank has no layer of the wanted form; the message is the reason."""


class ModelError(UpweaveError):
    """A model cannot be read: the file is broken, the factory raised, the input shape does not fit."""


class ConfigError(UpweaveError):
    """`[tool.upweave]` or a command-line option names something that does not exist."""


class BackendError(UpweaveError, RuntimeError):
    """A backend that was asked for by name cannot run here; the message is the reason."""
