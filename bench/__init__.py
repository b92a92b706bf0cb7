"""How fast: every contender in one process, in turns, on the layers of `layers.json`.

`python -m bench --help` lists what can be measured; `docs/performance.md` is written from the results. `bench.remedies`
asks something else: whether the remedies against artifacts work.
"""
