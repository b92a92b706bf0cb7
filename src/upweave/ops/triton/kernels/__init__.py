"""The kernels, one a file, and what they share in `common`.

They are written in Triton's language: Python's syntax, another meaning. Importing one imports Triton, which decides at
that moment, by `TRITON_INTERPRET`, whether it will be compiled for a GPU or run step by step on the CPU.
"""
