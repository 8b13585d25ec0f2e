"""Pages for teaching: recipes of sheets, and sheets as they are shown and printed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData, ImmutableMultiDict
from starlette.responses import RedirectResponse

from api.access.api_keys import Caller
from api.dependencies import ImageSetsCaller, KnownSet, ServiceDep, find_model
from api.image_sets.sheets import group_persons, list_ages
from api.image_sets.storage import StoredRequest
from api.models.model import ModelInfo
from api.problem_types import ProblemType
from api.problems import Problem
from api.representations import describe_image_set
from api.resources import Resources
from api.studio.forms import NO_ERRORS, FieldErrors
from api.studio.image_set_requests import FIELDS, LISTS, read_request
from api.studio.page_route import PageRoute
from api.studio.pages import render
from api.studio.routes.image_sets import find_side
from api.studio.service_calls import call_service, read_problem
from api.studio.words import mark as _mark
from api.studio.words import translate as _
from faces.image_set_request import DEFAULT_BLEND
from faces.labels import UNAFFECTED

router = APIRouter(prefix="/studio/teach", route_class=PageRoute, include_in_schema=False)

_MOST_ROWS: Final = 30
"""Rows of a sheet on a page; the files of the image set have more."""

_LARGEST_DRAWN_SEED: Final = 1_000_000


@dataclass(frozen=True)
class Recipe:
    """Sheet that can be made with few choices.

    Args:
        title: for people.
        summary: a sentence that says what the sheet shows.
        several: whether several conditions can be chosen.
        count: people that an empty form asks for; None if there is no such field.
    """

    title: str
    summary: str
    several: bool
    count: int | None


RECIPES: Final[Mapping[str, Recipe]] = {
    "age_progression": Recipe(
        _mark("One person through the ages"),
        _mark("How a face with a condition changes from infancy to old age."),
        several=True,
        count=1,
    ),
    "unrelated": Recipe(
        _mark("One condition in several people"),
        _mark("What people of one age with the same condition have in common, and how much they differ."),
        several=False,
        count=12,
    ),
    "average": Recipe(
        _mark("Average faces by condition and age"),
        _mark("What 10,000 faces of a condition and age have in common."),
        several=True,
        count=None,
    ),
    "blended": Recipe(
        _mark("Blends of two conditions"),
        _mark("Faces between a condition and another, or none: how slight features look."),
        several=False,
        count=3,
    ),
}
"""Recipes by the kind of image set that they make, in their order."""


@router.get("")
def show_recipes(request: Request, caller: ImageSetsCaller) -> Response:
    """Show what can be made for teaching."""
    return render(request, "teach/recipes.html", recipes=RECIPES)


@router.get("/sheet")
def show_form(
    request: Request,
    service: ServiceDep,
    caller: ImageSetsCaller,
    kind: str = next(iter(RECIPES)),
    model: str | None = None,
) -> Response:
    """Show the form of a recipe."""
    return _show_form(request, service, caller, kind, model)


@router.post("/sheet")
async def make_sheet(request: Request, service: ServiceDep, caller: ImageSetsCaller) -> Response:
    """Ask for the image set of a recipe."""
    form = await request.form()
    kind, model = str(form.get("kind", "")), str(form.get("model", "")) or None
    errors = _check_form(kind, form)
    if errors:
        return _show_form(request, service, caller, kind, model, form, errors)
    body = read_request(kind, form)
    if _is_calibrated(kind, find_model(service, caller, model).info):
        body["age_steps"] = "calibrated"
    answer = await call_service(request, "POST", "/v1/image-sets", json=body)
    if answer.is_error:
        errors = FieldErrors.of_problem(read_problem(answer), FIELDS)
        return _show_form(request, service, caller, kind, model, form, errors)
    return RedirectResponse(f"/studio/teach/sheet/{answer.json()['id']}", 303)


@router.get("/sheet/{set_id}")
def show_sheet(request: Request, service: ServiceDep, known: KnownSet) -> Response:
    """Show an image set as a sheet to teach with, or its progress."""
    described = describe_image_set(service, known)
    return render(
        request,
        "teach/sheet.html",
        set=described,
        recipe=RECIPES.get(described.request["kind"]),
        sheet=_lay_out(service, known) if described.state == "done" else None,
    )


def _check_form(kind: str, form: FormData) -> FieldErrors:
    """Refuse what the service would take for all conditions or all ages."""
    errors = {}
    if not form.getlist("conditions"):
        errors["conditions"] = _("Choose at least one condition.")
    if kind != "age_progression" and not form.getlist("ages"):
        errors["ages"] = _("Choose an age group or more.")
    return FieldErrors(errors)


def _is_calibrated(kind: str, model: ModelInfo) -> bool:
    """Return whether a recipe takes steps of age that look their age."""
    return kind == "age_progression" and model.age_steps.keys() >= {*model.conditions}


def _show_form(
    request: Request,
    service: Resources,
    caller: Caller,
    kind: str,
    model: str | None,
    fields: ImmutableMultiDict[str, Any] | None = None,
    errors: FieldErrors = NO_ERRORS,
) -> Response:
    if kind not in RECIPES:
        raise Problem(
            ProblemType.PATH_NOT_FOUND, f"There is no recipe {kind[:80]!r}; expected one of {', '.join(RECIPES)}."
        )
    info = find_model(service, caller, model).info
    fields = fields or ImmutableMultiDict(_list_defaults(kind, info))
    return render(
        request,
        "teach/sheet_form.html",
        status=422 if errors else 200,
        kind=kind,
        recipe=RECIPES[kind],
        models=[(one.name, one.name) for one in service.list_models(caller)],
        model=info.name,
        conditions=[(name, service.catalogue.describe(name, {}).label) for name in info.conditions],
        ages=[(age.name, age.name.replace("_", " ")) for age in info.ages],
        chosen={name: fields.getlist(name) for name in LISTS},
        values={name: fields.get(name, "") for name in FIELDS},
        errors=errors,
    )


def _list_defaults(kind: str, model: ModelInfo) -> list[tuple[str, Any]]:
    """List the fields of an empty form."""
    recipe, names = RECIPES[kind], model.conditions
    affected = [name for name in names if name != UNAFFECTED] or [*names]
    ages = [age.name for age in model.ages]
    return [
        *(("conditions", name) for name in (names if kind == "average" else affected[:1])),
        *(("ages", age) for age in (ages[1:2] if kind == "unrelated" else ages)),
        ("partners", UNAFFECTED if UNAFFECTED in names else names[-1]),
        ("count", recipe.count),
        ("blend", DEFAULT_BLEND),
        ("seed", secrets.randbelow(_LARGEST_DRAWN_SEED)),
    ]


def _lay_out(service: Resources, known: StoredRequest) -> dict[str, Any]:
    """Return the images of a set: persons as rows, ages as columns."""
    lines = service.store.manifest(known.id)
    model = service.worker.models.find_by_weights(str(known.resolved["weights_sha256"]))
    names = None if model is None else model.info.conditions
    persons = group_persons(lines, names)
    shown = dict.fromkeys((*known.resolved["conditions"], *known.resolved.get("partners", ())))
    labels = {name: service.catalogue.describe(name, {}).label for name in shown}
    return {
        "ages": list_ages(lines),
        "persons": persons[:_MOST_ROWS],
        "left_out": len(persons[_MOST_ROWS:]),
        "labels": labels,
        "side": find_side(service, known),
        "made_by": f"{model.info.name}, {model.info.weights_sha256[:12]}"
        if model
        else known.resolved["weights_sha256"],
    }
