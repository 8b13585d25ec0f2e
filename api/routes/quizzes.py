"""Routes of quizzes: files for learning platforms that ask which condition a face of an image set shows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from typing import IO, Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from api.dependencies import CompleteSet, ImageSetsCaller, ServiceDep, find_complete_set, find_image_set
from api.documented_responses import FILE, problem
from api.file_responses import cached_file
from api.image_sets.quizzes import QuizFormat
from api.image_sets.storage import StoredRequest
from api.resources import Resources
from faces.image_set_request import LARGEST_SEED
from studies.quiz.questions import MOST_QUESTIONS

router = APIRouter(prefix="/v1/image-sets", tags=["image sets"])

MOST_SETS: Final = 10

_RESPONSES: Final = FILE | {422: problem("Too few conditions or pictures, or an image set that does not fit.")}


@dataclass(frozen=True)
class QuizRequest:
    """Quiz that is asked for.

    Args:
        sets: complete image sets of the caller.
        questions: number of questions; None takes as many as there can be, up to 20.
    """

    sets: tuple[StoredRequest, ...]
    questions: int | None
    seed: int


def read_quiz_request(
    service: ServiceDep,
    caller: ImageSetsCaller,
    known: CompleteSet,
    questions: Annotated[
        int | None,
        Query(ge=1, le=MOST_QUESTIONS, description="Number of questions; unset: as many as there can be, up to 20."),
    ] = None,
    seed: Annotated[
        int, Query(ge=0, le=LARGEST_SEED, description="Where the random choice of the questions comes from.")
    ] = 0,
    more: Annotated[
        tuple[str, ...],
        Query(
            max_length=MOST_SETS,
            description="Ids of further image sets, of the same weights: of other conditions, such as `unaffected`, or "
            "of the kind `average`, whose faces explain the answers.",
        ),
    ] = (),
) -> QuizRequest:
    """Return the quiz that a request asks for.

    Raises:
        Problem: 404 or 409, one of the further image sets does not exist or is not complete.
    """
    others = (find_complete_set(service, find_image_set(service, caller, set_id)) for set_id in more)
    return QuizRequest((known, *others), questions, seed)


KnownQuiz = Annotated[QuizRequest, Depends(read_quiz_request)]


@router.head("/{set_id}/quiz.xml", include_in_schema=False)
@router.get("/{set_id}/quiz.xml", summary="A quiz for Moodle", responses=_RESPONSES, response_class=Response)
async def moodle(request: Request, service: ServiceDep, caller: ImageSetsCaller, asked: KnownQuiz) -> Response:
    """Questions which condition a face shows, as Moodle XML with the pictures in it.

    All conditions are asked for equally often in each age group. After each answer comes what the label says, the
    facial features of the condition, and the average face if `more` names a set of averages.
    """
    return await _send(request, service, caller.owner, asked, "moodle", "quiz.xml", "application/xml")


@router.head("/{set_id}/quiz.zip", include_in_schema=False)
@router.get("/{set_id}/quiz.zip", summary="A quiz in QTI 2.1", responses=_RESPONSES, response_class=Response)
async def qti(request: Request, service: ServiceDep, caller: ImageSetsCaller, asked: KnownQuiz) -> Response:
    """The same quiz as a content package in QTI 2.1, for other learning platforms."""
    return await _send(request, service, caller.owner, asked, "qti", "quiz.zip", "application/zip")


async def _send(
    request: Request,
    service: Resources,
    owner: str,
    asked: QuizRequest,
    form: QuizFormat,
    name: str,
    media_type: str,
) -> Response:
    first, about = asked.sets[0].id, json.dumps([[one.id for one in asked.sets], asked.questions, asked.seed])
    key = f"{first}-{hashlib.sha256(about.encode()).hexdigest()[:16]}-{name}"
    made = await service.work.run(owner, service.cache.get, key, partial(_write, service, asked, form))
    return cached_file(request, made, media_type, f"{first[:16]}-{name}")


def _write(service: Resources, asked: QuizRequest, form: QuizFormat, file: IO[bytes]) -> None:
    quizzes = service.open_quizzes(asked.sets[0])
    quizzes.write(quizzes.draw(asked.sets, asked.questions, asked.seed), form, file)
