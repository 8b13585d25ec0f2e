"""What lives as long as the service does, and how a route gets at it: who asks, and is it theirs?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, cast

from fastapi import Depends, Path, Request

from api.access.api_keys import ANYONE, ApiKeys, Caller, Scope
from api.access.idempotency import IdempotencyKeys
from api.access.ownership import Kind, Ownership
from api.access.tenants import Tenants
from api.image_sets.creation import ImageSets
from api.image_sets.derived_files import Derived
from api.image_sets.file_cache import Cache
from api.image_sets.storage import Store, StoredRequest
from api.jobs.job_list import Job, Jobs
from api.models.model import ModelInfo
from api.models.worker import Worker
from api.operations.database import Database
from api.operations.metrics import Cause, Metrics
from api.photographs.audit import Audit
from api.photographs.intake import Decoder
from api.photographs.request_audit import trail_of
from api.photographs.storage import EditRecord, PackRecord, Photograph, Photographs, Receipt
from api.problem_types import ProblemType
from api.problems import Problem
from api.provenance.content_credentials import Credentials
from api.provenance.marks import Marker
from api.provenance.registry import Registry
from api.settings import Settings

_CAUSES: Final[Mapping[str, Cause]] = {
    "it was asked for": "request",
    "its time was over": "retention",
    "it was not accepted": "not_accepted",
}
"""Labels for why a photograph is erased."""


@dataclass(frozen=True)
class Resources:
    """The resources that the lifespan opens and closes."""

    settings: Settings
    database: Database
    store: Store
    worker: Worker
    jobs: Jobs
    sets: ImageSets
    keys: IdempotencyKeys
    api_keys: ApiKeys
    ownership: Ownership
    tenants: Tenants
    photographs: Photographs
    audit: Audit
    registry: Registry
    marker: Marker
    credentials: Credentials
    decoder: Decoder
    metrics: Metrics
    cache: Cache

    def derived(self, known: StoredRequest) -> Derived:
        """Files that follow from a set; needs the models to be open.

        Raises:
            Problem: 409, the generator that it was made with is not served any more.
        """
        weights = str(known.resolved["weights_sha256"])
        model = self.worker.models.of_weights(weights)
        if model is None:
            raise Problem(
                ProblemType.WEIGHTS_NOT_SERVED,
                f"The image set was made with weights {weights[:12]}…, which are not served any more; its manifest and "
                "images can be had.",
            )
        return Derived(self.store, model.info)

    def models_of(self, caller: Caller) -> list[ModelInfo]:
        """The generators that a caller has, the one first that serves requests that name none.

        Raises:
            Problem: 403, there are none; 503, they are not open yet.
        """
        served = {info.name: info for info in self.worker.models.infos}
        return [served[name] for name in self.tenants.of_models(caller.owner, list(served))]

    def check_bytes(self, caller: Caller) -> None:
        """See that more may be stored for a caller.

        Raises:
            Problem: 403, there is no room.
        """
        self.tenants.check_bytes(caller.owner, lambda: self.ownership.weight(caller.owner))

    def photo_ttl_s(self, caller: Caller) -> int:
        """For how long a caller's photographs are kept at most."""
        longest = self.settings.photo_ttl_s
        theirs = self.tenants.limits(caller.owner).photo_ttl_s
        return longest if theirs is None else min(longest, theirs)

    def forget_photo(self, photo: str, caller: Caller, because: str) -> Receipt | None:
        """Erase a photograph with all that is derived from it: files, records, jobs, ownership and Idempotency-Keys.

        Returns:
            The receipt; None where it was erased before.

        Raises:
            AuditError: it cannot be recorded, and so is not erased.
        """
        with self.photographs.kept():
            packs = self.photographs.packs_of(photo)
            edits = self.photographs.edit_ids_of(photo)
            receipt = None if self.photographs.get(photo) is None else self.photographs.erase(photo, caller, because)
        self._forget(photo, *edits, *packs)
        if receipt is not None:
            self.metrics.count_erasure(_CAUSES.get(because, "other"))
        return receipt

    def forget_pack(self, pack: str, caller: Caller) -> None:
        """Erase a survey pack: files, records, jobs, ownership and Idempotency-Keys.

        Raises:
            AuditError: it cannot be recorded, and so is not erased.
        """
        with self.photographs.kept():
            self.photographs.drop_pack(pack, caller)
        self._forget(pack)

    def photos_behind(self, path: Mapping[str, str]) -> tuple[str, ...]:
        """Ids of the photographs behind what a path names: themselves, their edits, survey packs and jobs.

        Args:
            path: its parameters. Who they belong to is not asked.
        """
        if "photo_id" in path:
            return (path["photo_id"],)
        if "pack_id" in path:
            return self._photos_of(Kind.STIMULI, path["pack_id"])
        if "job_id" in path and (job := self.jobs.get(path["job_id"])) is not None:
            return self._photos_of(job.kind, job.subject)
        return ()

    def _photos_of(self, kind: Kind, subject: str) -> tuple[str, ...]:
        if kind is Kind.PHOTO:
            return (subject,)
        if kind is Kind.EDIT:
            edit = self.photographs.edit(subject)
            return (edit.parent,) if edit is not None and edit.number is None else ()
        if kind is Kind.STIMULI:
            pack = self.photographs.pack(subject)
            return pack.photos if pack is not None else ()
        return ()

    def _forget(self, *subjects: str) -> None:
        for subject in subjects:
            self.jobs.forget(subject)
            self.ownership.take(subject)
            self.keys.forget(subject)
        self.photographs.overwrite()


async def get_service(request: Request) -> Resources:
    return cast(Resources, request.app.state.service)


ServiceDep = Annotated[Resources, Depends(get_service)]

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="gestaltgen"'}


class RequireScope:
    """Who asks, if their key has a scope. What is refused is recorded too, where a photograph is concerned.

    Args:
        scope: that a key needs; one of several is enough.
    """

    def __init__(self, *scope: Scope) -> None:
        self.scope = scope

    def __call__(self, request: Request, service: ServiceDep) -> Caller:
        caller = _caller(request, service)
        trail = trail_of(request)
        trail.follow(service.audit, caller, action_of(request))
        if photos := service.photos_behind(request.path_params):
            trail.touch(service.photographs.purposes(photos))
        if not caller.scopes & set(self.scope):
            raise Problem(
                ProblemType.SCOPE_MISSING,
                f"This key is for {', '.join(sorted(caller.scopes))}; this needs {' or '.join(self.scope)}: ask for "
                "another key.",
            )
        service.tenants.admit(caller.owner)
        return caller


def _caller(request: Request, service: Resources) -> Caller:
    if service.settings.without_keys:
        return ANYONE
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Problem(
            ProblemType.API_KEY_MISSING,
            "An API key is needed: send `Authorization: Bearer KEY`; `gestaltgen keys create` makes one.",
            headers=_CHALLENGE,
        )
    caller = service.api_keys.caller(secret.strip())
    if caller is None:
        raise Problem(
            ProblemType.API_KEY_INVALID,
            "This API key is unknown, past its end, or revoked; ask for a new one.",
            headers=_CHALLENGE,
        )
    return caller


class _NeedsForMetrics(RequireScope):
    """Who asks for figures: with a key for them, or anyone, as the setting says."""

    def __init__(self) -> None:
        super().__init__(Scope.METRICS)

    def __call__(self, request: Request, service: ServiceDep) -> Caller:
        return ANYONE if service.settings.metrics == "anyone" else super().__call__(request, service)


MetricsCaller = Annotated[Caller, Depends(_NeedsForMetrics())]
ImageSetsCaller = Annotated[Caller, Depends(RequireScope(Scope.IMAGE_SETS))]
PhotosCaller = Annotated[Caller, Depends(RequireScope(Scope.PHOTOS))]
_SCOPES_OF: Final[Mapping[Kind, frozenset[Scope]]] = {
    Kind.IMAGE_SET: frozenset({Scope.IMAGE_SETS}),
    Kind.PHOTO: frozenset({Scope.PHOTOS}),
    Kind.EDIT: frozenset({Scope.IMAGE_SETS, Scope.PHOTOS}),
    Kind.STIMULI: frozenset({Scope.PHOTOS}),
}


def kinds_of(caller: Caller) -> list[Kind]:
    """What the caller's key opens."""
    return [kind for kind, scopes in _SCOPES_OF.items() if scopes & caller.scopes]


AnyCaller = Annotated[Caller, Depends(RequireScope(Scope.IMAGE_SETS, Scope.PHOTOS))]


def known_set(
    service: ServiceDep, caller: ImageSetsCaller, set_id: Annotated[str, Path(description="Id of an image set.")]
) -> StoredRequest:
    """An image set that the caller asked for, complete or not.

    Raises:
        Problem: 404.
    """
    theirs = service.ownership.has(set_id, Kind.IMAGE_SET, caller.owner)
    request = service.store.request(set_id) if theirs else None
    if request is None:
        raise Problem(
            ProblemType.IMAGE_SET_NOT_FOUND,
            f"There is no image set {set_id[:64]!r}; POST /v1/image-sets makes one, GET lists them.",
        )
    return request


KnownSet = Annotated[StoredRequest, Depends(known_set)]


def complete_set(service: ServiceDep, known: KnownSet) -> StoredRequest:
    """An image set whose files can be served.

    Raises:
        Problem: 404 if there is none; 409 while it is not complete.
    """
    if not service.store.is_complete(known.id):
        job = service.jobs.latest(known.id)
        state = "running" if service.sets.making_now(known.id) else job.state if job else "interrupted"
        if service.store.is_complete(known.id):  # sealed between the two looks
            return known
        if state in ("queued", "running", "done"):
            raise Problem(
                ProblemType.IMAGE_SET_NOT_READY,
                f"The image set is {state}; its files can be had when it is done.",
                headers={"Retry-After": "1"},
            )
        raise Problem(
            ProblemType.IMAGE_SET_STOPPED,
            f"The image set's last job is {state}; post its request again to go on with it.",
        )
    return known


CompleteSet = Annotated[StoredRequest, Depends(complete_set)]


def known_job(service: ServiceDep, caller: AnyCaller, job_id: Annotated[str, Path(description="Id of a job.")]) -> Job:
    """A job of the caller's, of a kind that the key is for.

    Raises:
        Problem: 404.
    """
    job = service.jobs.get(job_id)
    if (
        job is None
        or job.kind not in kinds_of(caller)
        or not service.ownership.has(job.subject, job.kind, caller.owner)
    ):
        raise Problem(ProblemType.JOB_NOT_FOUND, f"There is no job {job_id[:80]!r}; GET /v1/jobs lists them.")
    return job


KnownJob = Annotated[Job, Depends(known_job)]


def known_photo(
    service: ServiceDep,
    caller: PhotosCaller,
    photo_id: Annotated[str, Path(description="Id of a photograph.")],
) -> Photograph:
    """A photograph of the caller's.

    Raises:
        Problem: 404.
    """
    theirs = service.ownership.has(photo_id, Kind.PHOTO, caller.owner)
    photo = service.photographs.get(photo_id) if theirs else None
    if photo is None:
        raise Problem(
            ProblemType.PHOTO_NOT_FOUND,
            f"There is no photograph {photo_id[:64]!r}; it may have been erased, or its time was over.",
        )
    return photo


KnownPhoto = Annotated[Photograph, Depends(known_photo)]


def action_of(request: Request) -> str:
    """Method and route of a request, without ids."""
    route = request.scope.get("route")
    return f"{request.method} {getattr(route, 'path', request.url.path)}"


def _known_edit(service: Resources, caller: Caller, edit_id: str, parent: str, number: int | None) -> EditRecord:
    theirs = service.ownership.has(edit_id, Kind.EDIT, caller.owner)
    edit = service.photographs.edit(edit_id) if theirs else None
    if edit is None or (edit.parent, edit.number) != (parent, number):
        raise Problem(
            ProblemType.EDIT_NOT_FOUND,
            f"There is no edit {edit_id[:64]!r} here; POST to …/edits makes one, GET lists them.",
        )
    return edit


EditId = Annotated[str, Path(description="Id of an edit.")]


def known_photo_edit(service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto, edit_id: EditId) -> EditRecord:
    """An edit of a photograph of the caller's.

    Raises:
        Problem: 404.
    """
    return _known_edit(service, caller, edit_id, photo.id, None)


KnownPhotoEdit = Annotated[EditRecord, Depends(known_photo_edit)]


def known_image(
    known: CompleteSet, n: Annotated[int, Path(description="The image's index, from 0.")]
) -> tuple[StoredRequest, int]:
    """An image of a complete set of the caller's.

    Raises:
        Problem: 404.
    """
    if not 0 <= n < known.images:
        raise Problem(
            ProblemType.IMAGE_NOT_FOUND, f"There is no image {n}; the image set has images 0 to {known.images - 1}."
        )
    return known, n


KnownImage = Annotated[tuple[StoredRequest, int], Depends(known_image)]


def known_image_edit(service: ServiceDep, caller: ImageSetsCaller, image: KnownImage, edit_id: EditId) -> EditRecord:
    """An edit of an image of the caller's.

    Raises:
        Problem: 404.
    """
    return _known_edit(service, caller, edit_id, image[0].id, image[1])


KnownImageEdit = Annotated[EditRecord, Depends(known_image_edit)]


def known_pack(
    service: ServiceDep,
    caller: PhotosCaller,
    pack_id: Annotated[str, Path(description="Id of a survey pack.")],
) -> PackRecord:
    """A survey pack of the caller's.

    Raises:
        Problem: 404.
    """
    theirs = service.ownership.has(pack_id, Kind.STIMULI, caller.owner)
    pack = service.photographs.pack(pack_id) if theirs else None
    if pack is None:
        raise Problem(
            ProblemType.SURVEY_PACK_NOT_FOUND, f"There is no survey pack {pack_id[:64]!r}; POST /v1/stimuli makes one."
        )
    return pack


KnownPack = Annotated[PackRecord, Depends(known_pack)]

OWNER_CHECKS: Final[frozenset[Callable[..., Any]]] = frozenset(
    (known_set, known_job, known_photo, known_photo_edit, known_image_edit, known_pack)
)
"""What sees to it that an object in a path is the caller's."""
