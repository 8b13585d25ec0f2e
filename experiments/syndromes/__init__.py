"""Syndrome or not, on phantoms: a thesis's comparison repeated with known truth, and questions of a laboratory."""
