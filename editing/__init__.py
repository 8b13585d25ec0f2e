"""Directions in latent space: fit, make independent, apply, measure."""
