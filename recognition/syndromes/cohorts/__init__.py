"""Cohorts of patients and controls: matching, validation, scores, permutation tests, and whether a group is a group.

The modules know numbers and tables only: no images and no networks.
"""
