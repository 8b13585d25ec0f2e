"""Transforms of images in front of the discriminator: geometry, colour, filters, corruption, and ADA.

The pipe that combines them is `gen.augment`.
"""
