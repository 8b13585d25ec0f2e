"""Benchmarks of the service under load."""
