"""Differentiable operations under the layers: activations and low-pass filters, in compiled loops.

The layers themselves are in `gen.layers`.
"""
