"""Routes of the studio: one file for each part of it."""
