"""These tests run kernels: on a GPU where there is one, else in Triton's interpreter.

The interpreter must be asked for before anything imports Triton, so it gets a process of its own, which
`tests/triton/test_interpreter.py` starts; here nothing is collected without GPU or `TRITON_INTERPRET=1`.
"""

from __future__ import annotations

from upweave.ops.triton import available

collect_ignore_glob = ["test_*.py"] if available.why_not() else []
