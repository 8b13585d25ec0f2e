"""Saliency maps of classifiers by fifteen methods (Sümer et al. 2023), and averages of activations by layer.

`methods` is the interface. The other modules hold the backward rules of the methods, which replace operations of a
network's forward pass, so that they hold for any network of convolutions, whether or not its operations are modules.
"""
