"""Editing of faces: directions in latent space, their fit and their measurement, edits, and survey packs.

How a photograph becomes a latent is in `inversion`; how a smile is measured is in `faces.expression`.
"""
