"""Descriptions of sets of faces in formats of the field.

The formats are Croissant metadata, a data-set card of Hugging Face, a table of GestaltMatcher, and phenopackets. They
describe data sets and image sets alike, from their records. The same set always gives the same text.
"""
