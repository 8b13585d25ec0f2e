"""Experiment on phantoms: how many synthetic images help a classifier, and of which kind?"""
