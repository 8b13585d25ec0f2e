"""Problems, as the REST interface describes them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


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
