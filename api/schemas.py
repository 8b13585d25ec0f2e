"""Bodies and answers of the REST interface: what data must look like before anything else sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.jobs import State

Kind = Literal["unrelated", "age_related", "age_progression", "blended", "average"]

Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]


class ImageSetBody(BaseModel):
    """An image set to make. What is left out takes the published default, and the answer spells it out."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"kind": "age_progression", "conditions": ["WS", "22q11DS"], "count": 8, "seed": 7},
                {"kind": "unrelated", "conditions": ["WS"], "ages": ["child", "adolescent"], "count": 100},
                {"kind": "age_related", "seeds": [11, 12, 13]},
                {
                    "kind": "blended",
                    "conditions": ["WS"],
                    "partners": ["unaffected"],
                    "blend": 0.55,
                    "count": 4,
                },
                {"kind": "average", "conditions": ["WS", "unaffected"]},
            ]
        },
    )

    kind: Kind = Field(
        description="`unrelated`: one random vector per image. `age_related`: one per person, shared over "
        "the age groups. `age_progression`: one per person, five equal steps from the infant to the older "
        "adult. `blended`: one per person and age, a mix of two conditions with a soft label. `average`: the "
        "mean face of a label."
    )
    conditions: list[str] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="Names from /v1/conditions; unset takes every affected one.",
    )
    ages: list[str] | None = Field(
        None, min_length=1, max_length=1000, description="Age groups from /v1/conditions; unset takes all."
    )
    count: int | None = Field(
        None,
        ge=1,
        description="Persons per condition (in `unrelated`: images per condition and age; in `blended`: per "
        "pair of conditions and age); unset follows the training data, as published.",
    )
    seeds: list[Seed] | None = Field(
        None,
        min_length=1,
        description="Random seed of each person or image, instead of `count`; each in [0, 2^63 - 1].",
    )
    seed: Seed | None = Field(None, description="Where the seeds of `count` persons come from; unset is 0.")
    truncation: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="psi: 0 is the average face, 1 the full variety; unset is 0.6, in `average` 1.",
    )
    blend: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="`blended` only: weight of the first condition; 0.55 and 0.75 were published.",
    )
    partners: list[str] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="`blended` only: second conditions; unset takes every other one.",
    )
    noise: Literal["const", "none", "random"] | None = Field(
        None, description="Image noise: the same in every image (the default), none, or drawn from the seed."
    )
    precision: Literal["float32", "bfloat16"] | None = Field(
        None, description="Arithmetic of the network; unset takes the service's."
    )

    def asked(self) -> dict[str, Any]:
        """The fields that the caller gave."""
        return self.model_dump(exclude_none=True)


class JobLinks(BaseModel):
    """Paths that belong to a job."""

    self: str
    image_set: str
    events: str
    cancel: str


class JobOut(BaseModel):
    """An attempt at making an image set."""

    id: str
    state: State = Field(description="`queued`, `running`, `done`, `failed` or `cancelled`.")
    done: int = Field(description="Images rendered and stored.")
    total: int = Field(description="Images in the set.")
    created: datetime = Field(description="When it was asked for.")
    images_per_s: float | None = Field(description="Rate of this job so far; null before its first images.")
    eta_s: float | None = Field(description="Seconds left at that rate; null when unknown or finished.")
    error: str | None = Field(description="Why it failed, or null.")
    links: JobLinks


class ImageSetLinks(BaseModel):
    """Paths that belong to an image set; `{n}` counts from 0."""

    self: str
    manifest: str
    image: str
    shard: str
    archive: str
    sheet: str
    job: str | None


class ImageSetOut(BaseModel):
    """An image set: immutable, and named by the hash of its resolved request, so that it can be cited."""

    id: str
    state: State
    done: int = Field(description="Images rendered and stored.")
    total: int = Field(description="Images in the set.")
    images_per_s: float | None = Field(description="Rate so far; null when not running.")
    eta_s: float | None = Field(description="Seconds left at that rate; null when not running.")
    error: str | None = Field(description="Why its last job failed, or null.")
    shards: int = Field(description="How many WebDataset shards there are.")
    shard_images: int = Field(description="Images in each shard; the last may have fewer.")
    request: dict[str, Any] = Field(description="The request with every default spelt out, weights included.")
    notice: str = Field(description="What these images are, and are not.")
    links: ImageSetLinks


class ImageSetPage(BaseModel):
    """A page of image sets, in the order of their ids."""

    items: list[ImageSetOut]
    next: str | None = Field(description="Path of the next page, or null.")


class JobPage(BaseModel):
    """A page of jobs, the newest first."""

    items: list[JobOut]
    next: str | None = Field(description="Path of the next page, or null.")


class ConditionOut(BaseModel):
    """A condition that can be asked for."""

    name: str
    class_index: int = Field(description="Its place in soft labels, and its number in a shard's .cls files.")
    training_images: dict[str, int] = Field(description="Images that the weights were trained on, by age group.")


class AgeGroupOut(BaseModel):
    """An age group that can be asked for: [from_years, to_years)."""

    name: str
    from_years: float
    to_years: float | None = Field(description="null where the group is open.")


class ConditionsOut(BaseModel):
    """What labels an image can have."""

    conditions: list[ConditionOut]
    ages: list[AgeGroupOut]


class ModelOut(BaseModel):
    """A generator's weights."""

    weights_sha256: str
    resolution: int = Field(description="Side of the images in pixels.")
    origin: str
    licence: str
    images_seen: int | None = Field(description="Real images shown in training.")
    notice: str


class ModelsOut(BaseModel):
    """The generators of this service."""

    items: list[ModelOut]


class HealthOut(BaseModel):
    """Whether the service is alive, or ready."""

    status: Literal["alive", "ready"]


class FieldError(BaseModel):
    """One field at fault."""

    model_config = ConfigDict(extra="allow")

    field: str
    message: str = Field(description="The value, what is accepted, and the remedy.")


class ProblemOut(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldError] = Field(default=[], description="The fields at fault, if fields are.")
