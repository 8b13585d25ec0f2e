"""Pictures of an audit with their descriptions: of training people, of unseen people, and of the generator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from core.progress import SILENT, Progress, stepping_bar
from faces.images import Pixels
from gen.evaluation.audit.closeness import NearestTraining
from gen.evaluation.audit.descriptions import (
    IDENTITY,
    PERCEPTUAL,
    PIXELS,
    Describe,
    Descriptions,
    find_nearest,
    join,
    reduce,
)
from gen.evaluation.audit.membership import Floats, Scores, fit_and_score
from gen.evaluation.audit.people import AuditedPeople
from gen.evaluation.experiments import CHUNK, OnProgress
from gen.evaluation.real_images import ImageSubset
from gen.labels import Vocabulary

ScorePictures: TypeAlias = Callable[[Pixels, npt.NDArray[np.float32], OnProgress], Floats]
"""Scores (n,) of pictures uint8 (n, h, h, 3) with labels (n, c_dim)."""

_PAIRS: Final = 6


class AuditedPictures:
    """Pictures and their descriptions; people's pictures are reduced to the size of the generated ones.

    Args:
        people: chosen people.
        images: uint8 (n, h, h, 3) of the generator.
        describe: describes pictures.

    Attributes:
        trained, members, unseen, generated: descriptions of all training pictures, of those of the members, of those of
            the unseen people, and of the images.
    """

    def __init__(self, people: AuditedPeople, images: Pixels, describe: Describe, progress: Progress = SILENT) -> None:
        self._people, self._images, self._progress = people, images, progress
        self.trained = self._describe("reading training people", people.trained, describe)
        self.unseen = self._describe("reading unseen people", people.unseen, describe)
        places = np.searchsorted(people.trained.places, people.members.places)
        self.members = {name: rows[places] for name, rows in self.trained.items()}
        parts = (images[start : start + CHUNK] for start in range(0, len(images), CHUNK))
        self.generated = self._describe_parts("reading images", parts, len(images), describe)

    def score_by_images(self) -> dict[str, Scores]:
        """Score people by the distance to the nearest generated image, by each measure."""
        return {
            f"nearest image, {name}": Scores(
                *(-find_nearest(people[name], images, name)[0] for people in (self.members, self.unseen))
            )
            for name, images in self.generated.items()
        }

    def score_people(
        self, title: str, score: ScorePictures, vocabulary: Vocabulary, count: int | None = None
    ) -> Scores:
        """Score the pictures of the first `count` members and unseen people, or of all."""
        both = [
            (self._read(part, count), part.labels(vocabulary)[:count])
            for part in (self._people.members, self._people.unseen)
        ]
        with stepping_bar(self._progress, title, sum(len(pictures) for pictures, _ in both)) as step:
            return Scores(*(score(pictures, labels, step) for pictures, labels in both))

    def score_blindly(self, seed: int) -> Scores:
        """Score people by their descriptions alone."""
        name = PERCEPTUAL if PERCEPTUAL in self.members else IDENTITY
        return fit_and_score(self.members[name], self.unseen[name], seed)

    def find_training_people(self, described: Descriptions) -> dict[str, NearestTraining]:
        """Find the nearest training picture by each measure, for as many images as there are unseen people."""
        count = min(len(self._images), len(self._people.unseen))
        return {name: NearestTraining.of(rows[:count], self.trained[name], name) for name, rows in described.items()}

    def find_pairs(self, nearest: Mapping[str, NearestTraining]) -> tuple[tuple[Pixels, Pixels], ...]:
        """Return the images that are nearest to a training person, by identity and by pixels, with that person."""
        return tuple(
            (self._images[at], self._people.trained.image(int(nearest[name].place[at])))
            for name in (IDENTITY, PIXELS)
            for at in np.argsort(nearest[name].distance)[:_PAIRS]  # NaN comes last
        )

    def _read(self, part: ImageSubset, count: int | None) -> Pixels:
        return reduce(np.stack([part.image(index) for index in range(len(part))[:count]]), self._images.shape[1])

    def _describe(self, title: str, part: ImageSubset, describe: Describe) -> Descriptions:
        parts = (reduce(images, self._images.shape[1]) for _, images in part.chunks())
        return self._describe_parts(title, parts, len(part), describe)

    def _describe_parts(self, title: str, parts: Iterable[Pixels], total: int, describe: Describe) -> Descriptions:
        described = []
        with stepping_bar(self._progress, title, total) as step:
            for images in parts:
                described.append(describe(images))
                step(len(images))
        return join(described)
