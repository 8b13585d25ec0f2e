"""Simulation of participants who answer a survey with known effects, for plans, tests and teaching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from studies.analysis.mixed_model import to_share
from studies.answers.key import KeyImage
from studies.answers.table import Answer
from studies.plan.study_design import Ints, StudyDesign

Floats = npt.NDArray[np.float64]

SCALE: Final = (1, 5)
"""Least and most confidence."""

_MEDIAN_SECONDS: Final = 8.0


@dataclass(frozen=True)
class Effects:
    """Effects in a logistic model of right answers, all in logits.

    A participant's right answers have the log odds of the face's group, plus the effect of the variant, plus normal
    deviations of the participant, of the face, and of the variant for this participant and for this face. The
    deviations of the variants of one participant or face sum to zero, so that a variant without an effect is exactly
    as hard as the first one in the population.

    Attributes:
        variants: log odds of each variant minus those of the first; 0 for those that are not named.
        participant_sd, face_sd: standard deviations between participants and between faces. The defaults are assumed,
            not measured: bring those of a pilot.
        participant_slope_sd, face_slope_sd: standard deviations, between participants and between faces, of the
            difference between two variants.

    Raises:
        ConfigError: a negative standard deviation.
    """

    variants: Mapping[str, float] = field(default_factory=dict)
    participant_sd: float = 0.4
    face_sd: float = 0.8
    participant_slope_sd: float = 0.0
    face_slope_sd: float = 0.0

    def __post_init__(self) -> None:
        for name in ("participant_sd", "face_sd", "participant_slope_sd", "face_slope_sd"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 0 or more")

    def compute_spread(self, variants: int) -> float:
        """Compute the standard deviation of an answer's log odds within a group of faces and a variant."""
        slopes = (self.participant_slope_sd**2 + self.face_slope_sd**2) / 2 * (1 - 1 / variants)
        return float(np.sqrt(self.participant_sd**2 + self.face_sd**2 + slopes))


@dataclass(frozen=True)
class SimulatedStudy:
    """Answers of a simulated study as arrays (participants, faces shown), in the order in which they are shown.

    Attributes:
        versions: number of the version that each participant sees, (participants,).
        faces: number of the face.
        variants: number of the variant.
        log_odds: of a right answer.
        correct: bool.
    """

    versions: Ints
    faces: Ints
    variants: Ints
    log_odds: Floats
    correct: npt.NDArray[np.bool_]


def draw_study(design: StudyDesign, effects: Effects, generator: np.random.Generator) -> SimulatedStudy:
    """Draw the answers of one study.

    Raises:
        ConfigError: an effect of a variant that the design does not have.
    """
    if unknown := effects.variants.keys() - {*design.variants}:
        raise ConfigError(f"{min(unknown)} is no variant of {', '.join(design.variants)}")
    people, variants = sum(design.participants), len(design.variants)
    versions = np.repeat(np.arange(variants), design.participants)
    faces = _draw_faces(design, people, generator)
    shown = design.assign_variants()[versions[:, None], faces]
    spread = effects.compute_spread(variants)
    base = np.array([solve_log_odds(group.accuracy, spread) for group in design.list_face_groups()])
    fixed = np.array([effects.variants.get(name, 0.0) for name in design.variants])
    persons = np.arange(people)[:, None]
    log_odds = (
        base[faces]
        + (fixed - fixed.mean())[shown]
        + generator.normal(0, effects.participant_sd, people)[:, None]
        + generator.normal(0, effects.face_sd, design.faces)[faces]
        + _draw_slopes(people, variants, effects.participant_slope_sd, generator)[persons, shown]
        + _draw_slopes(design.faces, variants, effects.face_slope_sd, generator)[faces, shown]
    )
    correct = generator.random(log_odds.shape) < to_share(log_odds)
    return SimulatedStudy(versions, faces, shown, log_odds, correct)


def simulate_answers(
    design: StudyDesign, effects: Effects, seed: int | Sequence[int], images: Sequence[Sequence[KeyImage]] = ()
) -> list[Answer]:
    """Simulate the answers of all participants.

    Wrong answers are spread evenly over the other options. The confidence rises with the log odds of a right answer.

    Args:
        seed: the same seed gives the same answers.
        images: image of each version and each face, as of `draw_images`; empty to draw them.
    """
    generator = np.random.default_rng(seed)
    images = images or draw_images(design, generator)
    study = draw_study(design, effects, generator)
    shape = study.faces.shape
    others = generator.integers(len(design.options) - 1, size=shape)
    felt = np.mean(SCALE) + 0.6 * study.log_odds + generator.normal(0, 1, shape)
    confidence = np.clip(np.round(felt), *SCALE)
    seconds = np.round(_MEDIAN_SECONDS * np.exp(generator.normal(0, 0.5, shape)), 2)
    answers = []
    for person, version in enumerate(study.versions.tolist()):
        for place, face in enumerate(study.faces[person].tolist()):
            image = images[version][face]
            wrong = [option for option in design.options if option != image.condition]
            right = study.correct[person, place]
            answers.append(
                image.to_answer(
                    f"P{person + 1:03d}",
                    image.condition if right else wrong[others[person, place]],
                    order=place + 1,
                    options=design.options,
                    confidence=float(confidence[person, place]),
                    seconds=float(seconds[person, place]),
                )
            )
    return answers


def draw_images(design: StudyDesign, generator: np.random.Generator) -> list[list[KeyImage]]:
    """Draw codes for the images of a design, and the smile of each face: image of each version and face.

    An edited picture has the opposite smile of the other pictures of its face.
    """
    groups = design.list_face_groups()
    smiles = generator.choice([0.2, 0.8], design.faces) + generator.normal(0, 0.05, design.faces)
    codes = generator.choice(16**8, (len(design.versions), design.faces), replace=False)
    return [
        [
            KeyImage(
                image=f"{version}_{code:08x}".removeprefix("_"),
                face=f"face{face + 1:03d}",
                condition=groups[face].condition,
                variant=(variant := design.variants[assigned]),
                version=version,
                age_group=groups[face].age_group,
                smile=round(float(1 - smiles[face] if variant == "edited" else smiles[face]), 3),
                options=design.options,
            )
            for face, (code, assigned) in enumerate(zip(row, places, strict=True))
        ]
        for version, row, places in zip(design.versions, codes, design.assign_variants(), strict=True)
    ]


def _draw_faces(design: StudyDesign, people: int, generator: np.random.Generator) -> Ints:
    """Draw the faces that each participant sees, in a random order."""
    chosen, first = [], 0
    for group in design.groups:
        drawn = generator.random((people, group.faces)).argsort(axis=1)[:, : group.shown]
        chosen.append(first + drawn)
        first += group.faces
    return generator.permuted(np.concatenate(chosen, axis=1), axis=1)


def _draw_slopes(count: int, variants: int, deviation: float, generator: np.random.Generator) -> Floats:
    """Draw deviations of variants that sum to zero, (count, variants), whose differences have this deviation."""
    drawn = generator.normal(0, deviation / np.sqrt(2), (count, variants))
    return np.asarray(drawn - drawn.mean(axis=1, keepdims=True))


@lru_cache(maxsize=1024)
def solve_log_odds(accuracy: float, spread: float) -> float:
    """Find the mean log odds at which normal log odds of this standard deviation give this share of right answers."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    low, high = -50.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        share = float(to_share(middle + spread * nodes) @ weights / weights.sum())
        low, high = (middle, high) if share < accuracy else (low, middle)
    return (low + high) / 2
