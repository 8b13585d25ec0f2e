"""Pages of the service itself: health, storage and limits; and, for administrators, API keys and owners."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse

from api.access.api_keys import Caller, Scope
from api.dependencies import AdminCaller, ServiceDep
from api.problems import Problem
from api.resources import Resources
from api.routes import administration
from api.studio.forms import NO_ERRORS, FieldErrors, keep_values, read_number
from api.studio.page_route import PageRoute, ReaderDep
from api.studio.pages import render
from api.studio.service_calls import call_service, check_answer, read_problem

router = APIRouter(prefix="/studio", route_class=PageRoute, include_in_schema=False)

_PACKAGES: Final = ("gestaltgen", "openvino", "torch", "numpy", "pillow", "fastapi")

_NUMBERS: Final = ("requests_per_minute", "images_waiting", "stored_mb", "photo_ttl_s")
"""Limits of an owner that are numbers."""

_NEW_KEY: Final = {"owner": "", "scopes": [Scope.IMAGE_SETS], "ttl_s": 90 * 24 * 3600}
"""Values of the form for a key to begin with."""


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


@router.get("/keys")
def list_keys(request: Request, service: ServiceDep, caller: AdminCaller) -> Response:
    """List all API keys, with a form for another one."""
    return _render_keys(request, service, caller)


@router.post("/keys")
async def create_key(request: Request, service: ServiceDep, caller: AdminCaller) -> Response:
    """Make an API key and show it, which is possible only in this answer."""
    form = await request.form()
    body = {"owner": form.get("owner", ""), "scopes": form.getlist("scopes"), "ttl_s": _read_limit(form, "ttl_s")}
    answer = await call_service(request, "POST", "/v1/keys", json=body)
    if answer.status_code == 422:
        errors = FieldErrors.of_problem(read_problem(answer), body)
        values = {**_NEW_KEY, **keep_values(form), "scopes": body["scopes"]}
        return await run_in_threadpool(_render_keys, request, service, caller, 422, values, errors)
    return render(request, "new_key.html", key=check_answer(answer).json())


@router.post("/keys/{key_id}/revoke")
async def revoke_key(request: Request, caller: AdminCaller, key_id: str) -> Response:
    """Revoke an API key."""
    check_answer(await call_service(request, "POST", f"/v1/keys/{quote(key_id, safe='')}/revoke"))
    return RedirectResponse("/studio/keys", 303)


@router.get("/tenants")
def list_tenants(request: Request, service: ServiceDep, caller: AdminCaller) -> Response:
    """List all owners with what is stored for them and their limits."""
    return render(request, "tenants.html", tenants=administration.list_tenants(service, caller).items)


@router.get("/tenants/{owner}")
def show_tenant(request: Request, service: ServiceDep, caller: AdminCaller, owner: str) -> Response:
    """Show the form for the limits of an owner."""
    limits = service.tenants.limits(owner)
    values = {name: "" if value is None else value for name, value in asdict(limits).items()}
    return render(
        request,
        "tenant.html",
        owner=owner,
        values=values | {"models": ", ".join(limits.models or ())},
        errors=NO_ERRORS,
    )


@router.post("/tenants/{owner}")
async def limit_tenant(request: Request, caller: AdminCaller, owner: str) -> Response:
    """Set the limits of an owner."""
    form = await request.form()
    body: dict[str, Any] = {name: _read_limit(form, name) for name in _NUMBERS}
    body["models"] = [name.strip() for name in str(form.get("models", "")).split(",") if name.strip()] or None
    answer = await call_service(request, "PUT", f"/v1/tenants/{quote(owner, safe='')}", json=body)
    if answer.status_code == 422:
        errors = FieldErrors.of_problem(read_problem(answer), body)
        values = dict.fromkeys(body, "") | keep_values(form)
        return render(request, "tenant.html", status=422, owner=owner, values=values, errors=errors)
    check_answer(answer)
    return RedirectResponse("/studio/tenants", 303)


def _render_keys(
    request: Request,
    service: Resources,
    caller: Caller,
    status: int = 200,
    values: Mapping[str, Any] = _NEW_KEY,
    errors: FieldErrors = NO_ERRORS,
) -> Response:
    keys = administration.list_keys(service, caller).items
    return render(request, "keys.html", status=status, keys=keys, values=values, errors=errors)


def _read_limit(form: FormData, name: str) -> int | float | str | None:
    """Return a number of a form, or None if it is empty, which sets no limit."""
    text = str(form.get(name, "")).strip()
    return read_number(text) if text else None


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
