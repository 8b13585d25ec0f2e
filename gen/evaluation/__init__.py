"""Evaluation of a generator: experiments on images made for it, real images to compare with, report and page."""
