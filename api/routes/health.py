"""Routes for the start page, and for supervisors that check whether the service is alive and ready."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from fastapi import APIRouter, Request, Response

from api.dependencies import ServiceDep
from api.html_pages import answer_page, render_page
from api.provenance.claims import NOTICE
from api.schemas.problems import ProblemOut
from api.schemas.service import HealthOut, ServiceLinks, ServiceOut

router = APIRouter(tags=["health"])

_LINKS: Final = ServiceLinks(
    studio="/studio",
    docs="/docs",
    openapi="/openapi.json",
    models="/v1/models",
    image_sets="/v1/image-sets",
    livez="/livez",
    readyz="/readyz",
)


@router.get(
    "/",
    response_model=ServiceOut,
    summary="The service",
    responses={200: {"content": {"text/html": {}}, "description": "As JSON, or as a page where HTML is preferred."}},
)
async def describe(request: Request) -> ServiceOut | Response:
    """Name, version and links. Needs no key."""
    service = ServiceOut(name="gestaltgen", version=_read_version(), notice=NOTICE, links=_LINKS)
    if "text/html" in request.headers.get("Accept", ""):
        return answer_page(render_page("service.html", f"{service.name} {service.version}", service=service))
    return service


@router.get("/livez", response_model=HealthOut, summary="Alive?")
async def livez() -> HealthOut:
    """Answers as long as the process does, also where every thread waits."""
    return HealthOut(status="alive")


@router.get(
    "/readyz",
    response_model=HealthOut,
    summary="Ready?",
    responses={503: {"model": ProblemOut, "description": "The model is not loaded, or cannot make an image."}},
)
def readyz(service: ServiceDep) -> HealthOut:
    """Ready when the model has just made an image."""
    service.worker.check_renders()
    return HealthOut(status="ready")


def _read_version() -> str:
    try:
        return version("gestaltgen")
    except PackageNotFoundError:
        return "unknown"
