"""Photographs: intake, decoding, storage, jobs, erasure, and the audit record of every access."""
