"""Benchmarks of speed: networks, training steps and single operations, each beside the published way."""
