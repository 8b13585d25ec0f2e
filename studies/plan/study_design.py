"""Design of a survey: the faces, what each participant sees of them, and the answers that can be given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError

Ints = npt.NDArray[np.int64]

VERSIONS: Final = "ABCDEFGH"
"""Names of the versions of a survey, of which each shows every face in another variant."""


@dataclass(frozen=True)
class FaceGroup:
    """Faces of one condition and one age group.

    Attributes:
        condition: the true answer.
        faces: number of faces.
        shown: number of these faces that each participant sees.
        accuracy: expected share of right answers over participants and faces, where all variants are equally hard.
        age_group: empty if ages play no part.

    Raises:
        ConfigError: a number out of its range.
    """

    condition: str
    faces: int
    shown: int
    accuracy: float
    age_group: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.shown <= self.faces:
            raise ConfigError(f"{self.condition}: {self.shown} of {self.faces} faces are shown; expected 1 or more")
        if not 0 < self.accuracy < 1:
            raise ConfigError(f"{self.condition}: accuracy {self.accuracy}; expected a share between 0 and 1")


@dataclass(frozen=True)
class StudyDesign:
    """Design of a survey in one or several versions.

    Attributes:
        name: for reports.
        groups: the faces.
        options: answers that can be given; they contain every condition.
        participants: number of participants who see each version.
        variants: kinds of pictures of a face, one for each version: ("reconstructed", "edited"), or ("unedited",).
            Each participant sees a face in one of them.
        assignment: number of the variant in which each version shows each face; empty if the variants rotate within
            each group, so that every version shows equally many faces in each.

    Raises:
        ConfigError: numbers that do not fit each other, or a condition that is no option.
    """

    name: str
    groups: tuple[FaceGroup, ...]
    options: tuple[str, ...]
    participants: tuple[int, ...]
    variants: tuple[str, ...] = ("unedited",)
    assignment: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.groups or not 1 <= len(self.variants) <= len(VERSIONS):
            raise ConfigError(
                f"{len(self.groups)} groups and {len(self.variants)} variants; expected at least one group and 1 to "
                f"{len(VERSIONS)} variants"
            )
        if len(self.participants) != len(self.variants) or min(self.participants) < 0 or not sum(self.participants):
            raise ConfigError(
                f"{self.participants} participants for {len(self.variants)} versions; expected a number for each"
            )
        if len({*self.options}) < 2:
            raise ConfigError(f"options {', '.join(self.options)}; expected two or more different ones")
        if missing := {group.condition for group in self.groups} - {*self.options}:
            raise ConfigError(f"{min(missing)} is no option of {', '.join(self.options)}; name every condition")

    @property
    def faces(self) -> int:
        """Number of faces."""
        return sum(group.faces for group in self.groups)

    @property
    def versions(self) -> tuple[str, ...]:
        """Names of the versions; one version has the empty name."""
        return tuple(VERSIONS[: len(self.variants)]) if len(self.variants) > 1 else ("",)

    def list_face_groups(self) -> tuple[FaceGroup, ...]:
        """Return the group of each face; the faces are numbered group by group."""
        return tuple(group for group in self.groups for _ in range(group.faces))

    def assign_variants(self) -> Ints:
        """Return the number of the variant in which each version shows each face, (versions, faces)."""
        if self.assignment:
            return np.array(self.assignment, dtype=np.int64)
        count = len(self.variants)
        # Groups of odd sizes begin with another variant in turn, so that versions stay balanced as a whole.
        places = [place + at for at, group in enumerate(self.groups) for place in range(group.faces)]
        return (np.array(places) + np.arange(count)[:, None]) % count

    def with_participants(self, count: int) -> StudyDesign:
        """Return the design for another number of participants, shared evenly among the versions."""
        share, rest = divmod(count, len(self.variants))
        return replace(self, participants=tuple(share + (at < rest) for at in range(len(self.variants))))

    def with_faces(self, count: int) -> StudyDesign:
        """Return the design with another number of faces in each group, of which as large a share is shown."""
        groups = [
            replace(group, faces=count, shown=max(1, round(count * group.shown / group.faces))) for group in self.groups
        ]
        return replace(self, groups=tuple(groups), assignment=())


PATEL: Final = StudyDesign(
    name="patel",
    groups=(
        FaceGroup("22q11DS", 8, 8, 248 / 448),
        FaceGroup("Angelman", 8, 8, 172 / 447),
        FaceGroup("Noonan", 8, 8, 255 / 448),
        FaceGroup("WS", 8, 8, 265 / 448),
    ),
    options=("22q11DS", "Angelman", "Noonan", "WS", "unaffected"),
    participants=(23, 33),
    variants=("reconstructed", "edited"),
)
"""Survey of Patel et al. 2024: 32 faces in two complementary versions; accuracies of their Table 4, both variants."""

AGES: Final = ("infant", "child", "adolescent", "young_adult", "older_adult")
"""Age groups of Duong et al. 2022, by their names in data sets."""


def _describe_duong(condition: str, affected: Sequence[float], others: Sequence[float]) -> StudyDesign:
    return StudyDesign(
        name=f"duong-{condition.lower()}",
        groups=tuple(
            FaceGroup(name, 10, 5, accuracy, age)
            for name, accuracies in ((condition, affected), ("other", others))
            for age, accuracy in zip(AGES, accuracies, strict=True)
        ),
        options=(condition, "other"),
        participants=(30,),
    )


DUONG_22Q: Final = _describe_duong("22q11DS", (0.54, 0.527, 0.673, 0.613, 0.507), (0.753, 0.6, 0.52, 0.6, 0.593))
DUONG_WS: Final = _describe_duong("WS", (0.673, 0.707, 0.807, 0.74, 0.713), (0.84, 0.767, 0.86, 0.787, 0.86))
"""Surveys of Duong et al. 2022: 100 unedited faces, of which each of 30 participants sees 25 + 25 at random, balanced
by age; accuracies of their Table 1."""

DESIGNS: Final = {design.name: design for design in (PATEL, DUONG_22Q, DUONG_WS)}
"""Published designs by name."""
