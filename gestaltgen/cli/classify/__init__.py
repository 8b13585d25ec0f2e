"""Commands that train classifiers, compare them, and report what image sets add to them."""
