"""Bodies and answers of edits of faces."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.jobs.job_list import State
from api.photographs.inversion_effort import MOST_SECONDS, MOST_STEPS, MethodName
from core.precision import Precision

TuningSteps = Annotated[int, Field(ge=1, le=MOST_STEPS)]
TuningSeconds = Annotated[float, Field(gt=0, le=MOST_SECONDS, allow_inf_nan=False)]
ABOUT_STEPS: Final = "Steps of each part of tuning; unset: 220, and 80 of the search of a pivot."
ABOUT_SECONDS: Final = f"Time of each part of tuning; unset: {MOST_SECONDS:g}."


class EffortFields(BaseModel):
    """Effort of the inversion of a photograph."""

    method: MethodName | None = Field(
        None,
        description="Invert the photograph anew: `hyperstyle` by the networks of the inverter, `tuning` by pivotal "
        "tuning, more exact and slower; unset takes the stored inversion.",
    )
    steps: TuningSteps | None = Field(None, description=ABOUT_STEPS)
    seconds: TuningSeconds | None = Field(None, description=ABOUT_SECONDS)


class EditBody(EffortFields):
    """An edit: a smile to reach, or a strength along a direction."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"smile": 0.2}, {"direction": "age", "strength": 2.0}]},
    )

    smile: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="Smile to reach: 0 at rest, 1 broad."
    )
    strength: float | None = Field(
        None, ge=-100, le=100, allow_inf_nan=False, description="Instead: units along the direction; see its `spread`."
    )
    direction: str = Field("smile", max_length=100, description="Name from /v1/directions.")
    condition: str | None = Field(
        None, max_length=100, description="Take the direction of this condition, where there is one."
    )
    hold: bool = Field(True, description="Lead back what else moves: age, condition and identity.")
    local: bool = Field(
        True,
        description="After pivotal tuning of a photograph, edit the region of the expression alone, in the layers of "
        "the direction, and no further than the face stays whole.",
    )
    apply: Literal["warp", "latent"] | None = Field(
        None,
        description="How a smile is reached: `warp` moves the pixels of a photograph after pivotal tuning, `latent` "
        "generates the face from a moved latent. Unset: `warp` where it is possible.",
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.smile is None) == (self.strength is None):
            raise ValueError("give either smile or strength")
        if self.apply == "warp" and (self.smile is None or not self.local):
            raise ValueError("a warp reaches a smile, and is always local; give a smile and leave local out")
        if self.smile is not None and self.direction != "smile":
            raise ValueError("a smile is reached along the direction smile; give a strength along others")
        return self

    def dump_fields(self) -> dict[str, Any]:
        """Return the fields that say what to do."""
        return self.model_dump(exclude_none=True)


class EditResult(BaseModel):
    """Measured result of an edit."""

    strength: float
    smile_before: float | None
    smile_after: float | None
    target: float | None
    identity: float | None = Field(description="Drift, in units of the mean distance between different people.")
    condition_kept: bool | None = Field(description="null where conditions cannot be read.")
    age_years: float | None = Field(description="Change of the age that is read; null where none can be.")
    distance_before: float = Field(description="Of the latent from the centre of all, in standard deviations.")
    distance_after: float
    path: list[tuple[float, float | None]] = Field(description="Strengths tried, and the smile at each.")
    sharpness: float | None = Field(None, description="Detail of the face relative to the unedited one.")
    scores: tuple[float | None, float | None] | None = Field(
        None, description="Scores of the face detector before and after; null where no detector reads the faces."
    )
    local: bool = Field(False, description="The region of the expression alone was edited.")
    applied: Literal["warp", "latent"] = Field("latent", description="How the face was changed.")
    judged_happy_before: float | None = Field(
        None,
        description="Probability of a happy expression before, by an independent judge; null where none is installed.",
    )
    judged_happy_after: float | None = Field(None, description="The same after the edit.")
    judged_age_before: float | None = Field(None, description="Age in years before, by an independent judge, or null.")
    judged_age_after: float | None = Field(None, description="The same after the edit.")
    verdict: Literal["good", "doubtful", "refused"] = Field(
        description="`refused`: the face is spoilt, whatever smile it shows; do not show the picture."
    )
    because: list[str] = Field(description="What speaks against it, in words.")
    inversion: Literal["good", "doubtful", "out of domain", "unjudged"] | None = Field(
        None,
        description="Verdict on the reconstruction that was edited; unjudged where no limits are known for the "
        "inverter, null for an image of a set.",
    )
    precision: Precision = Field("float32", description="Arithmetic of the network: as of the face that was edited.")


class EditLinks(BaseModel):
    """Paths that belong to an edit."""

    self: str
    image: str
    before: str = Field(description="The same face unedited, at the same artefact level.")
    job: str | None


class EditOut(BaseModel):
    """An edited face."""

    id: str
    state: State
    request: dict[str, Any]
    result: EditResult | None = Field(description="null until it is done.")
    error: str | None
    created: datetime
    notice: str
    links: EditLinks


class EditList(BaseModel):
    """The edits of one face, the oldest first."""

    items: list[EditOut]
