"""Level, coverage and power of the comparison of two variants, over simulated studies of Patel's design.

`python -m experiments.study_level` simulates, compares and summarises; the same command goes on where it was stopped.
"""
