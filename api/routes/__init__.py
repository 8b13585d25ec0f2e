"""The REST interface, one file for each thing that can be asked about."""
