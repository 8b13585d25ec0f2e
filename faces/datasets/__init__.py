"""Labelled data sets of faces: tables, folders and zips, and their preparation from photographs.

Drawn data sets are made in `faces.phantoms`; how a generator reads a data set for training is in `gen.training`.
"""
