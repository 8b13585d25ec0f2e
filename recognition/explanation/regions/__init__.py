"""Regions of a face, and the share of a saliency map in each.

`masks` draws the regions from 68 landmarks or reads those of a user; `relevance` measures maps in them.
"""
