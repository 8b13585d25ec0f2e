"""Photograph to latent and offsets of the kernels: encoder, hypernetwork, optimisation."""
