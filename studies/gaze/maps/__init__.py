"""Heat maps of gaze, tests of their differences, and their similarity to saliency maps of classifiers.

`published_maps` repeats the processing of a published study; the other modules are the recommended analysis.
"""
