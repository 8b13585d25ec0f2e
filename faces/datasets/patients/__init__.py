"""Readers of tables and files about patients.

The formats are phenopackets, metadata of GestaltMatcher, tables of PhenoScore, annotations of facial features as Sümer
et al. publish them, and plain tables in CSV, TSV and Excel.

`reading.read_patients` recognises the format. Each reader turns its file into rows with our names of columns;
`interpretation` turns these into records. A bad row is reported with its line and reason, and the rest goes on.
"""
