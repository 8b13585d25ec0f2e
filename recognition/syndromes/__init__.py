"""Syndrome or not: models that compare the faces of a syndrome's patients with those of matched controls.

`cohorts` matches people and computes the statistics, `features` turns photographs into numbers, `models` holds the
estimators, `comparison` measures all of them on a data set, and `assessment` applies trained ones to one photograph.
Everything here is for research; nothing is a diagnosis.
"""
