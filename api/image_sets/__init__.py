"""Image sets: their creation, rendering and storage, and the files derived from them.

The jobs that render them are queued in `api.jobs`; photographs are in `api.photographs`.
"""
