"""The first page of the studio, and that of an address where nothing is."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.problem_types import ProblemType
from api.problems import Problem
from api.studio.page_route import PageRoute, ReaderDep
from api.studio.pages import HOME, render

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get(HOME)
def show_home(request: Request, reader: ReaderDep) -> Response:
    """Show what can be done here."""
    return render(request, "home.html")


missing = APIRouter(route_class=PageRoute, include_in_schema=False)
"""Route of every address of the studio that no other route has; it comes last."""


@missing.get("/studio/{path:path}")
def show_missing(request: Request, reader: ReaderDep, path: str) -> Response:
    """Answer that there is no such page."""
    raise Problem(ProblemType.PATH_NOT_FOUND, f"There is no page {request.url.path[:200]!r}.")
