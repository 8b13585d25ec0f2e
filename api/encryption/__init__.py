"""Encryption at rest: server keys, a key for each photograph, sealed files."""
