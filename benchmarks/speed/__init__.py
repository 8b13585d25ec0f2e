"""Benchmarks of networks and of single operations."""
