"""What lives as long as the service does, and how a route gets at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Path, Request

from api.derived import Derived
from api.idempotency import Keys
from api.jobs import Job, Jobs
from api.problems import Problem
from api.settings import Settings
from api.storage import Store, StoredRequest
from api.worker import Worker


@dataclass(frozen=True)
class Service:
    """The resources that the lifespan opens and closes."""

    settings: Settings
    store: Store
    worker: Worker
    jobs: Jobs
    keys: Keys

    @property
    def derived(self) -> Derived:
        """Files that follow from sets; needs the model to be loaded."""
        return Derived(self.store, self.worker.model.info)


def get_service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


ServiceDep = Annotated[Service, Depends(get_service)]


def known_set(service: ServiceDep, set_id: Annotated[str, Path(description="Id of an image set.")]) -> StoredRequest:
    """An image set that exists, complete or not.

    Raises:
        Problem: 404.
    """
    request = service.store.request(set_id)
    if request is None:
        raise Problem(404, f"There is no image set {set_id[:64]!r}; POST /v1/image-sets makes one, GET lists them.")
    return request


KnownSet = Annotated[StoredRequest, Depends(known_set)]


def complete_set(service: ServiceDep, known: KnownSet) -> StoredRequest:
    """An image set whose files can be served.

    Raises:
        Problem: 404 if there is none; 409 while it is not complete.
    """
    if not service.store.is_complete(known.id):
        job = service.jobs.latest(known.id)
        state = job.state if job else "interrupted"
        if state == "done" and service.store.is_complete(known.id):  # sealed between the two looks
            return known
        if state in ("queued", "running", "done"):
            raise Problem(
                409,
                f"The image set is {state}; its files can be had when it is done.",
                headers={"Retry-After": "1"},
            )
        raise Problem(409, f"The image set's last job is {state}; post its request again to go on with it.")
    return known


CompleteSet = Annotated[StoredRequest, Depends(complete_set)]


def known_job(service: ServiceDep, job_id: Annotated[str, Path(description="Id of a job.")]) -> Job:
    """A job that exists.

    Raises:
        Problem: 404.
    """
    job = service.jobs.get(job_id)
    if job is None:
        raise Problem(404, f"There is no job {job_id[:80]!r}; GET /v1/jobs lists them.")
    return job


KnownJob = Annotated[Job, Depends(known_job)]
