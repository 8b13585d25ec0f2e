"""Training: recipe, steps, and runs in a folder."""
