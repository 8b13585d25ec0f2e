"""Classifiers of genetic conditions, trained on real faces and on image sets of the service, and their measurement.

Networks, images, training, results and runs have a folder each; this folder holds what several of them use: settings,
presets, the classifier and its file, ensembles, predictions and statistics. Image sets come from a running service
through the client; nothing here imports the generator, the service or the command line.
"""
