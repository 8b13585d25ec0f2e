"""Classifiers fed by the service, and the experiments with them. Nothing is here yet."""
