"""Inversion: from a photograph to a latent and to offsets of the generator's kernels, with a verdict on its quality.

Edits of what was inverted are in `editing`.
"""
