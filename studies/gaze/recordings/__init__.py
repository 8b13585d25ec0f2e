"""Readers of files of eye trackers: gaze and metrics of Tobii Pro Lab, and any table by a map of its columns.

They return samples or fixations in the pixels of the pictures, in milliseconds. A unit that a file does not state is
asked for and never guessed.
"""
