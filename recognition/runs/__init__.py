"""A run of classifiers in a folder: its files, the image sets that it asks a service for, and its steps.

One training within a run is in `recognition.training`; parsing of options is in `gestaltgen.cli.classify`.
"""
