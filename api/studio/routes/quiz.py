"""Pages of quizzes: setting one up, answering it, and the result.

A page with a question does not have its answer: pictures have sealed addresses, and so has the progress of the learner.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse

from api.access.api_keys import Caller
from api.dependencies import ImageSetsCaller, KnownSet, ServiceDep, find_complete_set, find_image_set, find_model
from api.file_responses import bytes_response
from api.image_sets.quizzes import Quizzes
from api.image_sets.sheets import list_ages
from api.image_sets.storage import StoredRequest
from api.problem_types import ProblemType
from api.problems import Problem
from api.representations import describe_image_set
from api.resources import Resources
from api.studio.forms import NO_ERRORS, FieldErrors, keep_values
from api.studio.page_route import PageRoute
from api.studio.pages import HEADERS, render
from api.studio.quiz_runs import QuizRun
from api.studio.service_calls import call_service, read_problem
from api.studio.words import translate as _
from faces.image_set_request import LARGEST_SEED
from studies.quiz.questions import MOST_QUESTIONS, USUAL_QUESTIONS, Quiz, QuizPicture
from studies.quiz.scores import QuizAnswer, evaluate_answers, format_answers, list_confidences

router = APIRouter(prefix="/studio/teach", route_class=PageRoute, include_in_schema=False)

_FIELDS: Final = ("conditions", "ages", "questions", "seed", "model")
_LARGEST_DRAWN_SEED: Final = 1_000_000
_SHOWN_SIDE: Final = 512

More = Annotated[tuple[str, ...], Query(max_length=10)]
Questions = Annotated[int | None, Query(ge=1, le=MOST_QUESTIONS)]
Seed = Annotated[int, Query(ge=0, le=LARGEST_SEED)]


@router.get("/quiz")
def show_form(request: Request, service: ServiceDep, caller: ImageSetsCaller, model: str | None = None) -> Response:
    """Show the form that sets up a quiz."""
    values = {"questions": USUAL_QUESTIONS, "seed": secrets.randbelow(_LARGEST_DRAWN_SEED), "feedback": "each"}
    return _show_form(request, service, caller, model, values | {"confidence": "on"}, NO_ERRORS)


@router.post("/quiz")
async def set_up(request: Request, service: ServiceDep, caller: ImageSetsCaller) -> Response:
    """Ask for the image sets of a quiz: its faces, and the average faces that explain the answers."""
    form = await request.form()
    model = str(form.get("model", "")) or None
    errors = _check_form(form)
    if errors:
        return _show_form(request, service, caller, model, _keep_values(form), errors)
    questions, seed = int(str(form["questions"])), int(str(form["seed"]))
    label = {name: form.getlist(name) for name in ("conditions", "ages")} | ({"model": model} if model else {})
    count = -(-questions // (len(label["conditions"]) * len(label["ages"])))
    ids = []
    for body in ({"kind": "unrelated", "count": count, "seed": seed}, {"kind": "average"}):
        answer = await call_service(request, "POST", "/v1/image-sets", json=body | label)
        if answer.is_error:
            errors = FieldErrors.of_problem(read_problem(answer), _FIELDS)
            return _show_form(request, service, caller, model, _keep_values(form), errors)
        ids.append(answer.json()["id"])
    each, sure = form.get("feedback") != "end", "confidence" in form
    path = f"/studio/teach/quiz/{ids[0]}?more={ids[1]}&questions={questions}&seed={seed}&each={each}&sure={sure}"
    return RedirectResponse(path, 303)


def _check_form(form: FormData) -> FieldErrors:
    errors = {}
    if len(form.getlist("conditions")) < 2:
        errors["conditions"] = _("Choose two conditions or more; unaffected counts as one.")
    if not form.getlist("ages"):
        errors["ages"] = _("Choose an age group or more.")
    for name, least, most in (("questions", 1, MOST_QUESTIONS), ("seed", 0, LARGEST_SEED)):
        text = str(form.get(name, ""))
        if not (text.isdecimal() and len(text) < 20 and least <= int(text) <= most):
            errors[name] = _("%(value)s: expected a whole number from %(least)s to %(most)s.") % {
                "value": repr(text[:20]),
                "least": least,
                "most": most,
            }
    return FieldErrors(errors)


def _keep_values(form: FormData) -> dict[str, Any]:
    """Return the values of the form, to be shown again."""
    return keep_values(form) | {name: form.getlist(name) for name in ("conditions", "ages")}


def _show_form(
    request: Request,
    service: Resources,
    caller: Caller,
    model: str | None,
    values: Mapping[str, Any],
    errors: FieldErrors,
) -> Response:
    info = find_model(service, caller, model).info
    conditions = [(name, service.catalogue.describe(name, {}).label) for name in info.conditions]
    ages = [(age.name, age.name.replace("_", " ")) for age in info.ages]
    return render(
        request,
        "teach/quiz_form.html",
        status=422 if errors else 200,
        models=[(one.name, one.name) for one in service.list_models(caller)],
        model=info.name,
        conditions=conditions,
        ages=ages,
        values={"conditions": [name for name, _ in conditions], "ages": [name for name, _ in ages], **values},
        most=MOST_QUESTIONS,
        errors=errors,
    )


@router.get("/quiz/{set_id}")
def show_quiz(
    request: Request,
    service: ServiceDep,
    caller: ImageSetsCaller,
    known: KnownSet,
    more: More = (),
    questions: Questions = None,
    seed: Seed = 0,
    each: bool = True,
    sure: bool = True,
) -> Response:
    """Show a quiz to its teacher: how it is made, where it begins, and its files for learning platforms."""
    sets = [known, *(find_image_set(service, caller, set_id) for set_id in more)]
    described = [describe_image_set(service, one) for one in sets]
    context: dict[str, Any] = {"sets": described, "quiz": None}
    if all(one.state == "done" for one in described):
        quizzes = service.open_quizzes(known)
        quiz = quizzes.draw(sets, questions, seed)
        run = QuizRun([one.id for one in sets], len(quiz.questions), seed, each, sure)
        asked = dict.fromkeys(age for one in sets for age in list_ages(service.store.manifest(one.id)))
        drawn = {question.picture.age_group for question in quiz.questions}
        used = [age for age in asked if age in drawn]
        query = "".join(f"&more={set_id}" for set_id in more)
        context |= {
            "quiz": quiz,
            "ages": used,
            "left_out": _explain_ages(quiz, len(used), len(asked)),
            "notice": quizzes.notice,
            "start": _link_to(service, run),
            "query": f"?questions={run.questions}&seed={seed}{query}",
            "each": each,
            "sure": sure,
        }
    return render(request, "teach/quiz.html", **context)


def _explain_ages(quiz: Quiz, used: int, asked: int) -> str:
    """Say why a quiz has fewer age groups than its image sets; empty if it has all."""
    if used == asked:
        return ""
    return _(
        "It has %(used)s of %(asked)s age groups: a group needs a face of each condition, and there are %(questions)s "
        "questions for %(conditions)s conditions. All groups need %(needed)s questions."
    ) % {
        "used": used,
        "asked": asked,
        "questions": len(quiz.questions),
        "conditions": len(quiz.choices),
        "needed": asked * len(quiz.choices),
    }


def _link_to(service: Resources, run: QuizRun) -> str:
    return f"/studio/teach/run?at={service.quiz_tokens.seal(run.to_json())}"


@dataclass(frozen=True)
class _OpenRun:
    """Progress of a learner, with the quiz that it belongs to.

    Attributes:
        quizzes: of the generator that made its pictures.
    """

    run: QuizRun
    quiz: Quiz
    quizzes: Quizzes


def _find_complete_sets(service: Resources, caller: Caller, ids: Sequence[str]) -> list[StoredRequest]:
    return [find_complete_set(service, find_image_set(service, caller, set_id)) for set_id in ids]


def open_run(service: ServiceDep, caller: ImageSetsCaller, at: str) -> _OpenRun:
    """Return the progress that an address holds.

    Raises:
        Problem: 404, the address is not whole, or a set of the quiz is not the caller's or was deleted.
    """
    value = service.quiz_tokens.open(at)
    if not isinstance(value, dict):
        raise Problem(ProblemType.PATH_NOT_FOUND, "The address of the quiz is not whole; begin the quiz again.")
    run = QuizRun.from_json(value)
    sets = _find_complete_sets(service, caller, run.sets)
    quizzes = service.open_quizzes(sets[0])
    return _OpenRun(run, quizzes.draw(sets, run.questions, run.seed), quizzes)


OpenRun = Annotated[_OpenRun, Depends(open_run)]


@router.get("/run")
def show_run(request: Request, service: ServiceDep, caller: ImageSetsCaller, opened: OpenRun) -> Response:
    """Show the explanation of the last answer, the next question, or the result."""
    run = opened.run
    if run.after_each and run.explained < len(run.answers):
        return _show_explanation(request, service, opened)
    if run.complete:
        return _show_result(request, service, opened)
    return _show_question(request, service, opened, {}, NO_ERRORS)


@router.post("/run")
async def answer(request: Request, service: ServiceDep, caller: ImageSetsCaller, opened: OpenRun) -> Response:
    """Take the answer to the current question, and go on."""
    run, quiz, form = opened.run, opened.quiz, await request.form()
    if run.complete:
        return RedirectResponse(_link_to(service, run), 303)
    names = [choice.name for choice in quiz.choices]
    levels = [str(level) for level in range(len(list_confidences(len(names))))]
    chosen, level = str(form.get("choice", "")), str(form.get("level", ""))
    errors = {}
    if chosen not in names:
        errors["choice"] = _("Choose a condition; a guess counts too.")
    if run.confidence and level not in levels:
        errors["level"] = _("Choose how sure you are.")
    if errors:
        return _show_question(request, service, opened, keep_values(form), FieldErrors(errors))
    return RedirectResponse(
        _link_to(service, run.add(names.index(chosen), int(level) if run.confidence else None)), 303
    )


@router.get("/run/answers.csv")
def download_answers(caller: ImageSetsCaller, opened: OpenRun) -> Response:
    """Download the answers as a table, once all are given."""
    if not opened.run.complete:
        raise Problem(ProblemType.PATH_NOT_FOUND, "The answers can be had when the last question is answered.")
    text = format_answers(opened.quiz, opened.run.list_answers(opened.quiz))
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="answers.csv"'}
    return Response(text, headers=headers, media_type="text/csv; charset=utf-8")


@router.get("/run/picture")
def show_picture(request: Request, service: ServiceDep, caller: ImageSetsCaller, of: str) -> Response:
    """Send a picture of a quiz, whose address and metadata do not say what it shows."""
    match service.quiz_tokens.open(of):
        case [str(set_id), int(index)]:
            [known] = _find_complete_sets(service, caller, [set_id])
            data = service.open_quizzes(known).encode_picture(set_id, index, "webp")
            return bytes_response(request, data, "image/webp")
    raise Problem(ProblemType.PATH_NOT_FOUND, "The address of the picture is not whole.")


def _address(service: Resources, picture: QuizPicture | None) -> str | None:
    """Return the sealed address of a picture."""
    if picture is None:
        return None
    return f"/studio/teach/run/picture?of={service.quiz_tokens.seal([picture.image_set, picture.index])}"


def _show_question(
    request: Request, service: Resources, opened: _OpenRun, values: Mapping[str, Any], errors: FieldErrors
) -> Response:
    question = opened.run.find_question(opened.quiz)
    confidences = list_confidences(len(opened.quiz.choices))
    levels = [(str(level), f"{100 * share:.0f} %") for level, share in enumerate(confidences)]
    for place, word in ((0, _("a guess")), (-1, _("certain"))):
        levels[place] = (levels[place][0], f"{word} ({levels[place][1]})")
    return render(
        request,
        "teach/question.html",
        status=422 if errors else 200,
        number=question.number,
        count=opened.run.questions,
        age=question.picture.age_group,
        picture=_address(service, question.picture),
        side=_SHOWN_SIDE,
        choices=[(choice.name, choice.label) for choice in opened.quiz.choices],
        levels=levels if opened.run.confidence else [],
        action=_link_to(service, opened.run),
        values=values,
        errors=errors,
        notice=opened.quizzes.notice,
    )


def _show_explanation(request: Request, service: Resources, opened: _OpenRun) -> Response:
    given = opened.run.list_answers(opened.quiz)[-1]
    return render(
        request,
        "teach/explanation.html",
        answer=_explain(service, opened, given.question.number - 1),
        count=opened.run.questions,
        side=_SHOWN_SIDE,
        following=_link_to(service, opened.run.explain()),
        last=opened.run.complete,
        notice=opened.quizzes.notice,
    )


def _show_result(request: Request, service: Resources, opened: _OpenRun) -> Response:
    run, quiz = opened.run, opened.quiz
    token = service.quiz_tokens.seal(run.to_json())
    again = replace(run, answers=(), explained=0)
    return render(
        request,
        "teach/result.html",
        result=evaluate_answers(quiz, run.list_answers(quiz)),
        labels=quiz.labels,
        answers=[_explain(service, opened, place) for place in range(len(run.answers))],
        side=_SHOWN_SIDE,
        table=f"/studio/teach/run/answers.csv?at={token}",
        again=_link_to(service, again),
        notice=opened.quizzes.notice,
    )


def _explain(service: Resources, opened: _OpenRun, place: int) -> dict[str, Any]:
    """Return what a page says about an answer that was given."""
    given = opened.run.list_answers(opened.quiz)[place]
    question = given.question
    picture = question.picture
    [right] = [choice for choice in opened.quiz.choices if choice.name == picture.condition]
    explanation = f"/studio/explanations/sets/{picture.image_set}/images/{picture.index}"
    return {
        "number": question.number,
        "correct": given.correct,
        "right": right,
        "chosen": opened.quiz.labels[given.choice],
        "age": picture.age_group.replace("_", " "),
        "picture": _address(service, picture),
        "average": _address(service, question.average),
        "chosen_average": None if given.correct else _address(service, _find_average(opened.quiz, given)),
        "explanation": explanation if service.classifiers.list_infos() else None,
    }


def _find_average(quiz: Quiz, answer: QuizAnswer) -> QuizPicture | None:
    """Return the average face of the condition that was chosen, at the age of the question."""
    label = (answer.choice, answer.question.picture.age_group)
    others = (one for one in quiz.questions if (one.picture.condition, one.picture.age_group) == label)
    return next((one.average for one in others), None)
