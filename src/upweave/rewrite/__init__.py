"""Exact rewrites and repairs of models, each compared with the original before anyone gets it."""
