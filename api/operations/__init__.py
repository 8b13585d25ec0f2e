"""Operation of the service: database, locks, file stores, state folder, backup, metrics and logs.

These modules know no image set, photograph or owner; the packages above add their own tables, files and label values.
"""
