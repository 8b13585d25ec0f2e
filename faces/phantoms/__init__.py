"""Phantoms: faces that are drawn by a program from known attributes, and data sets of them.

Networks that read phantoms are in `faces.oracle`.
"""
