"""Bodies and answers of explanations of classifiers' answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.jobs.job_list import State


class ClassifierOut(BaseModel):
    """A classifier whose answers can be explained."""

    name: str = Field(description="What requests give as `classifier`.")
    classes: list[str]
    network: str
    size: int = Field(description="Side in pixels of the faces that it takes.")
    members: int = Field(description="Networks of which it is the mean, as of the folds of a cross-validation.")
    notice: str


class ClassifiersOut(BaseModel):
    """The classifiers of this service, the one for requests that name none first."""

    items: list[ClassifierOut]


class PhotographFaceBody(BaseModel):
    """The face of a photograph."""

    model_config = ConfigDict(extra="forbid", strict=True)

    photo: str = Field(max_length=100, description="Id of a photograph that is inverted.")


class ImageFaceBody(BaseModel):
    """The face of an image of a set."""

    model_config = ConfigDict(extra="forbid", strict=True)

    image_set: str = Field(max_length=100, description="Id of an image set that is complete.")
    image: int = Field(ge=0, description="The image's index, from 0.")


class ExplanationBody(BaseModel):
    """An explanation: which parts of a face a classifier uses."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"face": {"image_set": "0123456789abcdef0123456789abcdef", "image": 0}, "methods": ["gradcam"]},
                {"face": {"photo": "0123456789abcdef0123456789abcdef"}, "target": "WS"},
            ]
        },
    )

    face: PhotographFaceBody | ImageFaceBody = Field(description="The face that is explained.")
    classifier: str | None = Field(
        None, max_length=200, description="Name from /v1/classifiers; unset takes the first."
    )
    methods: list[str] | None = Field(
        None,
        min_length=1,
        max_length=15,
        description="Methods of the maps, each once; unset takes those of `gradcam`, `integrated_gradients`, "
        "`lrp_epsilon_z_plus` and `occlusion` that are defined for the network.",
    )
    target: str | None = Field(
        None, max_length=100, description="Class whose logit is explained; unset takes the most probable one."
    )


class ExplanationLinks(BaseModel):
    """Paths that belong to an explanation."""

    self: str
    face: str = Field(description="The photograph, or the image of a set.")
    maps: dict[str, str] = Field(description="Picture of each map by its method.")
    job: str | None


class ClassifierUsed(BaseModel):
    """The classifier that was explained."""

    name: str
    weights_sha256: str


class RegionRelevance(BaseModel):
    """Relevance of a region of a face."""

    relevance: float = Field(description="Absolute map, summed over channels and pixels, divided by the pixels.")
    scaled: float = Field(description="The same of the map scaled to [0, 1] by its minimum and maximum.")


class ExplanationResult(BaseModel):
    """Answer of a classifier for a face, and the parts of the face that it uses. No basis for a diagnosis."""

    classifier: ClassifierUsed
    probabilities: dict[str, float] = Field(description="Probability of each class, by the classifier.")
    target: str = Field(description="The class whose logit is explained.")
    methods: dict[str, dict[str, RegionRelevance]] = Field(description="Relevance of each region by method.")


class ExplanationOut(BaseModel):
    """An explanation, and its state."""

    id: str
    state: State
    done: int = Field(description="Maps that are computed.")
    total: int
    request: dict[str, Any]
    result: ExplanationResult | None = Field(description="null until there is a map; it grows until it is done.")
    error: str | None
    created: datetime
    notice: str
    links: ExplanationLinks


class ExplanationList(BaseModel):
    """The explanations of one face, the oldest first."""

    items: list[ExplanationOut]


class ExplanationPage(BaseModel):
    """A page of explanations, in the order of their ids."""

    items: list[ExplanationOut]
    next: str | None = Field(description="Path of the next page, or null.")
