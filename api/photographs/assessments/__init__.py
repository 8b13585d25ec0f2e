"""Assessments of photographs by models of syndromes, and the cohort of photographs that they are compared with.

Both say something of a person's health. They are stored under the key of the photograph, audited, and erased with it.
"""
