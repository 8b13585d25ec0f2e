"""Images that classifiers learn from: samples, image sets pulled from a service, folds, and the check for leakage.

Reading and writing of data sets is in `faces.datasets`; batches and augmentation are in `recognition.training`.
"""
