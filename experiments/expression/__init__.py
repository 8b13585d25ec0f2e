"""Experiment: do classifiers use the expression, and do edited faces show it? Run `python -m experiments.expression`.

It follows Patel et al. 2024 on phantoms. Edits are made by a service; the steps of one training are in `recognition`.
"""
