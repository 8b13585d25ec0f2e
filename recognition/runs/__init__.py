"""Runs of classifiers in a folder, and the image sets that they ask a service for."""
