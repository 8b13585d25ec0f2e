"""Averages of a network's activations by layer: where the network looks, whatever the class."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from recognition.explanation.saliency.explained_network import ExplainedNetwork


def average_activations(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Average the channels of the last feature maps of each resolution.

    Args:
        network: classifier in evaluation mode.
        images: (n, 3, h, w) float, in [-1, 1] for a classifier of this project.

    Returns:
        name of the module that computed the maps -> (n, rows, columns), from the largest maps to the smallest.

    Raises:
        ConfigError: the network is in training mode.
    """
    explained = ExplainedNetwork(network)
    by_side: dict[int, tuple[str, Tensor]] = {}

    def watch(name: str) -> Any:
        def keep(module: nn.Module, given: object, output: object) -> None:
            if isinstance(output, Tensor) and output.dim() == 4 and output.shape[-1] > 1:
                by_side[output.shape[-1]] = (name, output.mean(dim=1))

        return keep

    hooks = [module.register_forward_hook(watch(name)) for name, module in network.named_modules() if name]
    try:
        with torch.no_grad():
            explained.classify(explained.prepare(images))
    finally:
        for hook in hooks:
            hook.remove()
    return dict(by_side[side] for side in sorted(by_side, reverse=True))
