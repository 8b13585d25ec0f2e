"""Explanations of classifiers, for faces of photographs and of image sets: their store, and the job that makes them.

A map of a photograph shows the person, and so it is stored, audited and erased as the photograph is.
"""
