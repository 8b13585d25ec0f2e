"""Checkpoints of other programs, read as data."""
