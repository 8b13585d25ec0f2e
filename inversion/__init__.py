"""Photograph to latent and weight offsets: encoder, hypernetwork. Nothing is here yet."""
