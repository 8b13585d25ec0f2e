"""Designs of studies: which pictures each participant sees, in which order, and what is asked about them.

`design_versions` shows each face once to each participant: reconstructed, edited or masked, depending on the version of
the survey (Patel et al. 2024). `design_samples` shows each participant an own sample of unedited faces, balanced by
condition and age (Duong et al. 2022).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from core.errors import ConfigError, DatasetError
from studies.packs.balanced_draws import draw_balanced, draw_codes
from studies.packs.pictures import MASKED, Picture, StudyPack

QUESTION: Final = "Which condition does the person in this picture have?"
PARTICIPANT_QUESTION: Final = "Your code, as you were given it (not your name)"
CONFIDENCE_QUESTION: Final = "How sure are you? (1: a guess, 5: certain)"
CONFIDENCE_LEVELS: Final = ("1", "2", "3", "4", "5")

MOST_OPTIONS: Final = 9
"""A key of the keyboard for each."""

MOST_PARTICIPANTS: Final = 2_000

_OPTION: Final = re.compile(r"[\w .,\-()/'+:]{1,60}")
_QUESTION: Final = re.compile(r"[^\x00-\x1f\[\]{}<>]{1,300}")

_MASKED_VERSIONS: Final = ("A", "B", "C")
_MASKED_VARIANTS: Final = ("reconstructed", "edited", MASKED)


@dataclass(frozen=True)
class Presentation:
    """Pictures that one participant sees.

    Attributes:
        participant: pseudonym.
        version: of the survey; empty if there is one only.
        pictures: in the order in which they are shown.
    """

    participant: str
    version: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Survey:
    """Question about each picture.

    Attributes:
        options: answers that can be given.
        question: the question.
        confidence: also ask how sure the participant is.

    Raises:
        ConfigError: text that one of the tools would not show as it is, or a number of options out of its range.
    """

    options: tuple[str, ...]
    question: str = QUESTION
    confidence: bool = True

    def __post_init__(self) -> None:
        if not 2 <= len({*self.options}) == len(self.options) <= MOST_OPTIONS:
            raise ConfigError(f"options {', '.join(self.options)}; expected 2 to {MOST_OPTIONS} different ones")
        if wrong := [option for option in self.options if not _OPTION.fullmatch(option) or option != option.strip()]:
            raise ConfigError(f"option {wrong[0]!r}; expected 1 to 60 letters, digits, spaces and .,-()/'+:")
        if not _QUESTION.fullmatch(self.question):
            raise ConfigError(f"question {self.question!r}; expected one line without brackets")


@dataclass(frozen=True)
class Study:
    """Study that can be exported.

    Attributes:
        pack: where the pixels are.
        survey: what is asked.
        pictures: all pictures, by code.
        presentations: what each participant sees.
        seed: of everything that was drawn.
    """

    pack: StudyPack
    survey: Survey
    pictures: tuple[Picture, ...]
    presentations: tuple[Presentation, ...]
    seed: int

    @property
    def lists(self) -> Mapping[str, tuple[Picture, ...]]:
        """Fixed lists of pictures by name, for tools that cannot show each participant an own order.

        They are the versions; or, where each participant sees an own sample, there is one for each participant.
        """
        versions = sorted({picture.key.version for picture in self.pictures})
        if versions == [""]:
            return {one.participant: one.pictures for one in self.presentations}
        ordered = sorted(self.pictures, key=lambda picture: picture.key.order or 0)
        return {
            version: tuple(picture for picture in ordered if picture.key.version == version) for version in versions
        }


def design_versions(pack: StudyPack, survey: Survey, participants: int, seed: int, masked: bool = False) -> Study:
    """Design a study in versions, to which participants are assigned at random and equally often.

    Each participant sees all pictures of one version in a random order of their own.

    Args:
        pack: pairs of pictures of each face, one in each version.
        masked: add a third version, and show each face reconstructed in one, edited in one, and with a masked mouth in
            one. The images get new codes.

    Raises:
        ConfigError: a number of participants out of its range.
        DatasetError: the versions are not complementary, or a condition is no option.
    """
    _check_pairs(pack.pictures)
    rng = np.random.default_rng(seed)
    pictures = _add_masked(pack.pictures, rng) if masked else pack.pictures
    versions = sorted({picture.key.version for picture in pictures})
    presentations: list[Presentation] = []
    for participant in _name_participants(participants):
        if len(presentations) % len(versions) == 0:
            block = rng.permutation(versions).tolist()
        version = block.pop()
        shown = [picture for picture in pictures if picture.key.version == version]
        presentations.append(Presentation(participant, version, _shuffle(shown, rng)))
    return _make_study(pack, survey, pictures, presentations, seed)


def design_samples(pack: StudyPack, survey: Survey, participants: int, seed: int, per_condition: int = 25) -> Study:
    """Design a study in which each participant sees an own sample, balanced by condition and age group.

    Pictures that were shown least often are drawn first, so that all are shown equally often.

    Args:
        pack: unedited faces.
        per_condition: pictures of each condition that each participant sees.

    Raises:
        ConfigError: a number of participants or pictures out of its range.
        DatasetError: a condition is no option.
    """
    rng = np.random.default_rng(seed)
    groups = {
        option: [picture for picture in pack.pictures if picture.key.condition == option] for option in survey.options
    }
    for option, group in groups.items():
        if not 1 <= per_condition <= len(group):
            raise ConfigError(f"{per_condition} of {len(group)} pictures of {option}; expected 1 to {len(group)}")
    uses: Counter[str] = Counter()
    presentations: list[Presentation] = []
    for participant in _name_participants(participants):
        shown: list[Picture] = []
        for group in groups.values():
            used = [uses[picture.code] for picture in group]
            shown += draw_balanced(group, lambda picture: picture.key.age_group, per_condition, rng, used)
        uses.update(picture.code for picture in shown)
        presentations.append(Presentation(participant, "", _shuffle(shown, rng)))
    return _make_study(pack, survey, pack.pictures, presentations, seed)


def _check_pairs(pictures: Sequence[Picture]) -> None:
    """Refuse a pack in which a face is not shown in two variants, one in each version."""
    shown = Counter(picture.key.face for picture in pictures)
    cells = {(picture.key.face, picture.key.version) for picture in pictures}
    variants = {(picture.key.face, picture.key.variant) for picture in pictures}
    if {*shown.values()} != {2} or not len(cells) == len(variants) == len(pictures):
        raise DatasetError("the versions are not complementary; expected each face once in each of two versions")


def _add_masked(pictures: Sequence[Picture], rng: np.random.Generator) -> tuple[Picture, ...]:
    """Rotate the variants of each face through three versions, balanced within each condition."""
    faces: dict[str, dict[str, Picture]] = {}
    for picture in pictures:
        faces.setdefault(picture.key.face, {})[picture.key.variant] = picture
    conditions: dict[str, list[str]] = {}
    for face, pair in faces.items():
        conditions.setdefault(pair["reconstructed"].key.condition, []).append(face)
    orders = dict(zip(faces, (rng.permutation(len(faces)) + 1).tolist(), strict=True))
    codes = {version: draw_codes(len(faces), version, rng) for version in _MASKED_VERSIONS}
    shift = int(rng.integers(len(_MASKED_VERSIONS)))
    planned = []
    for group in conditions.values():
        for face in rng.permutation(group).tolist():
            for at, variant in enumerate(_MASKED_VARIANTS):
                version = _MASKED_VERSIONS[(at + shift) % len(_MASKED_VERSIONS)]
                picture = faces[face]["reconstructed" if variant == MASKED else variant]
                smile = None if variant == MASKED else picture.key.smile
                code, order = codes[version].pop(), orders[face]
                key = replace(picture.key, image=code, variant=variant, version=version, order=order, smile=smile)
                planned.append(replace(picture, key=key))
            shift += 1
    return tuple(planned)


def _name_participants(count: int) -> list[str]:
    if not 1 <= count <= MOST_PARTICIPANTS:
        raise ConfigError(f"{count} participants; expected 1 to {MOST_PARTICIPANTS}")
    return [f"P{number:0{max(3, len(str(count)))}d}" for number in range(1, count + 1)]


def _shuffle(pictures: Sequence[Picture], rng: np.random.Generator) -> tuple[Picture, ...]:
    return tuple(pictures[at] for at in rng.permutation(len(pictures)))


def _make_study(
    pack: StudyPack,
    survey: Survey,
    pictures: Sequence[Picture],
    presentations: Sequence[Presentation],
    seed: int,
) -> Study:
    if strange := {picture.key.condition for picture in pictures} - {*survey.options}:
        raise DatasetError(f"{min(strange)} is none of the options {', '.join(survey.options)}; name it as an option")
    ordered = sorted(pictures, key=lambda picture: picture.code)
    return Study(pack, survey, tuple(ordered), tuple(presentations), seed)
