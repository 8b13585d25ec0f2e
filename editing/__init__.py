"""Editing of faces along directions in latent space, and survey packs of edited photographs.

Directions are fitted, made independent of each other, stored in files and measured here. Editors move latents along
them and judge the result. Latents of photographs come from `inversion`. Nothing here knows the service or a terminal.
"""
