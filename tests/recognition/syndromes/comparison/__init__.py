"""Tests of the comparison of models of syndromes."""
