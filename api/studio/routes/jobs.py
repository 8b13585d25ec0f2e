"""Pages of jobs: what a caller has asked for, how far it is, and what it made."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from api.access.ownership import Kind
from api.dependencies import AnyCaller, KnownJob, ServiceDep
from api.photographs.records import PhotographFace, SyntheticFace
from api.representations import describe_job
from api.resources import Resources
from api.routes import jobs as job_routes
from api.studio.page_route import PageRoute
from api.studio.pages import render
from api.studio.service_calls import call_service, check_answer

router = APIRouter(prefix="/studio/jobs", route_class=PageRoute, include_in_schema=False)

_PAGES = {
    Kind.IMAGE_SET: "/studio/image-sets",
    Kind.PHOTO: "/studio/photographs",
    Kind.STIMULI: "/studio/studies",
    Kind.EXPLANATION: "/studio/explanations",
    Kind.ASSESSMENT: "/studio/assessments",
}


@router.get("")
def list_jobs(
    request: Request,
    service: ServiceDep,
    caller: AnyCaller,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: Annotated[str, Query(max_length=120)] = "",
) -> Response:
    """List the caller's jobs, the newest first."""
    page = job_routes.index(service, caller, limit, before)
    older = page.next and page.next.replace("/v1/", "/studio/", 1)
    return render(request, "jobs.html", jobs=page.items, older=older, is_first=not before)


@router.get("/{job_id}")
def show_job(request: Request, service: ServiceDep, job: KnownJob) -> Response:
    """Show a job, its progress and what it makes."""
    return render(
        request,
        "job.html",
        job=describe_job(job),
        result=_find_page(service, job.kind, job.subject),
        is_shared=service.ownership.has_several_owners(job.subject),
    )


@router.post("/{job_id}/cancel")
async def cancel_job(request: Request, job: KnownJob) -> Response:
    """Cancel a job."""
    answer = check_answer(await call_service(request, "POST", f"/v1/jobs/{job.id}/cancel")).json()
    return RedirectResponse(router.prefix if answer["detached"] else f"{router.prefix}/{job.id}", 303)


def _find_page(service: Resources, kind: Kind, subject: str) -> str:
    """Return the path of the page of what a job makes."""
    if kind is not Kind.EDIT:
        return f"{_PAGES[kind]}/{subject}"
    edit = service.edits.get(subject)
    if edit is None:
        return ""
    match edit.face:
        case PhotographFace(photo):
            return f"{_PAGES[Kind.PHOTO]}/{photo}/edits/{edit.id}"
        case SyntheticFace(image_set, image):
            return f"{_PAGES[Kind.IMAGE_SET]}/{image_set}/images/{image}/edits/{edit.id}"
