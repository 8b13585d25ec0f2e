"""Differentiable operations under the layers: activations and low-pass filters."""
