"""Jobs: list them, follow one, cancel one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final

import anyio
import anyio.to_thread
from fastapi import APIRouter, Query
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.jobs import Job
from api.schemas import JobOut, JobPage, ProblemOut
from api.service import KnownJob, Service, ServiceDep
from api.views import job_out

_POLL_S: Final = 0.2

router = APIRouter(
    prefix="/v1/jobs", tags=["jobs"], responses={404: {"model": ProblemOut, "description": "No such job."}}
)


@router.get("", response_model=JobPage, summary="List jobs")
def index(
    service: ServiceDep,
    limit: Annotated[int, Query(ge=1, le=100, description="Jobs on a page.")] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="Jobs to skip.")] = 0,
) -> JobPage:
    """Every job, the newest first."""
    found, more = service.jobs.recent(limit, offset)
    return JobPage(
        items=[job_out(job) for job in found],
        next=f"/v1/jobs?limit={limit}&offset={offset + limit}" if more else None,
    )


@router.get("/{job_id}", response_model=JobOut, summary="A job and its progress")
def show(job: KnownJob) -> JobOut:
    """State, progress, rate and estimated time."""
    return job_out(job)


@router.post("/{job_id}/cancel", response_model=JobOut, summary="Cancel a job")
def cancel(service: ServiceDep, job: KnownJob) -> JobOut:
    """Stops after the chunk in hand. Its images stay; posting the request again goes on with them."""
    if not job.finished:
        service.jobs.cancel(job.id)
    return job_out(service.jobs.get(job.id) or job)


@router.get(
    "/{job_id}/events",
    summary="Follow a job",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events `progress`, then the final state."}},
)
async def events(service: ServiceDep, job: KnownJob) -> EventSourceResponse:
    """Server-sent events `progress`, then one named `done`, `failed` or `cancelled`; the data is the job."""
    return EventSourceResponse(_progress(service, job))


async def _progress(service: Service, job: Job) -> AsyncIterator[ServerSentEvent]:
    shown: Job | None = None
    while True:
        if job != shown:
            name = job.state if job.finished else "progress"
            yield ServerSentEvent(job_out(job).model_dump_json(), event=name)
            shown = job
        if job.finished:
            return
        await anyio.sleep(_POLL_S)
        now = await anyio.to_thread.run_sync(service.jobs.get, job.id)
        job = now if now is not None else job
