"""Training of classifiers: batches, weighting, optimiser, cross-validation, and the folder of a run."""
