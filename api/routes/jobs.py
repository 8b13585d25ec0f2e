"""Routes of jobs: list them, follow one, cancel one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated, Final

import anyio
from fastapi import APIRouter, Header, Query
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.background import BackgroundTask

from api.access.key_turns import leave_turn
from api.dependencies import AnyCaller, KnownJob, ServiceDep, list_accessible_kinds
from api.jobs.job_list import Job
from api.photographs.request_audit import RequestAuditDep
from api.problem_types import ProblemType
from api.problems import Problem
from api.representations import describe_job
from api.resources import Resources
from api.schemas.jobs import JobOut, JobPage
from api.schemas.problems import ProblemOut

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 1.0
"""Interval of looks at a job that goes on for long; its end is signalled."""

_END: Final = "end"

router = APIRouter(
    prefix="/v1/jobs", tags=["jobs"], responses={404: {"model": ProblemOut, "description": "No such job."}}
)


@router.get("", response_model=JobPage, summary="List jobs")
def index(
    service: ServiceDep,
    caller: AnyCaller,
    limit: Annotated[int, Query(ge=1, le=100, description="Jobs on a page.")] = 20,
    before: Annotated[str, Query(max_length=120, description="As in the `next` of the page before.")] = "",
) -> JobPage:
    """Your jobs that your key is for, the newest first."""
    found, more = service.jobs.page(caller.owner, list_accessible_kinds(caller), limit, _place(before))
    last = f"{found[-1].created_ms}-{found[-1].id}" if more else None
    return JobPage(
        items=[describe_job(job) for job in found],
        next=f"/v1/jobs?limit={limit}&before={last}" if last else None,
    )


def _place(before: str) -> tuple[int, str] | None:
    time, _, job_id = before.partition("-")
    if not before:
        return None
    if not (time.isascii() and time.isdigit() and len(time) < 18 and job_id):
        raise Problem(
            ProblemType.REQUEST_INVALID, f"before: {before[:80]!r}; expected what the `next` of the page before says."
        )
    return int(time), job_id


@router.get("/{job_id}", response_model=JobOut, summary="A job and its progress")
def show(job: KnownJob) -> JobOut:
    """State, progress, rate and estimated time."""
    return describe_job(job)


@router.post("/{job_id}/cancel", response_model=JobOut, summary="Cancel a job")
def cancel(service: ServiceDep, caller: AnyCaller, trail: RequestAuditDep, job: KnownJob) -> JobOut:
    """Stops after the part in hand. What is made stays; asking again goes on with it. An image set that another owner
    asked for too goes on for them and is yours no more (`detached`)."""
    if not job.finished and service.ownership.has_several_owners(job.subject):
        service.keys.forget(job.subject, caller.owner)
        service.sets.delete(job.subject, caller.owner)
        return describe_job(job).model_copy(update={"state": "cancelled", "detached": True})
    if not job.finished:
        trail.begin()
        service.jobs.cancel(job)
    return describe_job(service.jobs.get(job.id) or job)


@router.get(
    "/{job_id}/events",
    summary="Follow a job",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events `progress`, then the final state."}},
)
async def events(
    service: ServiceDep,
    caller: AnyCaller,
    job: KnownJob,
    last_event_id: Annotated[
        str | None,
        Header(max_length=20, description="Id of the last event that arrived; what came before is left out."),
    ] = None,
) -> EventSourceResponse:
    """Server-sent events `progress`, then one named `done`, `failed` or `cancelled`; the data is the job."""
    place = ExitStack()
    place.enter_context(service.streams.admit(caller.owner))
    leave_turn()
    stream = _follow(service, caller.owner, job, last_event_id, place)
    return EventSourceResponse(stream, background=BackgroundTask(place.close))  # it may end before it has begun


async def _follow(
    service: Resources, owner: str, job: Job, seen: str | None, place: ExitStack
) -> AsyncIterator[ServerSentEvent]:
    """Yield an event for each change of a job that is seen, until it ends; `place` is left then."""

    async def find(job_id: str) -> Job | None:
        return await service.streams.run(owner, service.jobs.get, job_id)

    with place, service.followed_jobs.follow(job) as followed, service.jobs.ends.listen(job.subject) as ended:
        pause = _FIRST_PAUSE_S
        while True:
            name = job.state if job.finished else "progress"
            number = _END if job.finished else f"{job.state}-{job.done}"
            if number != seen or job.finished:
                yield ServerSentEvent(describe_job(job).model_dump_json(), event=name, id=number)
                seen = number
            if job.finished:
                return
            with anyio.move_on_after(pause):
                await ended.wait()
            pause = _FIRST_PAUSE_S if ended.is_set() else min(_LONGEST_PAUSE_S, 1.5 * pause)
            ended.clear()
            now = await followed.look(find, pause / 2)
            if now is None:
                return
            job = now
