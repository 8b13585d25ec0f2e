"""Occlusion: how far the logit falls when a part of the image is covered (Zeiler and Fergus 2014)."""

from __future__ import annotations

import torch
from torch import Tensor

from core.errors import ConfigError
from recognition.explanation.saliency.explained_network import ExplainedNetwork, find_batch_size, select_logits


def occlude(explained: ExplainedNetwork, x: Tensor, targets: Tensor, window: int = 15, stride: int = 8) -> Tensor:
    """Compute the mean fall of the targets' logits over the windows that cover a pixel.

    Args:
        explained: classifier.
        x: (n, 3, h, w) images as they are explained; a covered pixel becomes 0.
        targets: (n,) classes.
        window, stride: side of the windows and their distance, in pixels. The last ones are cut off at the border.

    Returns:
        (n, 3, h, w), signed, the same in each channel.

    Raises:
        ConfigError: the image is smaller than a window.
    """
    from captum.attr import Occlusion  # it takes a second to import

    if min(x.shape[2:]) < window:
        raise ConfigError(f"images are {x.shape[3]} x {x.shape[2]} pixels; expected {window} or more for occlusion")

    def compute_logits(covered: Tensor) -> Tensor:  # several windows, each of all images
        return select_logits(explained.classify(covered), targets.repeat(len(covered) // len(targets)))

    with torch.no_grad():
        maps: Tensor = Occlusion(compute_logits).attribute(
            x,
            sliding_window_shapes=(3, window, window),
            strides=(3, stride, stride),
            baselines=0,
            perturbations_per_eval=max(1, find_batch_size(x) // len(x)),
        )
    return maps.to(x)  # Captum computes the mean in single precision
