"""Comparison of ages by composite occlusion maps and a permutation test (Duong et al. 2022).

A composite map is the mean of the maps of a group of faces. The statistic of two groups is the Euclidean distance
between the embeddings of their composite maps, which are fed to a network as if they were images.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from core.statistics.multiple_tests import holm
from recognition.ensemble import Ensemble
from recognition.explanation.questions.group_size import refuse_small_group
from recognition.explanation.saliency.explained_network import ExplainedNetwork
from recognition.explanation.saliency.occlusion import occlude
from recognition.images.image_stack import stack_images, to_network_input
from recognition.images.samples import Samples

Maps: TypeAlias = npt.NDArray[np.float32]
Embedding: TypeAlias = Callable[[Maps], npt.NDArray[np.float64]]
"""Function that maps maps (n, h, w) to vectors (n, features)."""

USUAL_WINDOW: Final = 1 / 8
"""Side of the occluding window as a share of the picture's; its steps are half as long. 225 windows cover a picture.
The published ones, of 20 px at 448 px, are 1936."""

PUBLISHED_PERMUTATIONS: Final = 1000

RESAMPLES: Final = 300
"""Bootstrap samples of the persons for the interval of a distance."""

_BATCH: Final = 64


@dataclass(frozen=True)
class AgePair:
    """Comparison of the composite maps of two age groups of one condition.

    Attributes:
        condition: the true condition of the faces.
        first, second: the age groups.
        first_persons, second_persons: number of persons in each.
        distance: distance of the embeddings of the two composite maps.
        low, high: its 95 % bootstrap interval by person, reflected about the distance, because drawing persons again
            moves the groups apart; at least 0.
        permuted: mean distance where persons are assigned to the two groups at random.
        p: share of assignments whose distance is as large or larger, the observed one counted as one of them
            (Phipson and Smyth 2010). A low value says that the groups differ.
        published: share of the assignments whose distance is smaller, as the published code reports it. A high value
            says that the groups differ; it can be 1.
        bonferroni, holm: p after correction for the number of all pairs.
    """

    condition: str
    first: str
    second: str
    first_persons: int
    second_persons: int
    distance: float
    low: float
    high: float
    permuted: float
    p: float
    published: float
    bonferroni: float
    holm: float


def choose_window(size: int, window: int | None, stride: int | None) -> tuple[int, int]:
    """Choose side and distance of the windows in pixels; None takes USUAL_WINDOW, and half a window."""
    window = window or max(4, round(USUAL_WINDOW * size))
    return window, stride or max(1, window // 2)


def compute_occlusion_maps(
    ensemble: Ensemble,
    samples: Samples,
    window: int,
    stride: int,
    on_face: Callable[[int], None] = lambda done: None,
) -> Maps:
    """Compute how far the logit of the true condition falls where a face is covered: mean over the folds, signed.

    Args:
        ensemble: classifiers of one input size.
        samples: faces with one condition each, of the classes of the ensemble.
        window, stride: in pixels of the classifier's input; see `choose_window`.
        on_face: called with the number of maps computed so far, each fold counted.

    Returns:
        (n, size, size) float32.
    """
    size = ensemble.classifiers[0].config.size
    stack = stack_images(samples, size)
    truths = stack.labels.argmax(dim=1)
    total = np.zeros((len(stack), size, size), np.float32)
    done = 0
    for classifier in ensemble.classifiers:
        explained = ExplainedNetwork(classifier.network)
        for face in range(len(stack)):
            x = explained.prepare(to_network_input(stack.pixels[face : face + 1]).contiguous())
            total[face] += occlude(explained, x, truths[face : face + 1], window, stride)[0, 0].numpy()
            done += 1
            on_face(done)
    return np.asarray(total / len(ensemble.classifiers), np.float32)


def embed_by(network: nn.Module) -> Embedding:
    """Make an embedding of a network that maps images (n, 3, h, w) to features (n, features).

    Maps are not normalised, as published.
    """

    def embed(maps: Maps) -> npt.NDArray[np.float64]:
        parts = []
        with torch.inference_mode():
            for start in range(0, len(maps), _BATCH):
                images = torch.from_numpy(maps[start : start + _BATCH]).float()[:, None].expand(-1, 3, -1, -1)
                parts.append(network(images.contiguous()).flatten(1).double().numpy())
        return np.concatenate(parts)

    return embed


def compare_ages(
    maps: Maps,
    samples: Samples,
    ages: Sequence[str],
    embed: Embedding,
    *,
    permutations: int = PUBLISHED_PERMUTATIONS,
    seed: int = 0,
    on_pair: Callable[[int], None] = lambda done: None,
) -> tuple[AgePair, ...]:
    """Compare all pairs of age groups within each condition.

    Args:
        maps: (n, h, w), one of each face.
        samples: the faces; those whose age is not known are left out.
        ages: age groups to compare, in their order.
        embed: embedding of composite maps.
        permutations: number of random assignments of persons to groups for each pair.
        on_pair: called with the number of pairs done so far.

    Returns:
        the pairs, those that differ most first.

    Raises:
        DatasetError: a group with faces of fewer than five persons.
    """
    pairs: list[AgePair] = []
    for condition in samples.classes:
        groups = {}
        for age in ages:
            rows = [
                row for row, one in enumerate(samples.samples) if (one.condition, one.age_group) == (condition, age)
            ]
            if rows:
                persons = [samples.samples[row].person for row in rows]
                refuse_small_group(f"{condition}, {age}", persons)
                groups[age] = average_persons(maps[rows], persons)
        for (first, some), (second, others) in itertools.combinations(groups.items(), 2):
            generator = np.random.default_rng([seed, len(pairs)])
            distance, drawn = permute_groups(some, others, embed, permutations, generator)
            low, high = resample_groups(some, others, distance, embed, generator)
            p, published = permutation_values(distance, drawn)
            counts = len(some), len(others)
            mean = float(drawn.mean())
            pairs.append(AgePair(condition, first, second, *counts, distance, low, high, mean, p, published, p, p))
            on_pair(len(pairs))
    corrected = [
        replace(pair, bonferroni=min(1.0, len(pairs) * pair.p), holm=by_holm)
        for pair, by_holm in zip(pairs, holm([pair.p for pair in pairs]), strict=True)
    ]
    return tuple(sorted(corrected, key=lambda pair: (pair.p, -pair.distance / max(pair.permuted, 1e-12))))


def average_persons(maps: Maps, persons: Sequence[str]) -> Maps:
    """Compute the mean map of each person, (persons, h, w), in the order of their first faces."""
    names = np.array(persons, dtype=object)
    return np.stack([maps[names == person].mean(axis=0) for person in dict.fromkeys(persons)])


def permute_groups(
    first: Maps, second: Maps, embed: Embedding, permutations: int, generator: np.random.Generator
) -> tuple[float, npt.NDArray[np.float64]]:
    """Compute the distance of two groups of maps, and the distances (permutations,) of random groups of these sizes."""
    maps = np.concatenate([first, second])

    def measure(chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        return _measure_distances((maps, chosen), (maps, ~chosen), embed)

    observed = (np.arange(len(maps)) < len(first))[None]
    drawn = [
        measure(generator.permuted(np.repeat(observed, min(_BATCH, permutations - start), axis=0), axis=1))
        for start in range(0, permutations, _BATCH)
    ]
    return float(measure(observed)[0]), np.concatenate(drawn)


def resample_groups(
    first: Maps, second: Maps, distance: float, embed: Embedding, generator: np.random.Generator
) -> tuple[float, float]:
    """Compute the 95 % bootstrap interval of the distance of two groups of maps, one map for each person."""
    drawn = []
    for start in range(0, RESAMPLES, _BATCH):
        count = min(_BATCH, RESAMPLES - start)
        some, others = (
            (maps, generator.multinomial(len(maps), np.full(len(maps), 1 / len(maps)), size=count))
            for maps in (first, second)
        )
        drawn.append(_measure_distances(some, others, embed))
    low, high = 2 * distance - np.quantile(np.concatenate(drawn), (0.975, 0.025))
    return max(0.0, float(low)), max(0.0, float(high))


def _measure_distances(
    some: tuple[Maps, npt.NDArray[Any]], others: tuple[Maps, npt.NDArray[Any]], embed: Embedding
) -> npt.NDArray[np.float64]:
    """Compute the distances between embedded composites of two groups: maps (n, h, w), and weights (draws, n) each."""
    first, second = (
        embed(
            ((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32) @ maps.reshape(len(maps), -1)).reshape(
                -1, *maps.shape[1:]
            )
        )
        for maps, weights in (some, others)
    )
    distances: npt.NDArray[np.float64] = np.linalg.norm(first - second, axis=1)
    return distances


def permutation_values(distance: float, drawn: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Compute the p-value of a distance, and the published share of smaller distances."""
    as_large = int((drawn >= distance * (1 - 1e-9)).sum())  # equal groups differ by rounding
    return (1 + as_large) / (1 + len(drawn)), float((drawn < distance).mean())
