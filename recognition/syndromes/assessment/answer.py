"""Answer of the models of a syndrome for one photograph, and the numbers that describe whom they were trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeAlias

from faces.images import Pixels

Line: TypeAlias = tuple[tuple[float, float], tuple[float, float]]
"""Ends of a line in a picture, (x, y) in shares of its width."""

NOTICE: Final = (
    "Research use only; no diagnosis. The probability compares this face with the faces of matched controls, and says "
    "nothing of a person whom these do not represent."
)


@dataclass(frozen=True)
class Estimate:
    """Calibrated probability of a syndrome, with the 95 % interval of its calibration."""

    probability: float
    low: float
    high: float


@dataclass(frozen=True)
class Novelty:
    """How far a face lies from the nearest face of the training, without the distance, which could identify a person.

    Attributes:
        share: share of the training faces that lie at least as far from the nearest other one, in tenths. 0.9 stands
            for more too, so that a person of the training is not told from others who are like them.
        beyond: whether the face is unlike everything that the models were trained on.
    """

    share: float
    beyond: bool


@dataclass(frozen=True)
class Group:
    """Description of patients or controls in numbers, which name nobody.

    Attributes:
        persons: number of different persons.
        sexes, ancestries: number of persons by their value, without numbers below 5.
        ages: limits of the ages in multiples of 5 years, and between them the quartiles in whole years if the group has
            20 persons or more.
    """

    persons: int
    sexes: Mapping[str, int]
    ancestries: Mapping[str, int]
    ages: tuple[float, ...]


@dataclass(frozen=True)
class AnswerReason:
    """Reason of the answer of one model.

    Attributes:
        model: name of the model.
        kind: a distance, a region, a block of the features, or an HPO term.
        name: text for people.
        weight: contribution to the model's answer; above 0 it speaks for the syndrome.
        line: ends of a distance in the picture.
    """

    model: str
    kind: str
    name: str
    weight: float
    line: Line | None = None


def number_lines(reasons: Sequence[AnswerReason]) -> dict[int, AnswerReason]:
    """Return the reasons that are drawn in the picture, by their numbers there, from 1."""
    return dict(enumerate((one for one in reasons if one.line is not None), 1))


@dataclass(frozen=True)
class Assessment:
    """Answer for one photograph.

    Attributes:
        syndrome: name of the syndrome.
        model_sha256: digest of the trained model.
        prior: share of patients among those who are asked about that the probabilities are for.
        estimates: by the name of the model, `ensemble` included; empty where no answer is given. A model that cannot
            take the face is left out, with a remark.
        refusals: reasons why no answer is given.
        remarks: what else a reader has to know.
        novelty: by the name of the space.
        patients, controls: people whom the face was compared with.
        reasons: what spoke for the syndrome or against it, by model, the largest first.
        picture: aligned face with the most important distances, and their names beneath it, (height, width, 3) uint8;
            without an answer it says so.
    """

    syndrome: str
    model_sha256: str
    prior: float
    estimates: Mapping[str, Estimate]
    refusals: tuple[str, ...]
    remarks: tuple[str, ...]
    novelty: Mapping[str, Novelty]
    patients: Group
    controls: Group
    reasons: tuple[AnswerReason, ...]
    picture: Pixels = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the picture as a mapping for JSON."""
        plain = asdict(self)
        del plain["picture"]
        return plain | {"notice": NOTICE}
