"""Comparison of all models on a data set: each syndrome against redrawn matched controls, and against the others.

`predictions` computes and keeps what the models say of people whom they have not seen, `comparison` plans the work and
sums it up, `important_distances` finds what the distance model goes by, and `tables`, `figures` and `page` report it.
"""
