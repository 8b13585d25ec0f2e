"""Bodies and answers of survey packs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.jobs.job_list import State
from api.schemas.edits import EffortFields


class StimuliBody(EffortFields):
    """A survey pack to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    photos: list[str] = Field(min_length=2, max_length=1000, description="Ids of photographs, each once.")
    smile: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="To reach; unset: the opposite of each face's own."
    )
    groups: dict[str, str] = Field(
        {},
        max_length=1000,
        description="Group of a photograph, by its id: half of each group is edited in each version.",
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="Of halves, order and file names.")
    doubtful: bool = Field(
        False,
        description="Keep faces whose inversion or edit is doubtful; none out of domain, and no refused edit.",
    )
    local: bool = Field(True, description="See edits of a photograph.")
    apply: Literal["warp", "latent"] | None = Field(None, description="See edits of a photograph.")


class StimuliLinks(BaseModel):
    """Paths that belong to a survey pack."""

    self: str
    archive: str
    picture: str = Field(
        description="The n-th picture of a version, A or B, from 1; `{version}` and `{n}` stand in it."
    )
    job: str | None


class LeftOut(BaseModel):
    """A photograph that is not in a pack."""

    photograph: str
    reason: str


class StimuliOut(BaseModel):
    """A survey pack: two counterbalanced versions, areas of interest, and the key that must not be seen."""

    id: str
    state: State
    done: int = Field(description="Photographs that are edited.")
    total: int
    people: int | None = Field(description="Who is in it; null until it is done.")
    left_out: list[LeftOut]
    error: str | None
    created: datetime
    expires: datetime
    notice: str
    links: StimuliLinks


class StimuliPage(BaseModel):
    """A page of survey packs, in the order of their ids."""

    items: list[StimuliOut]
    next: str | None = Field(description="Path of the next page, or null.")
