"""Benchmarks: speed beside the best that others offer, and load on the service.

Questions of the studies are answered in `experiments`.
"""
