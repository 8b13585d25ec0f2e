"""Provenance of pictures: claims, marks in files, the registry, C2PA content credentials."""
