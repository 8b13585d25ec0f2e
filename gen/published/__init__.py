"""Checkpoints of other programs, read as data: no code in them is run.

Our own files are read by `gen.checkpoint`.
"""
