"""Generators for the README and the site; nothing of this is installed."""
