"""Is it alive, and is it ready: for whatever supervises the service."""

from __future__ import annotations

from fastapi import APIRouter

from api.dependencies import ServiceDep
from api.schemas import HealthOut, ProblemOut

router = APIRouter(tags=["health"])


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
    service.worker.prove()
    return HealthOut(status="ready")
