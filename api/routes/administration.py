"""Routes for administrators: API keys, and limits of their owners."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path

from api.access.api_keys import OWNER_PATTERN, ApiKey
from api.access.tenants import TenantLimits
from api.dependencies import AdminCaller, ServiceDep
from api.documented_responses import problem
from api.json_bodies import JsonBodyRoute
from api.operations import clock
from api.photographs.audit.entries import Purpose
from api.photographs.request_audit import RequestAudit, RequestAuditDep
from api.problem_types import ProblemType
from api.problems import Problem, field_error
from api.resources import Resources
from api.schemas.administration import KeyBody, KeyOut, KeysOut, LimitsBody, NewKeyOut, TenantOut, TenantsOut
from core.errors import ConfigError

router = APIRouter(prefix="/v1", tags=["administration"], route_class=JsonBodyRoute)


@router.get("/keys", response_model=KeysOut, summary="API keys")
def list_keys(service: ServiceDep, caller: AdminCaller) -> KeysOut:
    """All keys with their owners, scopes and ends. The keys themselves are stored nowhere."""
    return KeysOut(items=[_describe_key(key) for key in service.api_keys.list_all()])


@router.post("/keys", response_model=NewKeyOut, status_code=201, summary="Make an API key")
def create_key(service: ServiceDep, caller: AdminCaller, request_audit: RequestAuditDep, body: KeyBody) -> NewKeyOut:
    """The answer has the key, which is valid at once and cannot be shown again. The audit record notes who made it.

    A request that is sent again makes another key: revoke one whose answer was lost.
    """
    expires = None if body.ttl_s is None else clock.now() + timedelta(seconds=body.ttl_s)
    try:
        secret, key = service.api_keys.create(body.owner, body.scopes, expires)
    except ConfigError as error:
        entry = field_error("owner", str(error), body.owner)
        raise Problem(ProblemType.REQUEST_INVALID, str(error), errors=[entry]) from error
    _note(request_audit, key)
    return NewKeyOut(**dict(_describe_key(key)), key=secret)


@router.post(
    "/keys/{key_id}/revoke",
    response_model=KeyOut,
    summary="Revoke an API key",
    responses={404: problem("There is no such key.")},
)
def revoke_key(
    service: ServiceDep,
    caller: AdminCaller,
    request_audit: RequestAuditDep,
    key_id: Annotated[str, Path(max_length=64, description="Id of a key, from /v1/keys.")],
) -> KeyOut:
    """The key, and sessions of the studio that began with it, end at once. What belongs to its owner stays."""
    try:
        service.api_keys.revoke(key_id)
    except ConfigError as error:
        raise Problem(
            ProblemType.KEY_NOT_FOUND, f"There is no key {key_id[:64]!r}; GET /v1/keys lists them."
        ) from error
    key = next(key for key in service.api_keys.list_all() if key.id == key_id)
    _note(request_audit, key)
    return _describe_key(key)


@router.get("/tenants", response_model=TenantsOut, summary="Owners and their limits")
def list_tenants(service: ServiceDep, caller: AdminCaller) -> TenantsOut:
    """All owners of keys or of limits, what is stored for each, and how much each may use."""
    limits, now = service.tenants.list_all(), clock.now()
    keys = service.api_keys.list_all()
    valid = Counter(key.owner for key in keys if key.is_valid_at(now))
    owners = sorted({key.owner for key in keys} | limits.keys())
    return TenantsOut(
        items=[_describe_tenant(service, owner, valid[owner], limits.get(owner, TenantLimits())) for owner in owners]
    )


@router.put("/tenants/{owner}", response_model=TenantOut, summary="Limit an owner")
def limit_tenant(
    service: ServiceDep,
    caller: AdminCaller,
    owner: Annotated[str, Path(pattern=f"^{OWNER_PATTERN}$", description="Name of the owner.")],
    body: LimitsBody,
) -> TenantOut:
    """Sets all limits of an owner, which take effect after a second. Without any, those of the service apply."""
    values = body.model_dump()
    limits = TenantLimits(**values | {"models": None if body.models is None else tuple(dict.fromkeys(body.models))})
    service.tenants.set(owner, limits)
    now = clock.now()
    valid = sum(key.owner == owner and key.is_valid_at(now) for key in service.api_keys.list_all())
    return _describe_tenant(service, owner, valid, limits)


def _describe_key(key: ApiKey) -> KeyOut:
    """Describe a key."""
    state = "revoked" if key.revoked else "valid" if key.is_valid_at(clock.now()) else "expired"
    return KeyOut(**vars(key) | {"scopes": list(key.scopes), "state": state})


def _describe_tenant(service: Resources, owner: str, keys: int, limits: TenantLimits) -> TenantOut:
    values = asdict(limits) | {"models": None if limits.models is None else list(limits.models)}
    return TenantOut(
        owner=owner, keys=keys, stored_bytes=service.ownership.weight(owner), limits=LimitsBody.model_validate(values)
    )


def _note(request_audit: RequestAudit, key: ApiKey) -> None:
    """Let the audit record note a key in place of a photograph: it opens the photographs of its owner."""
    request_audit.touch({f"key {key.id}": Purpose(f"key of {key.owner}")})
