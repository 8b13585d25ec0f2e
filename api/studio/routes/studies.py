"""Pages of studies: survey packs of photographs, and reports on the answers of participants."""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import Mapping
from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from markupsafe import Markup
from starlette.datastructures import FormData, UploadFile
from starlette.responses import RedirectResponse

from api.access.api_keys import Caller
from api.access.ownership import Kind
from api.dependencies import KnownPack, PhotosCaller, ServiceDep, find_survey_pack
from api.photographs.records import PackRecord
from api.photographs.request_audit import RequestAudit, RequestAuditDep
from api.photographs.survey_packs import KEY
from api.representations import describe_survey_pack, pack_path
from api.resources import Resources
from api.routes.stimuli import check_pack_done
from api.studio.answer_analysis import UploadedFile, UploadedStudy, analyse
from api.studio.forms import NO_ERRORS, FieldErrors, keep_values, read_number
from api.studio.page_route import PageRoute
from api.studio.pages import HEADERS, render
from api.studio.photograph_choices import list_photographs
from api.studio.service_calls import call_service, check_answer, read_problem
from api.studio.words import translate as _
from core.errors import DatasetError

router = APIRouter(prefix="/studio/studies", route_class=PageRoute, include_in_schema=False)

_LISTED: Final = 50
_PICTURES_ON_A_PAGE: Final = 24
_GROUP: Final = "group-"
_FIELDS: Final = ("photos", "groups", "smile", "seed", "method", "seconds")
_POLICY: Final = HEADERS["Content-Security-Policy"].replace("img-src", "img-src data:")
"""Policy of the page of a report, whose plots stand in the page, because nothing of it is stored."""


@router.get("")
def list_packs(request: Request, service: ServiceDep, caller: PhotosCaller, request_audit: RequestAuditDep) -> Response:
    """Show the caller's survey packs, the newest first."""
    packs = _list_packs(service, caller, request_audit)
    return render(request, "studies/list.html", packs=[describe_survey_pack(service, pack) for pack in packs])


@router.get("/new")
def show_form(request: Request, service: ServiceDep, caller: PhotosCaller, request_audit: RequestAuditDep) -> Response:
    """Show the form for a survey pack."""
    return _render_form(request, service, caller, request_audit, {"local": "on"})


@router.post("")
async def make_pack(
    request: Request, service: ServiceDep, caller: PhotosCaller, request_audit: RequestAuditDep
) -> Response:
    """Ask for the survey pack of the form."""
    form = await request.form()
    answer = await call_service(request, "POST", "/v1/stimuli", json=_read_request(form))
    if answer.is_error:
        errors = FieldErrors.of_problem(read_problem(answer), _FIELDS)
        values = keep_values(form) | {"photos": form.getlist("photos")}
        return await to_thread.run_sync(_render_form, request, service, caller, request_audit, values, errors)
    return RedirectResponse(f"/studio/studies/{answer.json()['id']}", 303)


@router.get("/answers")
def show_answers_form(
    request: Request,
    service: ServiceDep,
    caller: PhotosCaller,
    request_audit: RequestAuditDep,
    pack: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """Show the form for the answers of participants."""
    return _render_answers(request, service, caller, request_audit, {"pack": pack})


@router.post("/answers")
async def analyse_answers(
    request: Request, service: ServiceDep, caller: PhotosCaller, request_audit: RequestAuditDep
) -> Response:
    """Show the report on the answers of the form. Nothing of them is stored."""
    form = await request.form()
    with service.work.admit(caller.owner):
        try:
            study = await _read_study(form, service, caller, request_audit)
            report = await service.work.run(caller.owner, analyse, study)
        except _FormError as error:
            errors = FieldErrors({error.field: str(error)})
        except DatasetError as error:
            errors = FieldErrors(others=(str(error),))
        else:
            if form.get("show") == "files":
                attachment = {"Content-Disposition": 'attachment; filename="study-report.zip"'}
                return Response(b64decode(report["files"]), 200, {**HEADERS, **attachment}, "application/zip")
            context = {"sections": Markup(report["sections"]), "problems": report["problems"]}  # noqa: S704  escaped
            page = render(request, "studies/report.html", **context, files=report["files"])
            page.headers["Content-Security-Policy"] = _POLICY
            return page
    values = keep_values(form)
    return await to_thread.run_sync(_render_answers, request, service, caller, request_audit, values, errors)


@router.get("/{pack_id}")
def show_pack(
    request: Request, service: ServiceDep, pack: KnownPack, page: Annotated[int, Query(ge=1, le=1000)] = 1
) -> Response:
    """Show a survey pack: its progress, or both of its versions as participants see them."""
    described = describe_survey_pack(service, pack)
    first = (page - 1) * _PICTURES_ON_A_PAGE + 1
    people = described.people or 0
    return render(
        request,
        "studies/pack.html",
        pack=described,
        asked=pack.asked,
        path=pack_path(pack.id),
        places=range(first, min(first + _PICTURES_ON_A_PAGE, people + 1)),
        page=page,
        pages=math.ceil(people / _PICTURES_ON_A_PAGE),
    )


@router.post("/{pack_id}/erase")
async def erase_pack(request: Request, pack: KnownPack) -> Response:
    """Erase a survey pack."""
    check_answer(await call_service(request, "DELETE", pack_path(pack.id)))
    return RedirectResponse("/studio/studies", 303)


def _list_packs(service: Resources, caller: Caller, request_audit: RequestAudit) -> list[PackRecord]:
    newest = service.ownership.list_newest(Kind.STIMULI, caller.owner, _LISTED)
    packs = [pack for pack_id, _since in newest if (pack := service.survey_packs.get(pack_id)) is not None]
    request_audit.touch(service.photographs.find_purposes({photo for pack in packs for photo in pack.photos}))
    return packs


def _render_form(
    request: Request,
    service: Resources,
    caller: Caller,
    request_audit: RequestAudit,
    values: Mapping[str, Any],
    errors: FieldErrors = NO_ERRORS,
) -> Response:
    return render(
        request,
        "studies/new.html",
        status=422 if errors else 200,
        photographs=list_photographs(service, caller, request_audit),
        conditions=[condition.name for condition in service.catalogue],
        values=values,
        errors=errors,
    )


def _read_request(form: FormData) -> dict[str, Any]:
    """Return the body that the form asks for. What is no number stays as it is: the service says why."""
    photos = [str(photo) for photo in form.getlist("photos")]
    groups = {photo: str(form.get(f"{_GROUP}{photo}", "")).strip() for photo in photos}
    asked: dict[str, Any] = {
        "photos": photos,
        "groups": {photo: group for photo, group in groups.items() if group},
        "doubtful": "doubtful" in form,
        "local": "local" in form,
    }
    if form.get("change") == "reach":
        asked["smile"] = read_number(str(form.get("smile", "")))
    if seed := str(form.get("seed", "")).strip():
        asked["seed"] = int(seed) if seed.isascii() and seed.isdigit() else seed
    if method := form.get("method"):
        asked["method"] = method
    if seconds := str(form.get("seconds", "")).strip():
        asked["seconds"] = read_number(seconds)
    return asked


class _FormError(Exception):
    """A field of the form is at fault.

    Args:
        field: its name.
        message: what is wrong.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


async def _read_study(form: FormData, service: Resources, caller: Caller, request_audit: RequestAudit) -> UploadedStudy:
    """Return what the form uploads.

    Raises:
        _FormError: a file is missing, or a number is none.
        Problem: the survey pack is not the caller's, or not done.
    """
    answers = await _read_file(form, "answers")
    if answers is None:
        raise _FormError("answers", _("Choose the file with the answers."))
    key = await _read_file(form, "key")
    if key is None and (pack := str(form.get("pack", ""))):
        key = await service.work.run(caller.owner, _read_pack_key, service, caller, request_audit, pack)
    if key is None:
        raise _FormError("key", _("Choose a survey pack, or the file with the key."))
    seconds = read_number(str(form.get("least_seconds") or "0"))
    if isinstance(seconds, str) or seconds < 0:
        raise _FormError("least_seconds", _("Expected a number of seconds, 0 or more."))
    options = tuple(filter(None, (option.strip() for option in str(form.get("options", "")).split(","))))
    questions = await _read_file(form, "questions")
    return UploadedStudy(answers, key, questions, options, seconds, "unfinished" in form)


async def _read_file(form: FormData, name: str) -> UploadedFile | None:
    """Return a file of the form; None if none was chosen."""
    file = form.get(name)
    if not isinstance(file, UploadFile) or not file.filename:
        return None
    return UploadedFile(file.filename.replace("\\", "/").rpartition("/")[2][-100:], await file.read())


def _read_pack_key(service: Resources, caller: Caller, request_audit: RequestAudit, pack_id: str) -> UploadedFile:
    pack = find_survey_pack(service, caller, pack_id)
    request_audit.touch(service.photographs.find_purposes(pack.photos))
    check_pack_done(pack)
    return UploadedFile(KEY, service.survey_packs.read_file(pack.id, KEY) or b"")


def _render_answers(
    request: Request,
    service: Resources,
    caller: Caller,
    request_audit: RequestAudit,
    values: Mapping[str, Any],
    errors: FieldErrors = NO_ERRORS,
) -> Response:
    packs = [pack for pack in _list_packs(service, caller, request_audit) if pack.result is not None]
    described = [describe_survey_pack(service, pack) for pack in packs]
    return render(
        request, "studies/answers.html", status=422 if errors else 200, packs=described, values=values, errors=errors
    )
