"""Fifteen saliency methods behind one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import ConfigError
from recognition.explanation.saliency.backward_rules import (
    OTHER_OPERATIONS,
    SMOOTH_ACTIVATIONS,
    RuleMode,
    describe_obstacle,
)
from recognition.explanation.saliency.explained_network import ExplainedNetwork, find_batch_size
from recognition.explanation.saliency.occlusion import occlude
from recognition.explanation.saliency.rectifier_rules import DeconvMode, DeepLiftMode, GuidedMode
from recognition.explanation.saliency.relevance_rules import (
    Additions,
    ExcitationMode,
    LrpMode,
    share_by_alpha2_beta1,
    share_by_epsilon,
    share_by_z_plus,
)

STEPS: Final = 20
"""Draws of SmoothGrad and steps of integrated gradients, as published."""

NOISE_LEVEL: Final = 0.1
"""Standard deviation of SmoothGrad's noise, as a share of the range of an image's values."""

LAYER_METHODS: Final = ("guided_gradcam", "layer_deeplift", "gradcam")
"""Methods that look at the network's `saliency_layer`."""

_RECTIFIER_METHODS: Final = ("guided_backprop", "deconvnet", "deeplift", "guided_gradcam", "layer_deeplift")
_RELEVANCE_METHODS: Final = {
    "lrp_epsilon_z_plus": (share_by_z_plus, False),
    "lrp_epsilon_z_plus_flat": (share_by_z_plus, True),
    "lrp_epsilon_alpha2_beta1": (share_by_alpha2_beta1, False),
    "lrp_epsilon_alpha2_beta1_flat": (share_by_alpha2_beta1, True),
}
"""Rule of convolutions, and whether the first layer distributes its relevance evenly."""

METHODS: Final = (
    "gradient",
    "smoothgrad",
    "integrated_gradients",
    "guided_backprop",
    "excitation_backprop",
    "deconvnet",
    *_RELEVANCE_METHODS,
    "deeplift",
    "guided_gradcam",
    "layer_deeplift",
    "gradcam",
    "occlusion",
)


def attribute(
    network: nn.Module,
    images: Tensor,
    targets: Tensor | Sequence[int],
    method: str,
    *,
    noise: Tensor | None = None,
    additions: Additions | None = None,
) -> Tensor:
    """Compute saliency maps: how much each pixel and channel counts for the logit of a class.

    Parameters are those of Sümer et al. 2023. Maps of a layer are enlarged bicubically, and each of the three channels
    carries a third of the map, so that their sum is the map. In occlusion each channel carries the whole map.

    Args:
        network: classifier in evaluation mode. Methods of a layer look at its attribute `saliency_layer`.
        images: (n, 3, h, w) float, in [-1, 1] for a classifier of this project.
        targets: (n,) classes.
        method: one of METHODS.
        noise: (draws, n, 3, h, w) standard normal noise of SmoothGrad; None draws 20 with a fixed seed, the last 0.
        additions: rule for sums of two paths in LRP and excitation backpropagation: "norm" distributes relevance in
            proportion to the summands, "copy" gives all of it to both, as the study ran it. None is "norm" in LRP and
            "copy" in excitation backpropagation. With "copy" excitation backpropagation leaves normalisations apart
            from convolutions.

    Returns:
        (n, 3, h, w), signed.

    Raises:
        ConfigError: an unknown method, one that is not defined for the network, a network in training mode, or
            targets or noise that do not fit the images.
    """
    if (obstacle := find_obstacle(network, method)) is not None:
        raise ConfigError(obstacle)
    explained = ExplainedNetwork(network)
    classes = _check_targets(images, targets)
    if noise is not None and noise.shape[1:] != images.shape:
        raise ConfigError(f"noise is {tuple(noise.shape)}; expected (draws, {', '.join(map(str, images.shape))})")
    size = find_batch_size(images)
    maps = []
    for start in range(0, len(images), size):
        part = slice(start, start + size)
        x = explained.prepare(images[part]).detach()
        drawn = noise[:, part] if noise is not None else None
        maps.append(_compute_maps(explained, x, classes[part], method, drawn, additions))
    return torch.cat(maps)


def attribute_ensemble(
    networks: Sequence[nn.Module], images: Tensor, targets: Tensor | Sequence[int], method: str
) -> Tensor:
    """Compute the mean of the maps of several networks, as of the folds of a cross-validation."""
    return torch.stack([attribute(network, images, targets, method) for network in networks]).mean(dim=0)


def attribute_layer(
    network: nn.Module, images: Tensor, targets: Tensor | Sequence[int], method: Literal["gradcam", "layer_deeplift"]
) -> Tensor:
    """Compute maps (n, channels, h, w) with the side of the network's `saliency_layer`; raises as `attribute`."""
    if (obstacle := find_obstacle(network, method)) is not None:
        raise ConfigError(obstacle)
    explained = ExplainedNetwork(network)
    return _compute_layer_maps(explained, explained.prepare(images), _check_targets(images, targets), method)


def find_obstacle(network: nn.Module, method: str) -> str | None:
    """Find the reason why a method is not defined for a network, as `attribute` would raise it; None if it is.

    Only the modules of the network are looked at. Functions, as `torch.nn.functional.silu`, are met by `attribute`.

    Raises:
        ConfigError: an unknown method.
    """
    if method not in METHODS:
        raise ConfigError(f"method is {method!r}; expected one of {', '.join(METHODS)}")
    if method in LAYER_METHODS and not isinstance(getattr(network, "saliency_layer", None), nn.Module):
        return f"{method} looks at a layer, and the network has none; set its attribute saliency_layer to a module"
    if method in _RECTIFIER_METHODS:
        obstacles = SMOOTH_ACTIVATIONS | (OTHER_OPERATIONS if "deeplift" in method else {})
    else:
        obstacles = OTHER_OPERATIONS if method.startswith(("lrp", "excitation")) else {}
    by_module = {name.replace("_", ""): operation for name, operation in obstacles.items()}
    names = (type(module).__name__.lower() for module in network.modules())
    return next((describe_obstacle(method, by_module[name]) for name in names if name in by_module), None)


def _check_targets(images: Tensor, targets: Tensor | Sequence[int]) -> Tensor:
    classes = torch.as_tensor(targets, dtype=torch.int64, device=images.device)
    if images.dim() != 4 or images.shape[1] != 3 or classes.shape != images.shape[:1] or len(images) == 0:
        raise ConfigError(
            f"images are {tuple(images.shape)} and targets {tuple(classes.shape)}; expected (n, 3, h, w) and (n,)"
        )
    return classes


def _compute_maps(
    explained: ExplainedNetwork,
    x: Tensor,
    targets: Tensor,
    method: str,
    noise: Tensor | None,
    additions: Additions | None,
) -> Tensor:
    differentiate: Callable[[RuleMode], Tensor] = partial(explained.differentiate, x, targets)
    if method == "smoothgrad":
        return _smooth_gradients(explained, x, targets, noise)
    if method == "integrated_gradients":
        return _integrate_gradients(explained, x, targets)
    if method == "guided_backprop":
        return differentiate(GuidedMode(method))
    if method == "deconvnet":
        return differentiate(DeconvMode(method))
    if method == "excitation_backprop":
        return differentiate(ExcitationMode(method, share_by_z_plus, share_by_z_plus, False, additions or "copy"))
    if method in _RELEVANCE_METHODS:
        rule, flat = _RELEVANCE_METHODS[method]
        return differentiate(LrpMode(method, rule, share_by_epsilon, flat, additions or "norm"))
    if method == "deeplift":
        both = explained.differentiate(torch.cat([x, torch.zeros_like(x)]), targets, DeepLiftMode(method))
        return x * both[: len(x)]
    if method == "guided_gradcam":
        cam = _compute_layer_maps(explained, x, targets, "gradcam").relu()
        return differentiate(GuidedMode(method)) * F.interpolate(cam, x.shape[2:], mode="nearest")
    if method in ("layer_deeplift", "gradcam"):
        total = _compute_layer_maps(explained, x, targets, method).sum(dim=1, keepdim=True)
        enlarged = F.interpolate(total, x.shape[2:], mode="bicubic", align_corners=False)
        return (enlarged / 3).expand(-1, 3, -1, -1)
    if method == "occlusion":
        return occlude(explained, x, targets)
    return differentiate(RuleMode(method))


def _smooth_gradients(explained: ExplainedNetwork, x: Tensor, targets: Tensor, noise: Tensor | None) -> Tensor:
    """Average gradients of images with noise (Smilkov et al. 2017)."""
    if noise is None:
        noise = torch.randn(STEPS, 1, *x.shape[1:], generator=torch.Generator().manual_seed(0))
        noise[-1] = 0
    deviation = NOISE_LEVEL * (x.amax(dim=(1, 2, 3), keepdim=True) - x.amin(dim=(1, 2, 3), keepdim=True))
    return _average_gradient(explained, [x + one.to(x) * deviation for one in noise], targets)


def _integrate_gradients(explained: ExplainedNetwork, x: Tensor, targets: Tensor) -> Tensor:
    """Integrate gradients from 0 to the images, times the images (Sundararajan et al. 2017)."""
    return x * _average_gradient(explained, [x * (step / STEPS) for step in range(1, STEPS + 1)], targets)


def _average_gradient(explained: ExplainedNetwork, points: Sequence[Tensor], targets: Tensor) -> Tensor:
    """Average the gradient over several points of each image, as many at a time as fit into a batch."""
    explained = explained.merge_normalizations()
    count = max(1, find_batch_size(points[0]) // len(targets))
    total = torch.zeros_like(points[0])
    for start in range(0, len(points), count):
        group = points[start : start + count]
        gradients = explained.differentiate(torch.cat(list(group)), targets.repeat(len(group)), RuleMode("gradient"))
        total += gradients.view(len(group), *total.shape).sum(dim=0)
    return total / len(points)


def _compute_layer_maps(explained: ExplainedNetwork, x: Tensor, targets: Tensor, method: str) -> Tensor:
    """Compute Grad-CAM without ReLU (Selvaraju et al. 2017), or DeepLIFT from the layer on."""
    if method == "gradcam":
        layer, gradient = explained.differentiate_layer(x, targets, RuleMode(method))
        return (layer * gradient.mean(dim=(2, 3), keepdim=True)).sum(dim=1, keepdim=True)
    both = torch.cat([x, torch.zeros_like(x)])
    layer, multiplier = explained.differentiate_layer(both, targets, DeepLiftMode(method))
    value, baseline = layer.chunk(2)
    return (value - baseline) * multiplier[: len(x)]
