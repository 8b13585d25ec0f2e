"""What every package shares: errors, files that appear whole or not at all, run folders, precision, and progress.

Nothing of ours is imported here, and nothing here knows what a face is.
"""
