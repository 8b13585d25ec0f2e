"""Experiment: do synthetic faces help a classifier that has few real ones? Run `python -m experiments.augmentation`.

It follows Duong et al. 2022 on phantoms. The steps of one training are in `recognition`.
"""
