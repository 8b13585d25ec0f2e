"""Generators of the service: checkpoint files, the pool of generators in memory, the worker thread that owns them.

Networks themselves are in `gen`, `inversion` and `editing`. Nothing here knows image sets as they are stored, or
photographs.
"""
