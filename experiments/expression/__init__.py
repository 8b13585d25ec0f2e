"""Does a classifier go by the expression, and do edited faces tell and cure it? On phantoms; `python -m` runs it."""
