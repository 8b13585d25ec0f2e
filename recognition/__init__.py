"""Classifiers of genetic conditions, trained on real faces and on sets of the service, and what is measured of them."""
