"""Bodies and answers of the routes for administrators: API keys, and limits of owners."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.access.api_keys import OWNER_PATTERN, Scope

KeyState = Literal["valid", "expired", "revoked"]

Owner = Annotated[str, Field(pattern=f"^{OWNER_PATTERN}$", description="Name of an owner, such as genetics-lab.")]


class KeyBody(BaseModel):
    """An API key to make."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"owner": "genetics-lab", "scopes": ["image-sets", "photos"]}]},
    )

    owner: Owner
    scopes: list[Annotated[Scope, Field(strict=False)]] = Field(
        min_length=1, max_length=len(Scope), description="What the key is for."
    )
    ttl_s: int | None = Field(
        90 * 24 * 3600, ge=60, le=100 * 365 * 24 * 3600, description="Seconds until it expires; null: never."
    )


class KeyOut(BaseModel):
    """An API key, without the key itself."""

    id: str
    owner: str
    scopes: list[Scope]
    state: KeyState
    created: datetime
    expires: datetime | None = Field(description="null: never.")
    revoked: datetime | None


class NewKeyOut(KeyOut):
    """An API key that was made just now."""

    key: str = Field(description="The key itself, which cannot be shown again.")


class KeysOut(BaseModel):
    """All API keys, the oldest first."""

    items: list[KeyOut]


class LimitsBody(BaseModel):
    """Limits of an owner; what is left out, or null, is not limited beyond what the service allows everybody."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"images_waiting": 100000, "stored_mb": 50000}]}
    )

    requests_per_minute: int | None = Field(None, ge=1, description="Requests that one process answers.")
    images_waiting: int | None = Field(None, ge=1, description="Images of jobs that wait or run.")
    stored_mb: int | None = Field(None, ge=1, description="Size of all objects, in units of 10^6 bytes.")
    models: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(
        None, min_length=1, max_length=100, description="Generators; the first serves requests that name none."
    )
    photo_ttl_s: int | None = Field(None, ge=60, description="Longest time for which photographs are kept.")


class TenantOut(BaseModel):
    """An owner of keys, or of limits."""

    owner: str
    keys: int = Field(description="Keys that are valid.")
    stored_bytes: int = Field(description="Size of all objects; one of several owners counts for each.")
    limits: LimitsBody


class TenantsOut(BaseModel):
    """All owners of keys or limits, by name."""

    items: list[TenantOut]
