"""Generators of the service: which are served, which are in memory, and the worker thread that owns them."""
