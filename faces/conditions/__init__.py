"""Genetic conditions and facial features as data: a catalogue of conditions with OMIM and ORPHA identifiers, genes and
facial HPO terms, and a table of all terms of the Human Phenotype Ontology.

`experiments/condition_catalogue.py` builds both files. A laboratory adds its own conditions in a TOML file.
"""
