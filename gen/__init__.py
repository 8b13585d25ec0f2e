"""Conditional StyleGAN2-ADA: networks, labels, sampling, image sets and checkpoints.

Training, evaluation, augmentation and the reading of published checkpoints are in sub-packages.
Nothing here uses photographs.
"""
