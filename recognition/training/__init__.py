"""Training of classifiers: batches, weights, optimizer, one training in a folder, and cross-validation.

Images are prepared in `recognition.images`; what a trained classifier reaches on a test set is in
`recognition.statistics` and `recognition.results`.
"""
