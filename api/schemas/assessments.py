"""Bodies and answers of assessments and of the cohort. They follow `recognition.syndromes.assessment.answer`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.jobs.job_list import State

Sex = Literal["female", "male", "other"]
Years = Annotated[float, Field(ge=0, le=120, allow_inf_nan=False)]
Term = Annotated[str, Field(pattern=r"^HP:\d{7}$")]


class SyndromeOut(BaseModel):
    """Trained model of a syndrome. Whatever it says of a person is no diagnosis."""

    syndrome: str = Field(description="What requests give as `syndrome`.")
    sha256: str = Field(description="Digest of its file.")
    figures: dict[str, Any] = Field(description="What its file says of it, in numbers.")
    card: str = Field(description="The same for people, in Markdown; empty if the operator deleted it.")
    notice: str


class SyndromesOut(BaseModel):
    """The syndromes that photographs can be assessed for, by name."""

    items: list[SyndromeOut]


class AssessmentBody(BaseModel):
    """An assessment: is this face evidence for a syndrome, compared with matched controls?"""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"photo": "0123456789abcdef0123456789abcdef", "syndrome": "KdVS", "sex": "female", "age": 7},
                {"photo": "0123456789abcdef0123456789abcdef", "syndrome": "KdVS", "terms": ["HP:0000286"]},
            ]
        },
    )

    photo: str = Field(max_length=100, description="Id of a photograph that is inverted.")
    syndrome: str = Field(max_length=200, description="Name from /v1/syndromes.")
    sex: Sex | None = Field(None, description="Of the person shown.")
    age: Years | None = Field(None, description="In years, when the photograph was taken.")
    terms: list[Term] | None = Field(
        None, max_length=200, description="HPO terms that were observed; unset: the face alone is used."
    )
    prior: float = Field(
        0.5,
        gt=0,
        lt=1,
        allow_inf_nan=False,
        description="Share of patients with the syndrome among the people whom you would ask about. 0.5 is the share "
        "among the matched people of the training.",
    )


class EstimateOut(BaseModel):
    """Calibrated probability, with the 95 % interval of its calibration."""

    probability: float
    low: float
    high: float


class NoveltyOut(BaseModel):
    """How far the face lies from the nearest face of the training."""

    share: float = Field(
        description="Share of the training faces that lie at least as far from the nearest other one, in tenths; 0.9 "
        "stands for more too."
    )
    beyond: bool = Field(description="Whether it lies farther out than the limit in the card: no answer is given.")


class GroupOut(BaseModel):
    """Patients or controls of the training, in numbers."""

    persons: int
    sexes: dict[str, int] = Field(description="Numbers below 5 are left out.")
    ancestries: dict[str, int]
    ages: list[float] = Field(
        description="Limits in multiples of 5 years; between them the quartiles, from 20 persons on."
    )


class ReasonOut(BaseModel):
    """A reason of the answer of one model."""

    model: str
    kind: str = Field(description="`distance`, `region`, `block` of the features, or `term`.")
    name: str
    weight: float = Field(description="Contribution to the model's answer; above 0 it is evidence for the syndrome.")
    line: tuple[tuple[float, float], tuple[float, float]] | None = Field(
        description="Ends of a distance in the picture, as (x, y) in shares of its width."
    )


class CohortAnswer(BaseModel):
    """Whether the face is like those of your cohort's members with the syndrome."""

    members: int
    left_out: int = Field(description="Members whose face could not be described.")
    p: float | None = Field(
        description="Small if the face is less like the members than they are like each other, at least "
        "1 / (members + 1); null where there are fewer than two members."
    )
    intruders: int | None = Field(description="Controls of the training that are nearer than the nearest member.")
    controls_alike: float | None = Field(
        description="Share of the controls of the training that are as like the members. If it is large, p says little."
    )


class AssessmentResult(BaseModel):
    """Answer of the models of a syndrome for a photograph. Research use, no diagnosis."""

    syndrome: str
    model_sha256: str
    prior: float
    estimates: dict[str, EstimateOut] = Field(
        description="By model, `ensemble` included; empty where no answer is given."
    )
    refusals: list[str] = Field(description="Why no answer is given.")
    remarks: list[str]
    novelty: dict[str, NoveltyOut]
    patients: GroupOut
    controls: GroupOut = Field(description="The control group that the face was compared with.")
    reasons: list[ReasonOut]
    cohort: CohortAnswer | None = Field(
        description="null where no answer is given, or your cohort has no member with the syndrome."
    )
    notice: str


class AssessmentLinks(BaseModel):
    """Paths that belong to an assessment."""

    self: str
    photo: str
    picture: str = Field(
        description="The face with the most important distances, named beneath it. It shows the person."
    )
    job: str | None


class AssessmentOut(BaseModel):
    """An assessment, and its state."""

    id: str
    state: State
    request: dict[str, Any]
    result: AssessmentResult | None = Field(description="null until it is done.")
    error: str | None
    created: datetime
    notice: str
    links: AssessmentLinks


class AssessmentList(BaseModel):
    """The assessments of one photograph, the oldest first."""

    items: list[AssessmentOut]


class AssessmentPage(BaseModel):
    """A page of assessments, in the order of their ids."""

    items: list[AssessmentOut]
    next: str | None = Field(description="Path of the next page, or null.")


class CohortMemberBody(BaseModel):
    """The person on a photograph that joins the cohort."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"syndrome": "KdVS", "sex": "female", "age": 7, "ancestry": "European"}]},
    )

    syndrome: str = Field(min_length=1, max_length=200)
    sex: Sex | None = None
    age: Years | None = Field(None, description="In years, when the photograph was taken.")
    ancestry: str | None = Field(None, min_length=1, max_length=100)


class CohortMemberOut(CohortMemberBody):
    """A photograph in the cohort, with what is known of the person shown."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={})

    since: datetime
