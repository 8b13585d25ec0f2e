"""Timing, comparison and tables that every benchmark uses."""
