"""Provenance of pictures: claims, marks in files, the registry of pictures, C2PA content credentials, verification.

Stored files and records of photographs are elsewhere (`api.photographs`), as are the secrets (`api.encryption`).
"""
