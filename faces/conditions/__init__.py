"""Genetic conditions and facial features as data: a catalogue of conditions with OMIM and ORPHA identifiers, genes and
facial HPO terms, a table of all terms of the Human Phenotype Ontology, and the hierarchy of its abnormalities.

`experiments/condition_catalogue.py` builds the three files. A laboratory adds its own conditions in a TOML file.
"""
