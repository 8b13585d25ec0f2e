"""Bodies and answers of image sets and of single faces."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.jobs.job_list import State
from core.precision import PrecisionChoice
from faces.image_set_request import DEFAULT_TRUNCATION, LARGEST_SEED, OLDEST_YEARS, AgeSteps, Kind, Noise

Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Least = Annotated[float, Field(ge=0, le=255, allow_inf_nan=False)]


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
                {"kind": "unrelated", "conditions": ["WS"], "count": 20, "min_face": 0.1, "min_novelty": 5},
            ]
        },
    )

    kind: Kind = Field(
        description="`unrelated`: one random vector per image. `age_related`: one per person, shared over "
        "the age groups. `age_progression`: one per person, a step for each age group from the infant to the older "
        "adult. `blended`: one per person and age, a mix of two conditions with a soft label. `average`: the mean "
        "face of a label."
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
        description="Persons for each condition, so a set has count x conditions x ages images: 10 persons of 4 "
        "conditions in 5 age groups are 200 images. In `unrelated` it is images for each condition and age, in "
        "`blended` for each pair of conditions and age. Unset follows the training data, as published.",
    )
    total_images: int | None = Field(
        None,
        ge=1,
        description="Instead of `count`: images of the whole set. It must be a multiple of what one person of each "
        "condition adds (in `unrelated` one image of each condition and age); the nearest possible numbers are named "
        "otherwise. The set is the same as with the equivalent `count`.",
    )
    seeds: Annotated[list[Seed], Field(fail_fast=True)] | None = Field(
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
    age_steps: AgeSteps | None = Field(
        None,
        description="`age_progression` only: `published` takes equal steps between the youngest and the oldest age "
        "(the default), `calibrated` one for each age group, where the generator's faces are read as of that group; "
        "see `calibrated_ages` of /v1/models.",
    )
    years: list[Annotated[float, Field(ge=0, le=OLDEST_YEARS, allow_inf_nan=False)]] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="`age_progression` and `blended` only, instead of `ages`: ages in years. Each lies between the "
        "calibrated steps of the age groups, or between equal ones where the weights have none.",
    )
    seeds_by_label: dict[str, list[Seed] | dict[str, list[Seed]]] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description='Instead of `count`: other seeds for each condition, `{"WS": [1, 2]}`; in `unrelated` and '
        '`blended` for each condition and age, `{"WS": {"child": [1]}}`. The `request` of a `selection.json` has those '
        "that a filter kept.",
    )
    scores: bool | None = Field(
        None,
        description="Whether each line of the manifest has `scores`: condition and age as a network reads them, "
        "face found, sharpness, and novelty within the set. A minimum implies it.",
    )
    classifier: str | None = Field(
        None,
        max_length=200,
        description="What reads the condition: a name from /v1/classifiers, or `oracle`, the network that reads "
        "phantoms. Unset takes the oracle for generators of phantoms, and reads no condition otherwise.",
    )
    classifier_sha256: str | None = Field(
        None, max_length=64, description="Digest that the classifier must have, as the answer's `request` says it."
    )
    min_condition: Probability | None = Field(
        None,
        description="Least probability of the image's condition as it is read (of a blend, the overlap with its soft "
        "label). Persons with an image below it are replaced by others until `count` have passed.",
    )
    min_age: Probability | None = Field(
        None, description="Least probability of the image's age group as the oracle reads it."
    )
    min_face: Least | None = Field(
        None,
        description="Least confidence of the detector of faces: 0.1 asks that a face is found. Higher values refuse "
        "dark skin more often, in which the detector is less confident.",
    )
    min_sharpness: Least | None = Field(
        None, description="Least fine detail of the face relative to coarser detail; phantoms have about 1.5."
    )
    min_novelty: Least | None = Field(
        None, description="Least distance to the faces of other persons of the set, in grey levels; 0 is a copy."
    )
    noise: Noise | None = Field(
        None, description="Image noise: the same in every image (the default), none, or drawn from the seed."
    )
    precision: PrecisionChoice | None = Field(
        None,
        description="Arithmetic of the network; unset takes the service's. `auto` is what its hardware is made for; "
        "the answer's `request` says which that is. Another precision makes another set: name one to get the same set "
        "of every service.",
    )
    model: str | None = Field(
        None, max_length=200, description="Name of a generator from /v1/models; unset takes the first."
    )

    def dump_fields(self) -> dict[str, Any]:
        """Return the fields that the caller gave."""
        return self.model_dump(exclude_none=True)


class FaceQuery(BaseModel):
    """One face: a person, the label, and how far the latent is moved along a direction."""

    condition: str = Field(max_length=200, description="Name from /v1/conditions.")
    years: float = Field(ge=0, le=OLDEST_YEARS, allow_inf_nan=False, description="Age in years.")
    seed: Seed = Field(0, description="Random seed of the person.")
    partner: str | None = Field(None, max_length=200, description="Second condition of a blend.")
    blend: float = Field(
        1.0, ge=0, le=1, allow_inf_nan=False, description="Weight of the first condition; the rest is the partner's."
    )
    truncation: float = Field(
        DEFAULT_TRUNCATION,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="psi: 0 is the average face, 1 the full variety.",
    )
    strength: float = Field(
        0.0, ge=-100, le=100, allow_inf_nan=False, description="Units along the direction; see its `spread`."
    )
    direction: str = Field("smile", max_length=100, description="Name from /v1/directions.")
    model: str | None = Field(
        None, max_length=200, description="Name of a generator from /v1/models; unset takes the first."
    )

    def list_set_fields(self) -> dict[str, Any]:
        """Return the request for the image set that has this face as its only image, before the latent is moved."""
        fields = {
            "conditions": [self.condition],
            "years": [self.years],
            "seeds": [self.seed],
            "truncation": self.truncation,
        }
        if self.partner in (None, self.condition) or self.blend == 1:
            return {"kind": "age_progression"} | fields
        return {"kind": "blended", "partners": [self.partner], "blend": self.blend} | fields

    def list_edit_fields(self) -> dict[str, Any] | None:
        """Return the request for the edit of that image that gives the moved face; None if it is not moved."""
        if not self.strength:
            return None
        return {"direction": self.direction, "strength": self.strength, "hold": False}


class ImageSetLinks(BaseModel):
    """Paths that belong to an image set; `{n}` counts from 0."""

    self: str
    manifest: str
    image: str
    shard: str
    archive: str
    sheet: str
    printed_sheet: str
    croissant: str
    card: str
    gestaltmatcher: str
    phenopackets: str
    selection: str | None = Field(description="What a filtered set kept and left out; null without a filter.")
    left_out: str | None = Field(description="Picture of what was left out; null without a filter.")
    job: str | None


class ImageSetOut(BaseModel):
    """An image set: immutable, and named by the hash of its resolved request, so that it can be cited."""

    id: str
    state: State
    done: int = Field(description="Images rendered and stored.")
    total: int = Field(description="Images that the set has when it is done.")
    images_per_s: float | None = Field(description="Rate so far; null when not running.")
    eta_s: float | None = Field(description="Seconds left at that rate; null when not running.")
    error: str | None = Field(description="Why its last job failed, or null.")
    shards: int = Field(description="How many WebDataset shards there are.")
    shard_images: int = Field(description="Images in each shard; the last may have fewer.")
    request: dict[str, Any] = Field(description="The request with every default spelt out, weights included.")
    notice: str = Field(description="What these images are, and are not.")
    links: ImageSetLinks


class ImageSetEstimate(BaseModel):
    """An image set that was not asked for yet: how many images, and about how long and how much room they take."""

    id: str = Field(description="The id that the set has.")
    images: int = Field(description="Images of the set.")
    complete: bool = Field(description="Whether you have the set already: then it takes no more time and room.")
    seconds: float = Field(
        description="About how long rendering and storing take, without waiting for other jobs; 0 if it is complete."
    )
    size_bytes: int = Field(description="About how much room the images take.")
    measured: bool = Field(
        description="Whether `seconds` follows from images that this service has made since it started; otherwise from "
        "figures of the documentation, for two processor cores."
    )
    request: dict[str, Any] = Field(description="The request with every default spelt out, weights included.")


class ImageSetPage(BaseModel):
    """A page of image sets, in the order of their ids."""

    items: list[ImageSetOut]
    next: str | None = Field(description="Path of the next page, or null.")
