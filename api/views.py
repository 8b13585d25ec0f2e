"""Jobs and image sets as the answers that describe them."""

from __future__ import annotations

from datetime import UTC, datetime

from api.derived import SHARD_IMAGES, shard_count
from api.jobs import Job
from api.provenance import NOTICE
from api.schemas import ImageSetLinks, ImageSetOut, JobLinks, JobOut
from api.service import Service
from api.storage import StoredRequest


def set_path(set_id: str) -> str:
    """Where an image set is."""
    return f"/v1/image-sets/{set_id}"


def job_path(job_id: str) -> str:
    """Where a job is."""
    return f"/v1/jobs/{job_id}"


def job_out(job: Job) -> JobOut:
    """A job."""
    here = job_path(job.id)
    return JobOut(
        id=job.id,
        state=job.state,
        done=job.done,
        total=job.total,
        created=datetime.fromtimestamp(job.created_ms / 1000, UTC),
        images_per_s=job.images_per_s,
        eta_s=job.eta_s,
        error=job.error,
        links=JobLinks(self=here, image_set=set_path(job.set_id), events=f"{here}/events", cancel=f"{here}/cancel"),
    )


def image_set_out(service: Service, request: StoredRequest) -> ImageSetOut:
    """An image set, with the progress of its last job unless it is complete."""
    complete = service.store.is_complete(request.id)
    job = service.jobs.latest(request.id)
    running = job if job is not None and not complete else None
    error = running.error if running else None
    if job is None and not complete:
        error = "its job is not in the queue's database; post the request again to go on"
    here = set_path(request.id)
    return ImageSetOut(
        id=request.id,
        state="done" if complete else job.state if job else "failed",
        done=request.images if complete else job.done if job else 0,
        total=request.images,
        images_per_s=running.images_per_s if running else None,
        eta_s=running.eta_s if running else None,
        error=error,
        shards=shard_count(request.images),
        shard_images=SHARD_IMAGES,
        request=dict(request.resolved),
        notice=NOTICE,
        links=ImageSetLinks(
            self=here,
            manifest=f"{here}/manifest.jsonl",
            image=f"{here}/images/{{n}}",
            shard=f"{here}/shards/{{n}}.tar",
            archive=f"{here}/archive.zip",
            sheet=f"{here}/sheet.png",
            job=job_path(job.id) if job else None,
        ),
    )
