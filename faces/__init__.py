"""Face images and their description: pixels, labels, landmarks, alignment, detection and expression.

Data sets, phantoms, the networks that read phantoms, and measures are in sub-packages.
No network that makes faces is here.
"""
