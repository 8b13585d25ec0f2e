"""Answers about conditions, generators and their directions."""

from __future__ import annotations

from pydantic import BaseModel, Field


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
