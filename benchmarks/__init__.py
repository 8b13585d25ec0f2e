"""Measurements: each module times one thing, side by side in one run, and prints a table. Never part of the tests."""
