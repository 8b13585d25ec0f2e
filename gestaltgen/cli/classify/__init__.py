"""Commands that train classifiers and report what image sets add."""
