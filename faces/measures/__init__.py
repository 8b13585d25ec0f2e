"""Measures of face images: descriptors, features, distances between sets, identities, statistics of readings.

Experiments that use them on a generator are in `gen.evaluation`.
"""
