"""Report of a study: one page with tables, plots and methods paragraphs, and all its numbers as JSON.

It is made of the results of `gestaltgen study analyse` and `gestaltgen study gaze`, which hold groups and no single
participant, and computes nothing anew.
"""
