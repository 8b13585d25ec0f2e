"""Comparison of all models on a data set: each syndrome against redrawn matched controls, and against the others.

`settings` are the choices, `tasks` the questions to the models with answers that are kept, `comparison` plans the work
and sums it up, `tables`, `figures` and `page` report it, and `groups` asks whether patients are a group.
"""
