"""Harness of the benchmarks: timing, memory, arithmetic limits, entries, targets, tables and plots.

Nothing here knows what is measured; that is in `benchmarks.speed` and `benchmarks.load`.
"""
