"""Blends of two conditions: by the label embedding, in W, and drawn with the traits between those of two phantoms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from faces.images import Pixels
from faces.labels import AgeGroup
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.person import Phantom, phantom
from faces.phantoms.phantom_dataset import age_within
from gen.inference.generator import InferenceGenerator
from gen.labels import Vocabulary
from gen.sampler import random_vectors

EMBEDDING: Final = "embedding"
W: Final = "w"
DRAWN: Final = "drawn"
WAYS: Final = (EMBEDDING, W, DRAWN)
"""Ways to blend: the mix of label embeddings, as published; the mix of the two latents; and the truth."""

_FIRST_SEED: Final = 9_200_000
_BATCH: Final = 32


@dataclass(frozen=True)
class BlendedPerson:
    """A person who is shown with two conditions.

    Attributes:
        first, second: conditions; the share of a blend is that of the first.
        age: age group.
        seed: seed of the random vector, and identity of the drawn phantom.
    """

    first: str
    second: str
    age: AgeGroup
    seed: int


def list_persons(vocabulary: Vocabulary, persons: int) -> list[BlendedPerson]:
    """List so many persons of each pair of conditions and age; no two have the same seed."""
    cells = [
        (pair, age, number)
        for number in range(persons)
        for pair in combinations(vocabulary.conditions, 2)
        for age in vocabulary.ages
    ]
    return [BlendedPerson(*pair, age, _FIRST_SEED + place) for place, (pair, age, _) in enumerate(cells)]


def choose_renderer(
    way: str, generator: InferenceGenerator, vocabulary: Vocabulary, truncation: float
) -> Callable[[Sequence[BlendedPerson], float], Pixels]:
    """Return the function that makes images uint8 (n, h, h, 3) of n persons at a share, in one of WAYS."""
    network = _BlendingNetwork(generator, vocabulary, truncation)
    by_way: Mapping[str, Callable[[Sequence[BlendedPerson], float], Pixels]] = {
        EMBEDDING: partial(network.render, network.mix_embeddings),
        W: partial(network.render, network.mix_latents),
        DRAWN: partial(_draw, generator.config.resolution),
    }
    return by_way[way]


def mix_phantoms(person: BlendedPerson, share: float) -> Phantom:
    """Make the phantom whose traits lie between those of one person with either condition."""
    rng = np.random.default_rng(person.seed)
    age, smile = age_within(person.age, rng), round(rng.uniform(), 3)
    one, other = (phantom(condition, age, smile, person.seed) for condition in (person.first, person.second))
    traits = {name: share * value + (1 - share) * other.traits[name] for name, value in one.traits.items()}
    return replace(one, traits=traits)


_Latents = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _BlendingNetwork:
    """Generator that blends two conditions of a person; the latents are (n, num_ws, d)."""

    generator: InferenceGenerator
    vocabulary: Vocabulary
    truncation: float

    def render(
        self,
        mix: Callable[[Sequence[BlendedPerson], float], _Latents],
        persons: Sequence[BlendedPerson],
        share: float,
    ) -> Pixels:
        w = mix(persons, share)
        return np.concatenate([self.generator.render(w[start : start + _BATCH]) for start in range(0, len(w), _BATCH)])

    def mix_embeddings(self, persons: Sequence[BlendedPerson], share: float) -> _Latents:
        labels = [
            self.vocabulary.encode_weights({person.first: share, person.second: 1 - share}, person.age.name)
            for person in persons
        ]
        z = np.concatenate([random_vectors(person.seed, 1, self.generator.config.z_dim) for person in persons])
        return self.generator.map(z, np.array(labels, np.float32), self.truncation)

    def mix_latents(self, persons: Sequence[BlendedPerson], share: float) -> _Latents:
        first, second = (self.mix_embeddings(persons, end) for end in (1.0, 0.0))
        return np.float32(share) * first + np.float32(1 - share) * second


def _draw(side: int, persons: Sequence[BlendedPerson], share: float) -> Pixels:
    return np.stack([draw_phantom(mix_phantoms(person, share), side).image for person in persons])
