"""Is it alive, and is it ready: for whatever supervises the service."""

from __future__ import annotations

from fastapi import APIRouter

from api.schemas import HealthOut, ProblemOut
from api.service import ServiceDep

router = APIRouter(tags=["health"])


@router.get("/livez", response_model=HealthOut, summary="Alive?")
def livez() -> HealthOut:
    """Answers as long as the process does."""
    return HealthOut(status="alive")


@router.get(
    "/readyz",
    response_model=HealthOut,
    summary="Ready?",
    responses={503: {"model": ProblemOut, "description": "The weights are not loaded, or could not be."}},
)
def readyz(service: ServiceDep) -> HealthOut:
    """Ready when the weights are loaded and the worker takes jobs."""
    service.worker.model  # noqa: B018  raises the problem that says why not
    return HealthOut(status="ready")
