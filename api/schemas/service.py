"""Answers about the service itself, and about pictures that somebody wants to recognise."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from api.provenance.claims import Source


class CredentialsOut(BaseModel):
    """Content of a file's C2PA manifest, and whether it is valid."""

    state: Literal["trusted", "valid", "invalid", "unreadable"] = Field(
        description="`trusted`: it holds, and who signed is vouched for by one whom this service trusts; `valid`: it "
        "holds, whoever signed; `invalid`: something in it does not hold."
    )
    intact: bool = Field(default=False, description="The file, and so its pixels, is as it was signed, whoever did.")
    signer: str | None = Field(default=None, description="Name in the signer's certificate.")
    organisation: str | None = Field(default=None, description="Organisation in the signer's certificate.")
    serial: str | None = Field(default=None, description="Serial number of the signer's certificate, in decimal.")
    software: str | None = Field(default=None, description="What made the manifest, as it says.")
    failures: list[str] = Field(default=[], description="What does not hold, as the specification's status codes.")
    because: str | None = Field(default=None, description="Why it is unreadable.")


class VerifyOut(BaseModel):
    """Whether this service made a picture."""

    verdict: Literal["made here", "made here, changed since", "not recognised"]
    how: str = Field(description="What it was recognised by.")
    source: Source | None = Field(
        description="`synthetic`, `edited`, `reconstructed` or `annotated`, as far as that is known."
    )
    claim: dict[str, Any] | None = Field(
        description="What the file says of itself; hearsay unless the verdict is `made here`."
    )
    credentials: CredentialsOut | None = Field(
        default=None, description="Its C2PA manifest; null where it has none. The verdict does not depend on it."
    )


class HealthOut(BaseModel):
    """Whether the service is alive, or ready."""

    status: Literal["alive", "ready"]


class ServiceLinks(BaseModel):
    """Paths where the service can be explored."""

    studio: str = Field(description="Pages for people who do not program.")
    docs: str = Field(description="Reference of every path and field, as a page.")
    openapi: str = Field(description="The same as an OpenAPI document.")
    models: str
    image_sets: str
    livez: str
    readyz: str


class ServiceOut(BaseModel):
    """Name and version of the service, and where to go from here."""

    name: str
    version: str
    notice: str = Field(description="Statement that the images are synthetic.")
    links: ServiceLinks
