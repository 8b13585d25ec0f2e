"""What every package shares: errors, tensor files, run folders, precision, and what was trained on which images.

Nothing of ours is imported here, and nothing here knows what a face is.
"""
