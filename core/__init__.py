"""Code that every package shares: errors, files that appear whole or not at all, run folders, precision, and progress.

No other package of this project is imported here, and nothing here is specific to faces.
"""
