"""Answers about photographs, the accesses to them and their receipts."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.jobs.job_list import State
from api.photographs.audit.entries import Outcome
from api.schemas.assessments import CohortMemberOut
from core.precision import Precision


class QualityOut(BaseModel):
    """Quality of the reconstruction of a face."""

    l2: float = Field(description="Mean squared error of the pixels in [-1, 1].")
    ms_ssim: float | None = Field(description="Multi-scale structural similarity, 1 for equal pictures.")
    perceptual: float | None = Field(description="Distance of features, 0 for equal pictures.")
    identity: float | None = Field(description="Cosine of face descriptors; null where no face is found.")
    landmarks: float | None = Field(
        None, description="Mean distance of the landmarks from the photograph's, in distances between the eyes."
    )
    smile: float | None = Field(None, description="Difference of the smile from the photograph's.")
    sharpness: float | None = Field(None, description="Detail of the face relative to the photograph.")
    eyes: float | None = Field(
        None, description="Structural similarity of the eye that differs more from the photograph's; 1 for equal eyes."
    )
    happy: float | None = Field(
        None,
        description="Difference of the probability of a happy expression, by an independent judge; null where none is "
        "installed.",
    )
    age_years: float | None = Field(
        None, description="Difference of the age, by an independent judge; null where none is installed."
    )
    judged: bool = Field(
        description="There is a verdict: limits are known for the inverter, or the face misses a floor that holds for "
        "any inverter. Otherwise verdict is null."
    )
    verdict: Literal["good", "doubtful", "out of domain"] | None
    because: list[str] = Field(description="The measures that led to a verdict other than good.")
    precision: Precision = Field("float32", description="Arithmetic of the networks that reproduced it.")
    method: str | None = Field(None, description="Method of the inversion: `hyperstyle`, `encoder` or `pti` (tuning).")


ConsentScope = Literal["cohort"]


class LandmarksOut(BaseModel):
    """Landmarks of the aligned face of a photograph; null where no face is found in it."""

    side: int | None = Field(None, description="Side of `crop.png` in pixels; null if an earlier version inverted it.")
    landmarks: list[tuple[float, float]] | None = Field(
        None,
        description="68 points [x, y] in iBUG order, in pixels of `crop.png`; the centre of its first pixel is (0, 0).",
    )
    areas: dict[str, tuple[int, int, int, int]] | None = Field(
        None, description="Areas of interest `mouth`, `eyes`, `nose` and `face`: left, top, right and bottom in pixels."
    )
    smile: float | None = Field(
        None, description="Smile that the landmarks show: 0 at rest, 1 broad. The `smile` of `quality` is a difference."
    )


class PhotoLinks(BaseModel):
    """Paths that belong to a photograph."""

    self: str
    original: str | None = Field(description="null where it is deleted, or will be.")
    crop: str
    landmarks: str
    reconstruction: str
    edits: str
    explanations: str
    assessments: str
    cohort: str
    accesses: str
    job: str | None


class PhotoOut(BaseModel):
    """A photograph, and what became of it."""

    id: str
    state: State
    model: str
    consent: str = Field(description="The reference that was given.")
    consent_scope: ConsentScope | None = Field(description="What the consent includes besides the purpose.")
    purpose: str
    reference: str | None = Field(description="Your own name for the photograph, from the header `Reference`.")
    created: datetime
    expires: datetime = Field(description="When it is erased with all that is derived from it.")
    keep_original: bool
    quality: QualityOut | None = Field(description="null until it is inverted.")
    notes: str = Field(description="What is to be known of the face that was taken.")
    cohort: CohortMemberOut | None = Field(description="null unless it is in the cohort; see PUT …/cohort.")
    error: str | None = Field(description="Why it could not be inverted.")
    notice: str
    links: PhotoLinks


class PhotoPage(BaseModel):
    """A page of photographs, in the order of their ids."""

    items: list[PhotoOut]
    next: str | None = Field(description="Path of the next page, or null.")


class AccessOut(BaseModel):
    """Somebody did something with a photograph."""

    at: datetime
    owner: str
    key: str = Field(description="Id of the API key; `-` for the service itself.")
    action: str = Field(description="Method and route, or what was erased.")
    outcome: Outcome


class AccessList(BaseModel):
    """Every access to a photograph, the oldest first."""

    items: list[AccessOut]


class ReceiptOut(BaseModel):
    """Receipt that lists what was erased."""

    id: str
    photo: str
    erased_at: datetime
    erased: dict[str, int] = Field(description="How many of each kind of thing.")
    because: str
