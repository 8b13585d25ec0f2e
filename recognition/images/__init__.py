"""Images that classifiers learn from: samples, image sets pulled from a service, folds, and the check for leakage."""
