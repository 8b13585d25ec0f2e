"""Sessions: what one participant answered in one run of a survey, as the survey program exported it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from statistics import median
from typing import Final, Literal, TypeAlias

from core.errors import DatasetError

TimeUnit: TypeAlias = Literal["s", "ms", "us"]

SECONDS: Final[Mapping[TimeUnit, float]] = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
"""Seconds in each unit of time."""

_PLAUSIBLE: Final = (0.1, 600.0)
"""Seconds between which the median time of an answer lies in any survey of pictures."""

_PICTURES: Final = frozenset({"png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff"})


@dataclass(frozen=True)
class GivenAnswer:
    """One answer as exported, not yet compared with the key.

    Attributes:
        image: code of the image.
        answer: label or code of the choice; never empty.
        place: file and line, for messages.
        order: place of the image for this participant, from 1.
    """

    image: str
    answer: str
    place: str
    order: int | None = None
    confidence: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Session:
    """One run of a survey.

    Attributes:
        participant: pseudonym as exported; it may be empty, or the e-mail address of somebody who gave no code.
        place: file and line, for messages.
        finished: False if the survey program says that it was not submitted, None if it says nothing.
        preview: a trial of the author's, not of a participant.
        started: time stamp whose text sorts by time; empty if unknown.
    """

    participant: str
    place: str
    answers: tuple[GivenAnswer, ...]
    finished: bool | None = None
    preview: bool = False
    started: str = ""


def identifies_person(participant: str) -> bool:
    """Tell whether a participant is named by an e-mail or IP address, and not by a pseudonym."""
    try:
        ip_address(participant)
    except ValueError:
        return "@" in participant
    return True


def check_times(source: str, sessions: list[Session], unit: TimeUnit) -> list[Session]:
    """Return the sessions if the times of their answers are plausible.

    Args:
        unit: the unit in which they were read.

    Raises:
        DatasetError: the median is so short or long that the times are in another unit.
    """
    times = [one.seconds for session in sessions for one in session.answers if one.seconds is not None]
    low, high = _PLAUSIBLE
    if times and not low <= (middle := median(times)) <= high:
        raise DatasetError(
            f"{source}: the median time of an answer, read in {unit}, is {middle:.4g} s; expected {low:g} to {high:g} "
            f"s: name the unit of the times, one of {', '.join(SECONDS)}"
        )
    return sessions


def number_answers(session: Session) -> Session:
    """Number the answers of a session in the order in which they were given."""
    return replace(
        session, answers=tuple(replace(answer, order=order) for order, answer in enumerate(session.answers, 1))
    )


def name_image(text: str) -> str:
    """Return the code of an image that is named by its code, or by the path or address of its file."""
    name = text.strip().replace("\\", "/").rpartition("/")[2]
    stem, dot, ending = name.rpartition(".")
    return stem if dot and ending.lower() in _PICTURES else name
