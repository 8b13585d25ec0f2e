"""Experiments: questions of the studies, answered on phantoms and portraits by commands that resume.

Speed is measured in `benchmarks`.
"""
