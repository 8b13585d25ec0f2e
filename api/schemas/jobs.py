"""Answers about jobs."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from api.access.ownership import Kind as WorkKind
from api.jobs.job_list import State


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


class JobPage(BaseModel):
    """A page of jobs, the newest first."""

    items: list[JobOut]
    next: str | None = Field(description="Path of the next page, or null.")
