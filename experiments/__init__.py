"""Experiments: questions of the two studies, answered on phantoms and portraits by commands that can be resumed.

Each experiment is a module or a folder here. Measurements of speed and load are in `benchmarks`.
"""
