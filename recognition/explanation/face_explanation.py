"""Explanation of one face: the answer of a classifier, maps by several methods, and the relevance of facial regions.

A map says what the classifier went by, not what is the matter with a person: it is no basis for a diagnosis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.errors import ConfigError
from faces.images import Pixels
from recognition.classifier import Classifier
from recognition.explanation.regions.masks import Masks, reduce_mask
from recognition.explanation.regions.relevance import measure_relevance, sum_channels
from recognition.explanation.saliency.methods import attribute_ensemble, find_obstacle
from recognition.images.image_stack import resize_face, to_network_input

USUAL_METHODS: Final = ("gradcam", "integrated_gradients", "lrp_epsilon_z_plus", "occlusion")
"""Methods of different kinds that are quick enough to look at first."""

_STRONG: Final = 99.5
"""Percentile of a map that is drawn in the brightest colour, so that single pixels do not outshine the rest."""


@dataclass(frozen=True)
class FaceExplanation:
    """Explanation of the answer of a classifier, or of the mean of several, for one face.

    Attributes:
        classes: names of the classes.
        probabilities: (classes,) float64, mean over the classifiers.
        target: class whose logit is explained.
        maps: signed map (3, size, size) float32 of each method, mean over the classifiers, at their input size.
        relevance: relevance of each region by method: absolute map, summed over its pixels and divided by their number.
        scaled_relevance: the same of the map scaled to [0, 1] by its minimum and maximum.
    """

    classes: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]
    target: int
    maps: Mapping[str, npt.NDArray[np.float32]]
    relevance: Mapping[str, Mapping[str, float]]
    scaled_relevance: Mapping[str, Mapping[str, float]]

    def to_json(self) -> dict[str, Any]:
        """Return everything but the maps, for JSON."""
        return {
            "probabilities": dict(zip(self.classes, map(float, self.probabilities), strict=True)),
            "target": self.classes[self.target],
            "methods": {
                method: {
                    region: {"relevance": value, "scaled": self.scaled_relevance[method][region]}
                    for region, value in regions.items()
                }
                for method, regions in self.relevance.items()
            },
        }


def explain_face(
    classifiers: Sequence[Classifier],
    pixels: Pixels,
    masks: Masks,
    methods: Sequence[str],
    target: str | int | None = None,
) -> FaceExplanation:
    """Explain the answer of classifiers for one face.

    Args:
        classifiers: one or more of the same classes and the same input size, as of the folds of a cross-validation.
        pixels: (h, w, 3) uint8, aligned as the classifiers' training images.
        masks: regions of the face, in the pixels of the picture.
        methods: names from `saliency.methods.METHODS`.
        target: class to explain, by its name or index; None takes the most probable one.

    Raises:
        ConfigError: classifiers that differ, an unknown class or method, a method that is not defined for the network,
            a mask of another size than the picture, or one that is empty.
    """
    size, classes = check_alike(classifiers)
    for method in methods:
        check_method(classifiers, method)
    chosen = None if target is None else find_class(classes, target)
    reduced = reduce_masks(masks, pixels.shape[:2], size)
    images = _prepare(pixels, size)
    probabilities = average_probabilities(compute_logits_of_face(classifiers, pixels))
    chosen = int(probabilities.argmax()) if chosen is None else chosen
    maps: dict[str, npt.NDArray[np.float32]] = {}
    relevance: dict[str, dict[str, float]] = {}
    scaled: dict[str, dict[str, float]] = {}
    for method in methods:
        signed = attribute_ensemble([one.network for one in classifiers], images, [chosen], method)
        found = np.asarray(signed.detach().float().numpy(), dtype=np.float32)
        maps[method] = found[0]
        summed = sum_channels(found)
        for values, is_scaled in ((relevance, False), (scaled, True)):
            each = measure_relevance(summed, reduced, scaled=is_scaled)[0]
            values[method] = dict(zip(reduced, map(float, each), strict=True))
    return FaceExplanation(classes, probabilities, chosen, maps, relevance, scaled)


def check_alike(classifiers: Sequence[Classifier]) -> tuple[int, tuple[str, ...]]:
    """Return the input size and the classes that classifiers have in common.

    Raises:
        ConfigError: there are none, or they differ.
    """
    sizes = {one.config.size for one in classifiers}
    if len(sizes) != 1:
        raise ConfigError(
            f"classifiers take images of {', '.join(map(str, sorted(sizes))) or 'no'} pixels; expected one or more "
            "classifiers of one size, as of the folds of one run"
        )
    first = classifiers[0]
    for other in classifiers:
        if other.classes != first.classes:
            raise ConfigError(
                f"classifiers know the classes {', '.join(first.classes)} and {', '.join(other.classes)}; expected the "
                "same in the same order"
            )
    return first.config.size, first.classes


def check_method(classifiers: Sequence[Classifier], method: str) -> None:
    """Check that a method is defined for the network of each classifier.

    Raises:
        ConfigError: it is not, or it is unknown.
    """
    for one in classifiers:
        if (obstacle := find_obstacle(one.network, method)) is not None:
            raise ConfigError(obstacle)


def select_defined(classifiers: Sequence[Classifier], methods: Sequence[str] = USUAL_METHODS) -> tuple[str, ...]:
    """Select the methods that are defined for the networks of all classifiers."""
    return tuple(method for method in methods if all(find_obstacle(one.network, method) is None for one in classifiers))


def find_class(classes: Sequence[str], target: str | int) -> int:
    """Return the index of a class.

    Raises:
        ConfigError: there is no such class.
    """
    if isinstance(target, str) and target in classes:
        return classes.index(target)
    if isinstance(target, int) and 0 <= target < len(classes):
        return target
    raise ConfigError(f"target is {target!r}; expected one of the classes {', '.join(classes)}")


def reduce_masks(masks: Masks, shape: tuple[int, ...], size: int) -> Masks:
    """Reduce masks of a picture to the input size of a network.

    Raises:
        ConfigError: a mask has another shape than the picture, or is empty at the input size.
    """
    reduced = {}
    for region, mask in masks.items():
        if mask.shape != tuple(shape):
            raise ConfigError(
                f"the mask of {region} is {mask.shape[0]} x {mask.shape[1]} pixels; expected those of the picture, "
                f"{shape[0]} x {shape[1]}"
            )
        reduced[region] = reduce_mask(mask, size)
        if not reduced[region].any():
            raise ConfigError(f"the mask of {region} is empty at {size} pixels; expected one pixel or more, or no mask")
    return reduced


def draw_map(pixels: Pixels, signed: npt.NDArray[np.float32]) -> Pixels:
    """Draw a map over its face: the grey picture, the more coloured the more a place counts, as `relevance` does.

    Args:
        pixels: (h, w, 3) uint8.
        signed: (3, height, width) map of the face.

    Returns:
        (h, w, 3) uint8.
    """
    height, width = pixels.shape[:2]
    summed = sum_channels(signed[None])[0].astype(np.float32)
    strength = np.asarray(cv2.resize(summed, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    top = float(np.percentile(strength, _STRONG)) or float(strength.max())
    share = np.clip(strength / top if top > 0 else strength, 0, 1)
    heat = cv2.cvtColor(cv2.applyColorMap((share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)[:, :, None].astype(np.float32)
    weight = 0.15 + 0.7 * share[:, :, None]
    return np.asarray(np.rint((1 - weight) * grey + weight * heat), dtype=np.uint8)


def compute_logits_of_face(classifiers: Sequence[Classifier], pixels: Pixels) -> npt.NDArray[np.float64]:
    """Compute the logits (classifiers, classes) of a face (h, w, 3) uint8."""
    with torch.inference_mode():
        each = [one.network(_prepare(pixels, one.config.size))[0].double() for one in classifiers]
    return np.asarray(torch.stack(each).numpy(), dtype=np.float64)


def average_probabilities(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mean probabilities (classes,) of logits (classifiers, classes)."""
    return np.asarray(torch.from_numpy(logits).softmax(dim=1).mean(dim=0).numpy(), dtype=np.float64)


def _prepare(pixels: Pixels, size: int) -> Tensor:
    """Convert a face to the input (1, 3, size, size) of a network."""
    return to_network_input(torch.from_numpy(np.array(resize_face(pixels, size)))[None]).contiguous()
