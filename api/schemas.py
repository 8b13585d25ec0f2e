"""Bodies and answers of the REST interface: untrusted data is checked here before anything else sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.access.ownership import Kind as WorkKind
from api.assessment_schemas import CohortMemberOut
from api.jobs.job_list import State
from api.photographs.audit import Outcome
from api.photographs.inversion_effort import MOST_SECONDS, MOST_STEPS, MethodName
from api.provenance.claims import Source
from core.precision import Precision, PrecisionChoice
from faces.image_set_request import DEFAULT_TRUNCATION, LARGEST_SEED, OLDEST_YEARS, AgeSteps, Kind, Noise

Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]


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


class JobLinks(BaseModel):
    """Paths that belong to a job."""

    self: str
    subject: str | None = Field(description="What it works on; null for edits, which their pictures list.")
    events: str
    cancel: str


class JobOut(BaseModel):
    """An attempt at something: an image set, the inversion of a photograph, an edit, a survey pack, an explanation."""

    id: str
    kind: WorkKind
    state: State = Field(description="`queued`, `running`, `done`, `failed` or `cancelled`.")
    done: int = Field(description="Images, or photographs, that are done.")
    total: int = Field(description="How many there are to be.")
    created: datetime = Field(description="When it was asked for.")
    items_per_s: float | None = Field(description="Rate of this job so far; null before its first.")
    eta_s: float | None = Field(description="Seconds left at that rate; null when unknown or finished.")
    error: str | None = Field(description="Why it failed, or null.")
    detached: bool = Field(default=False, description="Cancelled for you alone: it goes on for another owner.")
    links: JobLinks


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


class JobPage(BaseModel):
    """A page of jobs, the newest first."""

    items: list[JobOut]
    next: str | None = Field(description="Path of the next page, or null.")


class ConditionOut(BaseModel):
    """A condition that can be asked for."""

    name: str
    label: str = Field(description="Full name, such as `Williams syndrome`; the name again where none is known.")
    identifiers: dict[str, str] = Field(
        description="Identifiers by database, such as `OMIM:194050`; empty where none is known."
    )
    genes: list[str] = Field(description="Genes of which one causes the condition; empty where that does not apply.")
    class_index: int = Field(description="Its place in soft labels, and its number in a shard's .cls files.")
    training_images: dict[str, int] = Field(description="Images that the weights were trained on, by age group.")


class AgeGroupOut(BaseModel):
    """An age group that can be asked for: [from_years, to_years)."""

    name: str
    from_years: float
    to_years: float | None = Field(description="null where the group is open.")


class ConditionsOut(BaseModel):
    """Labels that an image of a generator can have."""

    model: str
    conditions: list[ConditionOut]
    ages: list[AgeGroupOut]


class ModelOut(BaseModel):
    """A generator's weights."""

    name: str = Field(description="What requests give as `model`.")
    weights_sha256: str
    resolution: int = Field(description="Side of the images in pixels.")
    origin: str
    licence: str
    images_seen: int | None = Field(description="Real images shown in training.")
    calibrated_ages: bool = Field(description="Whether `age_steps` of a request may be `calibrated`.")
    notice: str


class ModelsOut(BaseModel):
    """The generators of this service, the one for requests that name none first."""

    items: list[ModelOut]


class ModelCardsOut(BaseModel):
    """Cards of a generator and of the networks that belong to it."""

    model: str
    cards: dict[str, str] = Field(
        description="Markdown by role: `generator`, `inverter`, `directions`, `oracle`, `landmarks`, as far as there "
        "are cards."
    )


class TrainingImagesOut(BaseModel):
    """Keys of the images that a generator was trained on, so that nobody measures anything on them."""

    known: bool = Field(description="Whether the weights say anything about it.")
    complete: bool = Field(description="Whether these are all, those of the weights that it began as included.")
    keys: list[str] = Field(
        description="For each image the first 16 hex digits of the SHA-256 of `{h}x{w}x3 uint8`, a line feed, and its "
        "pixels, RGB row by row, as the training data stored them; sorted."
    )


class DirectionOut(BaseModel):
    """A direction that faces can be moved along."""

    name: str
    attribute: str = Field(description="What grows: smile, or age.")
    condition: str | None = Field(description="The condition that it is for; null for all together.")
    accuracy: float | None = Field(
        description="Balanced share of unseen faces that it tells apart; null for one that was fitted elsewhere, where "
        "it was not measured."
    )
    interval: tuple[float, float] | None = Field(description="95 % interval of the accuracy.")
    spread: float = Field(description="One standard deviation: the natural unit of a strength.")
    flags: list[str] = Field(description="What speaks against using it; empty for one that can be trusted.")
    moves: dict[str, float] | None = Field(
        description="What one standard deviation changes, by attribute, on average; null where it was not measured."
    )
    identity: float | None = Field(description="Share of the distance between people that it moves the identity by.")


class DirectionsOut(BaseModel):
    """The directions of a generator."""

    model: str
    items: list[DirectionOut]


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


TuningSteps = Annotated[int, Field(ge=1, le=MOST_STEPS)]
TuningSeconds = Annotated[float, Field(gt=0, le=MOST_SECONDS, allow_inf_nan=False)]
ABOUT_STEPS: Final = "Steps of each part of tuning; unset: 130, and 80 of the search of a pivot."
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

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.smile is None) == (self.strength is None):
            raise ValueError("give either smile or strength")
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
    """An explanation: what a classifier goes by when it looks at a face."""

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
    """Answer of a classifier for a face, and the parts of the face that it goes by. No basis for a diagnosis."""

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


class FieldError(BaseModel):
    """Field of a request that was refused."""

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
    errors: list[FieldError] = Field(default=[], description="The first 20 fields at fault, if fields are.")
    error_count: int = Field(default=0, description="How many fields are at fault.")
