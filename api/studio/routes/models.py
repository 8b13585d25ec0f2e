"""Pages of models, with their cards, and of the catalogue of conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.access.api_keys import Scope
from api.dependencies import AnyCaller, PhotosCaller, ServiceDep, find_named_model
from api.problem_types import ProblemType
from api.problems import Problem
from api.studio.page_route import PageRoute
from api.studio.pages import render
from faces.conditions.catalogue import Condition, FacialTerm
from faces.conditions.terms import Term, find_term

router = APIRouter(prefix="/studio", route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True)
class ConditionMatch:
    """Condition of the catalogue that fits a search.

    Attributes:
        condition: the condition.
        terms: its facial features that fit the search.
    """

    condition: Condition
    terms: tuple[Term, ...] = ()


@router.get("/models")
def list_models(request: Request, service: ServiceDep, caller: AnyCaller) -> Response:
    """List the generators, classifiers and models of syndromes that the caller may use."""
    syndromes = service.syndrome_models.list_infos() if Scope.PHOTOS in caller.scopes else []
    return render(
        request,
        "models.html",
        generators=service.list_models(caller),
        classifiers=service.classifiers.list_infos(),
        syndromes=syndromes,
    )


@router.get("/models/{name}")
def show_model(request: Request, service: ServiceDep, caller: AnyCaller, name: str) -> Response:
    """Show a generator: figures, conditions, directions and cards."""
    model = find_named_model(service, caller, name)
    identifiers = model.info.identifiers
    return render(
        request,
        "model.html",
        info=model.info,
        is_default=service.list_models(caller)[0].name == model.info.name,
        conditions=[service.catalogue.describe(one, identifiers.get(one, {})) for one in model.info.conditions],
        directions=model.directions(),
        cards=model.read_cards(),
    )


@router.get("/models/syndromes/{name}")
def show_syndrome(request: Request, service: ServiceDep, caller: PhotosCaller, name: str) -> Response:
    """Show the card of the model of a syndrome."""
    return render(request, "syndrome_model.html", info=service.syndrome_models.find(name))


@router.get("/conditions")
def list_conditions(
    request: Request, service: ServiceDep, caller: AnyCaller, q: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """List the conditions of the catalogue that fit a search."""
    served = {name for info in service.list_models(caller) for name in info.conditions}
    matches = sorted(_search(service.catalogue, q.strip()), key=lambda match: match.condition.label.casefold())
    return render(request, "conditions.html", matches=matches, query=q, served=served, total=len(service.catalogue))


@router.get("/conditions/{name:path}")
def show_condition(request: Request, service: ServiceDep, caller: AnyCaller, name: str) -> Response:
    """Show a condition: identifiers, genes, and facial features with their frequency."""
    condition = service.catalogue.get(name)
    if condition is None:
        raise Problem(
            ProblemType.PATH_NOT_FOUND,
            f"The catalogue has no condition {name[:80]!r}; look for it by another name under /studio/conditions.",
        )
    return render(
        request,
        "condition.html",
        condition=condition,
        features=_list_features(condition.terms),
        generators=[info.name for info in service.list_models(caller) if name in info.conditions],
    )


def _search(conditions: Iterable[Condition], query: str) -> Iterator[ConditionMatch]:
    """Yield the conditions whose names, identifiers, genes or facial features contain a text."""
    text = query.casefold()
    for condition in conditions:
        names = (condition.name, condition.label, *condition.aliases, *condition.identifiers.values(), *condition.genes)
        terms = tuple(find_term(one.term_id).term for one in condition.terms) if text else ()
        fitting = tuple(term for term in terms if text in term.label.casefold() or text in term.id.casefold())
        if fitting or any(text in name.casefold() for name in names):
            yield ConditionMatch(condition, fitting)


def _list_features(terms: Iterable[FacialTerm]) -> list[tuple[Term, float | None]]:
    """Return facial features with their frequency, the most frequent first and those of unknown frequency last."""
    known = [(find_term(one.term_id).term, one.frequency) for one in terms]
    return sorted(known, key=lambda one: (-(one[1] if one[1] is not None else -1.0), one[0].label))
