"""Benchmarks: measurements of speed and load, side by side in one run, printed as tables. They are not tests.

`speed` times networks and single operations, `load` the service as a whole; both use `harness`. Experiments that answer
questions of the studies are in `experiments`.
"""
