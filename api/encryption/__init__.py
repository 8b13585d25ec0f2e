"""Encryption at rest: the server's keys, a key for each photograph and survey pack, sealed files, sealed uploads.

Nothing here knows what a photograph is or who may see it (`api.photographs`, `api.access`). Signatures on pictures are
in `api.provenance`.
"""
