"""Pages of image sets: forms for each kind, the sets that were asked for, and their images."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from PIL import Image
from starlette.datastructures import ImmutableMultiDict
from starlette.responses import RedirectResponse

from api.access.api_keys import Caller
from api.access.ownership import Kind
from api.dependencies import ImageSetsCaller, KnownImage, KnownSet, ServiceDep
from api.image_sets.scoring import list_readers
from api.image_sets.sheets import group_persons, list_ages, name_mix, spell_age
from api.image_sets.storage import StoredRequest
from api.photographs.records import SyntheticFace
from api.problem_types import ProblemType
from api.problems import Problem
from api.provenance.marks import read_claim
from api.representations import describe_edit, describe_image_set
from api.resources import Resources
from api.routes import catalogue
from api.schemas.models import AgeGroupOut, ConditionsOut
from api.studio.forms import NO_ERRORS, FieldErrors
from api.studio.image_set_requests import FIELDS, KINDS, LISTS, KindOfSet, read_request, write_curl, write_python
from api.studio.page_route import PageRoute
from api.studio.pages import render
from api.studio.service_calls import call_service, check_answer, read_problem
from api.studio.words import translate as _
from faces.image_set_request import DEFAULT_BLEND, DEFAULT_TRUNCATION
from faces.labels import UNAFFECTED

router = APIRouter(prefix="/studio/image-sets", route_class=PageRoute, include_in_schema=False)

_SETS_ON_A_PAGE: Final = 24
_PERSONS_ON_A_PAGE: Final = 20
_FIRST_COUNT: Final = "4"
"""Persons that an empty form asks for; the published number makes thousands of images."""

_Fields = ImmutableMultiDict[str, Any]
Page = Annotated[int, Query(ge=1, le=100_000)]


@router.get("")
def list_sets(request: Request, service: ServiceDep, caller: ImageSetsCaller, page: Page = 1) -> Response:
    """Show the caller's image sets, the newest first."""
    skip = (page - 1) * _SETS_ON_A_PAGE
    listed = service.ownership.list_newest(Kind.IMAGE_SET, caller.owner, _SETS_ON_A_PAGE + 1, skip)
    known = [(service.store.request(set_id), since_ms) for set_id, since_ms in listed[:_SETS_ON_A_PAGE]]
    sets = [(describe_image_set(service, stored), since_ms) for stored, since_ms in known if stored is not None]
    more = len(listed) > _SETS_ON_A_PAGE
    return render(request, "image_sets/list.html", sets=sets, kinds=KINDS, page=page, more=more)


@router.get("/new")
def choose_kind(request: Request, caller: ImageSetsCaller) -> Response:
    """Show the kinds of image sets."""
    return render(request, "image_sets/kinds.html", kinds=KINDS)


@router.get("/new/{kind}")
async def show_form(
    request: Request, service: ServiceDep, caller: ImageSetsCaller, kind: str, model: str | None = None
) -> Response:
    """Show the form of a kind, with defaults, or with what the address says."""
    labels = catalogue.conditions(service, caller, model)
    fields: _Fields = request.query_params
    if not set(fields) - {"model"}:
        fields = ImmutableMultiDict([*_list_defaults(kind, labels), *fields.multi_items()])
    return await _render_form(request, caller, kind, fields, labels)


@router.post("/new/{kind}")
async def ask(request: Request, service: ServiceDep, caller: ImageSetsCaller, kind: str) -> Response:
    """Ask for the image set of a form, or say what it would take."""
    form = await request.form()
    labels = catalogue.conditions(service, caller, str(form["model"]) if "model" in form else None)
    if "estimate" in form:
        return await _render_form(request, caller, kind, form, labels)
    answer = await call_service(request, "POST", "/v1/image-sets", json=read_request(kind, form))
    if answer.is_error:
        return await _render_form(request, caller, kind, form, labels, read_problem(answer))
    return _go_to(answer.json()["id"])


@router.post("/new/{kind}/cost")
async def show_cost(request: Request, caller: ImageSetsCaller, kind: str) -> Response:
    """Show what the image set of a form would take: a part of its page."""
    return render(request, "image_sets/cost.html", **await _estimate(request, kind, await request.form()))


@router.get("/{set_id}")
def show_set(request: Request, service: ServiceDep, known: KnownSet, page: Page = 1) -> Response:
    """Show an image set: its progress, or its images."""
    described = describe_image_set(service, known)
    return render(
        request,
        "image_sets/set.html",
        set=described,
        kind=KINDS[described.request["kind"]],
        images=_list_images(service, known, page) if described.state == "done" else None,
        selection=service.store.read_selection(known.id) if described.links.selection else None,
        **_write_code(request, service, known.asked),
    )


@router.post("/{set_id}/continue")
async def continue_set(request: Request, known: KnownSet) -> Response:
    """Ask again for an image set whose job stopped."""
    check_answer(await call_service(request, "POST", "/v1/image-sets", json=dict(known.asked)))
    return _go_to(known.id)


@router.post("/{set_id}/cancel")
async def cancel(request: Request, service: ServiceDep, known: KnownSet) -> Response:
    """Cancel the job of an image set."""
    job = describe_image_set(service, known).links.job
    answer = check_answer(await call_service(request, "POST", f"{job}/cancel"))
    return _go_to("" if answer.json()["detached"] else known.id)


@router.post("/{set_id}/delete")
async def delete(request: Request, known: KnownSet) -> Response:
    """Delete an image set."""
    check_answer(await call_service(request, "DELETE", f"/v1/image-sets/{known.id}"))
    return _go_to("")


@router.get("/{set_id}/images/{n}")
def show_image(request: Request, service: ServiceDep, caller: ImageSetsCaller, image: KnownImage) -> Response:
    """Show an image of a set with its label and its provenance."""
    return render_image(request, service, caller.owner, image)


def render_image(
    request: Request,
    service: Resources,
    owner: str,
    image: tuple[StoredRequest, int],
    errors: FieldErrors = NO_ERRORS,
    values: Mapping[str, Any] | None = None,
    status: int = 200,
) -> Response:
    """Render the page of an image.

    Args:
        owner: whose edits are listed.
        image: the set, and the index of the image.
        errors, values, status: of a form for an edit that was not accepted.
    """
    known, n = image
    line = service.store.manifest(known.id)[n]
    model = service.worker.models.find_by_weights(str(known.resolved["weights_sha256"]))
    about = service.catalogue.describe(str(line["condition"]), line.get("identifiers", {}))
    return render(
        request,
        "image_sets/image.html",
        status=status,
        known=known,
        line=line,
        mix=name_mix(line, _list_conditions(service, known)),
        about=about,
        model=model.info if model else None,
        direction_options=[
            (one.name, _("%(name)s (spread %(spread)s)") % {"name": one.name, "spread": f"{one.spread:.2g}"})
            for one in (model.directions() if model else ())
        ],
        claim=read_claim(service.store.image_file(known.id, n)),
        side=find_side(service, known),
        edits=[describe_edit(service, edit) for edit in service.edits.list_of_face(SyntheticFace(known.id, n), owner)],
        errors=errors,
        values={"smile": "0.5", "direction": "", "strength": "1"} | dict(values or {}),
    )


def _list_defaults(kind: str, labels: ConditionsOut) -> list[tuple[str, str]]:
    """List the fields of an empty form."""
    names = [condition.name for condition in labels.conditions]
    affected = [name for name in names if name != UNAFFECTED] or names
    return [
        *(("conditions", name) for name in affected),
        *(("ages", age.name) for age in labels.ages),
        *(("partners", name) for name in names if kind == "blended"),
        *([] if kind == "average" else [("count", _FIRST_COUNT)]),
        ("truncation", "1" if kind == "average" else str(DEFAULT_TRUNCATION)),
        *([("blend", str(DEFAULT_BLEND))] if kind == "blended" else []),
        ("seed", "0"),
    ]


async def _render_form(
    request: Request, caller: Caller, kind: str, fields: _Fields, labels: ConditionsOut, problem: Problem | None = None
) -> Response:
    """Render the form of a kind with its fields, and with what the set would take or why it was refused."""
    service: Resources = request.app.state.service
    context = await _estimate(request, kind, fields)
    if problem is not None:
        context["errors"] = FieldErrors.of_problem(problem, FIELDS)
    models = service.list_models(caller)
    return render(
        request,
        "image_sets/form.html",
        status=problem.status if problem else 422 if context["errors"] else 200,
        model=next(info for info in models if info.name == labels.model),
        model_options=[(info.name, info.name) for info in models],
        condition_options=[(one.name, one.label) for one in labels.conditions],
        reader_options=[
            (name, name) for name in list_readers(service.worker.models.find(labels.model).info, service.classifiers)
        ],
        age_options=[(age.name, _describe_ages(age)) for age in labels.ages],
        chosen={name: fields.getlist(name) for name in LISTS},
        values={name: fields.get(name, "") for name in FIELDS},
        **context,
    )


async def _estimate(request: Request, kind: str, fields: _Fields) -> dict[str, Any]:
    """Return what the pages of a request show: its kind, what it would take or why it cannot be, and it as code."""
    body = read_request(_find_kind(kind).name, fields)
    answer = await call_service(request, "POST", "/v1/image-sets/estimate", json=body)
    return {
        "kind": KINDS[kind],
        "estimate": None if answer.is_error else answer.json(),
        "errors": FieldErrors.of_problem(read_problem(answer), FIELDS) if answer.is_error else NO_ERRORS,
        **_write_code(request, request.app.state.service, body),
    }


def _describe_ages(ages: AgeGroupOut) -> str:
    """Return an age group with its years."""
    name = spell_age(ages.name)
    if ages.to_years is None:
        return _("%(name)s (from %(from)s years)") % {"name": name, "from": f"{ages.from_years:g}"}
    return _("%(name)s (%(from)s to %(to)s years)") % {
        "name": name,
        "from": f"{ages.from_years:g}",
        "to": f"{ages.to_years:g}",
    }


def _find_kind(kind: str) -> KindOfSet:
    if kind not in KINDS:
        raise Problem(
            ProblemType.PATH_NOT_FOUND,
            f"There is no kind {kind[:80]!r} of image set; expected one of {', '.join(KINDS)}.",
        )
    return KINDS[kind]


def _write_code(request: Request, service: Resources, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request as programs write it."""
    url, with_key = str(request.base_url).rstrip("/"), not service.settings.without_keys
    return {write.__name__: write(url, body, with_key=with_key) for write in (write_curl, write_python)}


def _list_images(service: Resources, known: StoredRequest, page: int) -> dict[str, Any]:
    """Return a page of the images of a set: persons as rows, ages as columns."""
    lines = service.store.manifest(known.id)
    persons = group_persons(lines, _list_conditions(service, known))
    start = (page - 1) * _PERSONS_ON_A_PAGE
    return {
        "ages": list_ages(lines),
        "persons": persons[start : start + _PERSONS_ON_A_PAGE],
        "page": page,
        "pages": -(-len(persons) // _PERSONS_ON_A_PAGE),
        "side": find_side(service, known),
        "size_bytes": sum(int(line["bytes"]) for line in lines),
    }


def _list_conditions(service: Resources, known: StoredRequest) -> tuple[str, ...] | None:
    """Return the conditions of the generator that made a set; None if it is not served any more."""
    model = service.worker.models.find_by_weights(str(known.resolved["weights_sha256"]))
    return None if model is None else model.info.conditions


def find_side(service: Resources, known: StoredRequest) -> int:
    """Return the side of the images of a set in pixels."""
    with Image.open(BytesIO(service.store.image_file(known.id, 0))) as picture:
        return picture.width


def _go_to(set_id: str) -> Response:
    """Lead to the page of a set, or to the list of all."""
    return RedirectResponse(f"{router.prefix}/{set_id}".rstrip("/"), 303)
