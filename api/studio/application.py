"""All routes of the studio, and its files for browsers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from api.studio.routes import (
    assessments,
    explanations,
    explore,
    home,
    image_edits,
    image_sets,
    jobs,
    models,
    operate,
    photographs,
    quiz,
    sign_in,
    studies,
    teach,
)

_ROUTERS: Final = (
    sign_in.router,
    home.router,
    image_sets.router,
    image_edits.router,
    explore.router,
    teach.router,
    quiz.router,
    photographs.router,
    studies.router,
    explanations.router,
    assessments.router,
    jobs.router,
    models.router,
    operate.router,
)
_STATIC: Final = Path(__file__).parent / "static"


@cache
def list_studio_routes() -> Sequence[BaseRoute]:
    """Return the routes of the studio. All applications of a process share them."""
    joined = APIRouter()
    for router in (*_ROUTERS, home.missing):
        joined.include_router(router)
    return [Mount("/studio/static", StaticFiles(directory=_STATIC)), *joined.routes]
