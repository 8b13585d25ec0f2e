"""Results of trained classifiers: the report with its plots, and the probe for the influence of the expression.

The measures themselves are in `recognition.statistics`; tables for a terminal are in `gestaltgen.cli.classify`.
"""
