"""jsPsych's answers: one JSON file a participant, a list of trials with image, answer, confidence and rt."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from core.errors import DatasetError
from studies.answers.sessions import SECONDS, GivenAnswer, Session, TimeUnit, name_image


def parse_jspsych(source: str, text: str, unit: TimeUnit = "ms") -> Session:
    """Parse the file of one participant.

    The file holds a list of trials, or an object with the list `trials` and what is the same for all of them:
    `participant`, and optionally `finished` and `started`. Trials without an image or an answer, such as instructions,
    are skipped. `participant` may stand in the trials instead.

    Args:
        source: name of the file, for messages.
        unit: of the reaction times `rt`.

    Raises:
        DatasetError: it is no JSON, or a field is not as expected.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{source} is no JSON ({error}); the file is cut off, or of another format") from error
    about: Mapping[str, Any] = document if isinstance(document, dict) else {}
    trials = about.get("trials") if about else document
    if not isinstance(trials, list) or not all(isinstance(trial, dict) for trial in trials):
        raise DatasetError(f"{source} has no trials; expected a list of objects, or an object with the list `trials`")
    answers: list[GivenAnswer] = []
    names = [about.get("participant")]
    for number, trial in enumerate(trials, 1):
        place = f"{source}, trial {number}"
        names.append(trial.get("participant"))
        image, answer = (_read_text(trial, name, place) for name in ("image", "answer"))
        if image and answer:
            seconds = _read_number(trial, "rt", place)
            answers.append(
                GivenAnswer(
                    image=name_image(image),
                    answer=answer,
                    place=place,
                    order=len(answers) + 1,
                    confidence=_read_number(trial, "confidence", place),
                    seconds=None if seconds is None else seconds * SECONDS[unit],
                )
            )
    known = {str(name).strip() for name in names if isinstance(name, str | int)}
    if len(known) > 1:
        raise DatasetError(f"{source} has {len(known)} participants; expected one in each file")
    finished = about.get("finished")
    if finished is not None and not isinstance(finished, bool):
        raise DatasetError(f"{source}: finished is {finished!r}; expected true or false")
    return Session(
        participant="".join(known),
        place=source,
        answers=tuple(answers),
        finished=finished,
        started=_read_text(about, "started", source),
    )


def _read_text(trial: Mapping[str, Any], name: str, place: str) -> str:
    value = trial.get(name)
    if value is not None and not isinstance(value, str):
        raise DatasetError(f"{place}: {name} is {str(value)[:40]!r}; expected text")
    return (value or "").strip()


def _read_number(trial: Mapping[str, Any], name: str, place: str) -> float | None:
    value = trial.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300 or math.isnan(value):
        raise DatasetError(f"{place}: {name} is {str(value)[:40]!r}; expected a number, or null")
    return float(value)
