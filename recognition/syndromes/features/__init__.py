"""Representation of faces for the models of syndromes: one row of numbers for each face, in named blocks.

The blocks are a descriptor of a recognition network, 68 landmarks, points of a 3D head, the appearance around the
landmarks, distances between them, and HPO terms.
"""
