"""The REST service: application, resources, settings, schemas and problems.

Routes, access, jobs, models, image sets, photographs, encryption, provenance and operations are sub-packages.
"""
