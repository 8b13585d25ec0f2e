"""Exclusions: the rules by which sessions and answers are left out, and the number that each of them concerns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from core.errors import ConfigError
from studies.answers.key import AnswerKey
from studies.answers.sessions import GivenAnswer, Session, identifies_person

PREVIEW: Final = "preview, test or spam"
UNNAMED: Final = "participant is not named"
IDENTIFIED: Final = "participant is named by an e-mail or IP address"
BOTH_VERSIONS: Final = "participant answered images of several versions"
UNFINISHED: Final = "not finished"
INCOMPLETE: Final = "not all images answered"
TOO_FAST: Final = "too fast"
REPEATED: Final = "second survey of a participant"
UNDATED: Final = "several surveys of a participant, without dates that tell which was first"
UNKNOWN_IMAGE: Final = "image is not in the key"
ANSWERED_TWICE: Final = "image answered twice in one session"
NO_OPTION: Final = "answer is no option"

REMEDIES: Final[Mapping[str, str]] = {
    UNNAMED: "name the column of the pseudonyms, and see that each participant gives one",
    IDENTIFIED: "replace addresses by pseudonyms before answers are imported",
    BOTH_VERSIONS: "all answers of these participants are left out; see how both versions came to them",
    UNDATED: "none is used; remove all but the first from the files",
    UNKNOWN_IMAGE: "name the key of this survey",
    ANSWERED_TWICE: "none of the answers is used; see whether two participants have one name",
    NO_OPTION: "say by --label TEXT=OPTION what it stands for; a key without options needs an --option for each",
}
"""Remedies for the reasons that point to an error in the survey, the export or the key."""

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d.*")
"""Dates whose texts sort by time."""


@dataclass(frozen=True)
class ExclusionRules:
    """Rules of a study for what is left out, fixed before there are answers.

    Attributes:
        images: number of images that a complete session has; None takes that of the version in the key, and does not
            ask for any where the key has no versions.
        least_seconds: median time of an answer below which a session is too fast; 0 for none.
        unfinished: keep sessions that are not finished or not complete, unless they have no answer at all.

    Raises:
        ConfigError: a number out of its range.
    """

    images: int | None = None
    least_seconds: float = 0.0
    unfinished: bool = False

    def __post_init__(self) -> None:
        if (self.images is not None and self.images < 1) or not 0 <= self.least_seconds < float("inf"):
            raise ConfigError(f"{self.images} images and {self.least_seconds} s; expected 1 or more, and 0 or more")


@dataclass(frozen=True)
class LeftOut:
    """Session, or answer of a session, that is left out.

    Attributes:
        place: file and line.
        answers: number of answers.
        session: a whole session.
    """

    reason: str
    place: str
    answers: int
    session: bool


@dataclass(frozen=True)
class Exclusion:
    """Number of sessions and answers that are left out for one reason.

    Attributes:
        sessions: number of sessions that are left out whole.
        answers: number of answers, those of these sessions included.
    """

    reason: str
    sessions: int
    answers: int


def count_exclusions(left_out: Sequence[LeftOut]) -> tuple[Exclusion, ...]:
    """Count what is left out by reason, in the order in which the reasons occur."""
    return tuple(
        Exclusion(
            reason,
            sum(one.session for one in left_out if one.reason == reason),
            sum(one.answers for one in left_out if one.reason == reason),
        )
        for reason in dict.fromkeys(one.reason for one in left_out)
    )


def exclude_sessions(
    sessions: Sequence[Session], key: AnswerKey, rules: ExclusionRules
) -> tuple[list[Session], list[LeftOut]]:
    """Separate the sessions that a study keeps from those left out, each for the first reason that applies."""
    expected = Counter(image.version for image in key.values() if image.version)
    versions: dict[str, set[str]] = {}
    for session in sessions:
        if not session.preview:
            versions.setdefault(session.participant, set()).update(_list_versions(session, key))

    def find_reason(session: Session) -> str:
        if session.preview:
            return PREVIEW
        if not session.participant:
            return UNNAMED
        if identifies_person(session.participant):
            return IDENTIFIED
        mine = versions[session.participant]
        if len(mine) > 1:
            return BOTH_VERSIONS
        images = rules.images or max((expected[version] for version in mine), default=0)
        if not rules.unfinished and session.finished is False:
            return UNFINISHED
        given = {answer.image for answer in session.answers} & key.keys()
        if session.answers and not given:
            return UNKNOWN_IMAGE
        if not given or (not rules.unfinished and len(given) < images):
            return INCOMPLETE
        times = [answer.seconds for answer in session.answers if answer.seconds is not None]
        return TOO_FAST if times and median(times) < rules.least_seconds else ""

    reasons = {at: reason for at, session in enumerate(sessions) if (reason := find_reason(session))}
    reasons |= _find_repeated({at: session for at, session in enumerate(sessions) if at not in reasons})
    kept = [session for at, session in enumerate(sessions) if at not in reasons]
    return kept, [
        LeftOut(reason, sessions[at].place, len(sessions[at].answers), session=True)
        for at, reason in sorted(reasons.items())
    ]


def _list_versions(session: Session, key: AnswerKey) -> Iterator[str]:
    """List the versions to which the images of a session belong."""
    for answer in session.answers:
        if answer.image in key and (version := key[answer.image].version):
            yield version


def _find_repeated(sessions: Mapping[int, Session]) -> Iterator[tuple[int, str]]:
    """Find all but the first session of each participant; all of them if it is not known which is the first."""
    by_participant: dict[str, list[int]] = {}
    for at, session in sessions.items():
        by_participant.setdefault(session.participant, []).append(at)
    for places in by_participant.values():
        if len(places) > 1:
            dates = [sessions[at].started for at in places]
            dated = len({*dates}) == len(dates) and all(map(_DATE.fullmatch, dates))
            first = min(places, key=lambda at: sessions[at].started)
            yield from ((at, REPEATED if dated else UNDATED) for at in places if not dated or at != first)


def exclude_answers(
    session: Session, key: AnswerKey, options: Sequence[str]
) -> tuple[list[GivenAnswer], list[LeftOut]]:
    """Separate the answers of a session that can be used from those that cannot.

    Args:
        options: answers that can be given to images for which the key names none.
    """
    times = Counter(answer.image for answer in session.answers)

    def find_reason(answer: GivenAnswer) -> str:
        if answer.image not in key:
            return UNKNOWN_IMAGE
        if times[answer.image] > 1:
            return ANSWERED_TWICE
        return "" if answer.answer in (key[answer.image].options or options) else NO_OPTION

    reasons = [find_reason(answer) for answer in session.answers]
    kept = [answer for answer, reason in zip(session.answers, reasons, strict=True) if not reason]
    return kept, [
        LeftOut(reason, f"{answer.place}: {answer.image}, {answer.answer!r}", 1, session=False)
        for answer, reason in zip(session.answers, reasons, strict=True)
        if reason
    ]
