"""Passes of a classifier over the images that saliency methods explain."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from core.errors import ConfigError
from recognition.explanation.saliency.backward_rules import RuleMode
from recognition.networks.architectures import Network
from recognition.networks.local_blocks import merge_normalizations

_PIXELS = 8 * 224**2
"""Pixels of one batch, which bound the memory of a pass: eight images of 224 px."""


class ExplainedNetwork:
    """Classifier in evaluation mode as a function of the images that are explained.

    A classifier of this project is explained from its normalised images on, in RGB: a value of 0 is the mean colour.
    Any other module is explained from its input on.

    Args:
        network: maps images (n, 3, h, w) to logits (n, classes).

    Raises:
        ConfigError: the network is in training mode.
    """

    def __init__(self, network: nn.Module) -> None:
        if network.training:
            raise ConfigError("the network is in training mode; expected evaluation mode: call network.eval() first")
        self.network = network
        self.classify: Callable[[Tensor], Tensor] = network.classify if isinstance(network, Network) else network

    def prepare(self, images: Tensor) -> Tensor:
        """Prepare images (n, 3, h, w) in [-1, 1] as they are explained."""
        return self.network.normalize(images) if isinstance(self.network, Network) else images

    def merge_normalizations(self) -> ExplainedNetwork:
        """Return the same function with fewer operations, for many passes; a network of others is left as it is."""
        return ExplainedNetwork(merge_normalizations(self.network)) if isinstance(self.network, Network) else self

    def differentiate(self, x: Tensor, targets: Tensor, mode: RuleMode) -> Tensor:
        """Compute the gradient of the targets' logits, as a mode's rules change it, with respect to images."""
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            with mode:
                logits = self.classify(x)
            (gradient,) = torch.autograd.grad(select_logits(logits, targets).sum(), x)
        return gradient

    def differentiate_layer(self, x: Tensor, targets: Tensor, mode: RuleMode) -> tuple[Tensor, Tensor]:
        """Compute the output of the network's `saliency_layer` and the gradient with respect to it.

        Args:
            x: images; there may be more than targets, as baselines, which follow the images.
            targets: (n,) classes.
            mode: changes the gradient.

        Returns:
            output and gradient, each (images, channels, h, w).
        """
        layers: list[Tensor] = []

        def cut_graph(module: nn.Module, given: object, output: Tensor) -> Tensor:
            layers.append(output.detach().requires_grad_())
            return layers[0]

        layer: nn.Module = self.network.saliency_layer  # type: ignore[assignment]
        hook = layer.register_forward_hook(cut_graph)
        try:
            with torch.enable_grad(), mode:
                logits = self.classify(x)
        finally:
            hook.remove()
        (gradient,) = torch.autograd.grad(select_logits(logits, targets).sum(), layers[0])
        return layers[0].detach(), gradient


def select_logits(logits: Tensor, targets: Tensor) -> Tensor:
    """Select the logit of each image's target, for as many images as there are targets.

    Raises:
        ConfigError: a target is none of the classes.
    """
    if int(targets.min()) < 0 or int(targets.max()) >= logits.shape[1]:
        raise ConfigError(f"targets are {targets.tolist()}; expected classes from 0 to {logits.shape[1] - 1}")
    return logits[: len(targets)].gather(1, targets[:, None])[:, 0]


def find_batch_size(images: Tensor) -> int:
    """Find the number of images of this size that are computed at a time."""
    return max(1, _PIXELS // (images.shape[2] * images.shape[3]))
