"""Pages of the service itself: its health, storage, limits and versions."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from fastapi import APIRouter, Request, Response

from api.dependencies import ServiceDep
from api.problems import Problem
from api.resources import Resources
from api.studio.page_route import PageRoute, ReaderDep
from api.studio.pages import render

router = APIRouter(prefix="/studio", route_class=PageRoute, include_in_schema=False)

_PACKAGES: Final = ("gestaltgen", "openvino", "torch", "numpy", "pillow", "fastapi")


@router.get("/service")
def show_service(request: Request, service: ServiceDep, reader: ReaderDep) -> Response:
    """Show whether the service works, and what the caller uses and may use of it."""
    return render(
        request,
        "service.html",
        trouble=_find_trouble(service),
        is_scarce=service.free_space.is_scarce(),
        free_bytes=service.free_space.measure(),
        stored_bytes=service.ownership.weight(reader.owner),
        limits=service.tenants.limits(reader.owner),
        photo_ttl_s=service.photo_ttl_s(reader),
        settings=service.settings,
        versions={"Python": platform.python_version(), **_read_versions()},
    )


def _find_trouble(service: Resources) -> str:
    """Return why the service cannot make an image, as far as is known without making one; empty if it can."""
    try:
        service.worker.check_renders(probe=False)
    except Problem as problem:
        return problem.detail
    return ""


def _read_versions() -> Mapping[str, str]:
    """Return the versions of those packages that are installed."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
