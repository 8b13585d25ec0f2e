"""Routes of photographs: send one, see how well it is reproduced, erase it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request, Response

from api.access.api_keys import SERVICE, Caller
from api.access.ownership import Kind
from api.dependencies import KnownPhoto, PhotosCaller, ServiceDep, check_inverted, find_model
from api.documented_responses import FILE, problem
from api.encryption.upload_file import SealedUploadFile
from api.file_responses import private_file, private_picture, read_private_file
from api.job_answers import JobAnswerDep
from api.models.model import check_editing_installed
from api.operations.clock import now_ms
from api.photographs.intake import Received, check_container, receive
from api.photographs.inversion_effort import InversionEffort, MethodName, check_effort
from api.photographs.records import ErasureCause, Photograph, new_id
from api.photographs.request_audit import RequestAudit, RequestAuditDep
from api.problem_types import ProblemType
from api.problems import Problem, make_field_problem
from api.representations import describe_access, describe_photo, describe_receipt, photo_path
from api.resources import Resources
from api.schemas.edits import ABOUT_SECONDS, ABOUT_STEPS, TuningSeconds, TuningSteps
from api.schemas.photographs import AccessList, ConsentScope, LandmarksOut, PhotoOut, PhotoPage, ReceiptOut
from core.errors import ImageError
from faces.align import find_anchors
from faces.image_containers import FORMATS
from faces.landmark_table import parse_landmarks

router = APIRouter(prefix="/v1/photos", tags=["photographs"])

_PICTURES: Final = {"requestBody": {"required": True, "content": {kind: {} for kind in FORMATS.values()}}}


@router.post(
    "",
    status_code=202,
    response_model=PhotoOut,
    operation_id="send_v1_photos_post",
    summary="Send a photograph",
    openapi_extra=_PICTURES,
    responses={
        200: {
            "model": PhotoOut,
            "description": "It is inverted, within `Prefer: wait`; or it was refused: see `error`.",
        },
        400: problem("The body is empty, or a header is malformed."),
        408: problem("Sending the body took too long."),
        413: problem("The body is too large."),
        415: problem("The body is not a JPEG, PNG or WebP picture; or it is a form, and not the bytes of the file."),
        422: problem("A header or parameter is missing or cannot be; or the picture is broken, animated or too large."),
        429: problem("Too many jobs of yours wait or run."),
        503: problem("The weights are being loaded, or the queue is full; try again after `Retry-After` seconds."),
    },
)
async def send_photograph(
    request: Request,
    service: ServiceDep,
    caller: PhotosCaller,
    request_audit: RequestAuditDep,
    answer: JobAnswerDep,
    consent_reference: Annotated[
        str, Header(min_length=1, max_length=200, description="Your reference to the consent of the person shown.")
    ],
    purpose: Annotated[str, Header(min_length=1, max_length=200, description="What the photograph is used for.")],
    consent_scope: Annotated[
        ConsentScope | None,
        Header(
            description="What the consent includes besides the purpose. `cohort`: other faces of yours may be compared "
            "with this one, until it leaves the cohort."
        ),
    ] = None,
    reference: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=100,
            description="Your own name for the photograph, such as a study number; it is returned to you and in the "
            "answer keys of survey packs. It must not name a patient.",
        ),
    ] = None,
    model: Annotated[
        str | None, Query(max_length=200, description="Generator from /v1/models; unset takes the first.")
    ] = None,
    keep_original: Annotated[
        bool, Query(description="Keep the file after it is inverted, until the photograph is erased.")
    ] = False,
    landmarks: Annotated[
        str | None,
        Header(
            max_length=8000,
            description="Points of the face that you set by hand, for a face that is missed or misplaced, in JSON and "
            'in pixels of the picture: `{"left_eye": [x, y], "right_eye": [x, y], "mouth_left": [x, y], "mouth_right": '
            "[x, y]}` with left and right as seen, or a list of 68 points in iBUG order.",
        ),
    ] = None,
    aligned: Annotated[bool, Query(description="It is an aligned square already.")] = False,
    method: Annotated[
        MethodName | None,
        Query(
            description="`hyperstyle`: the networks of the inverter; `tuning`: pivotal tuning, more exact and slower. "
            "Unset: the networks where the generator has an inverter, else tuning."
        ),
    ] = None,
    steps: Annotated[TuningSteps | None, Query(description=ABOUT_STEPS)] = None,
    seconds: Annotated[TuningSeconds | None, Query(description=ABOUT_SECONDS)] = None,
    ttl_s: Annotated[
        int | None, Query(ge=60, description="Erase everything after so many seconds; unset: the service's time.")
    ] = None,
) -> PhotoOut:
    """The body is the file itself (`curl --data-binary @face.jpg`). The face is found, aligned and inverted; then the
    file is deleted, unless `keep_original` is set. Every access is recorded (`…/accesses`); `DELETE` erases everything.
    """
    effort = InversionEffort(method, steps, seconds)
    points = _read_landmarks(landmarks, aligned)
    with service.work.admit(caller.owner):
        name, kept_s = await service.work.run(caller.owner, _check_terms, service, caller, model, effort, ttl_s)
        photo_id = new_id()
        request_audit.touch({photo_id: service.photographs.redact_purpose(purpose)})
        with service.photographs.open_upload() as upload:
            received = await receive(
                request.stream(), upload, service.settings.max_photo_bytes, seconds=service.settings.body_timeout_s
            )
            created = now_ms()
            photo = Photograph(
                id=photo_id,
                owner=caller.owner,
                model=name,
                consent=consent_reference,
                purpose=purpose,
                keep_original=keep_original,
                aligned=aligned,
                created_ms=created,
                expires_ms=created + 1000 * kept_s,
                media_type=FORMATS[received.format],
                asked=effort.list_fields() | points,
                consent_scope=consent_scope or "",
            )
            sent = _ReceivedPhotograph(photo, reference, received, upload, answer.idempotency_key)
            accepted = await service.work.run(caller.owner, _accept, service, caller, request_audit, sent)
        return await answer.wait(
            accepted.id,
            photo_path(accepted.id),
            lambda: describe_photo(service, service.photographs.get(accepted.id) or accepted),
        )


def _read_landmarks(landmarks: str | None, aligned: bool) -> dict[str, object]:
    """Return the points that alignment needs as a field of the request, {} if none were set by hand.

    Raises:
        Problem: they are malformed, or the picture is aligned already.
    """
    if landmarks is None:
        return {}
    try:
        if aligned:
            raise ImageError("landmarks for a picture that is aligned already; send one of both")
        return {"landmarks": find_anchors(parse_landmarks(landmarks)).tolist()}
    except ImageError as error:
        raise make_field_problem("Landmarks", str(error), landmarks[:80]) from error


def _check_terms(
    service: Resources, caller: Caller, model: str | None, effort: InversionEffort, ttl_s: int | None
) -> tuple[str, int]:
    """Return the name of the model for a photograph, and the seconds for which it is kept.

    Raises:
        Problem: the caller may not use the model, it cannot invert as asked, the caller may not keep anything for so
            long, or has no room.
        MissingPackageError: photographs cannot be inverted here.
    """
    check_editing_installed()
    service.check_bytes(caller)
    longest = service.photo_ttl_s(caller)
    if ttl_s is not None and ttl_s > longest:
        message = f"{ttl_s} s is too long; a photograph is kept for at most {longest} s here"
        raise make_field_problem("ttl_s", message, ttl_s, accepted={"le": longest})
    info = find_model(service, caller, model).info
    check_effort(info, effort)
    return info.name, longest if ttl_s is None else ttl_s


@dataclass(frozen=True)
class _ReceivedPhotograph:
    """A photograph that was received, and is not stored yet.

    Attributes:
        photo: its record.
        reference: the sender's own name for it.
        received: size, format and digest of its file.
        upload: its file.
        key: the Idempotency-Key.
    """

    photo: Photograph
    reference: str | None
    received: Received
    upload: SealedUploadFile
    key: str | None

    def list_fields(self) -> dict[str, object]:
        """Return the fields that a repeated request with the same Idempotency-Key must share."""
        photo = self.photo
        fields: dict[str, object] = {
            "sha256": self.received.sha256,
            "model": photo.model,
            "consent": photo.consent,
            "consent_scope": photo.consent_scope,
            "purpose": photo.purpose,
            "keep_original": photo.keep_original,
            "aligned": photo.aligned,
            "kept_ms": photo.expires_ms - photo.created_ms,
        } | dict(photo.asked)
        return fields if self.reference is None else fields | {"reference": self.reference}


def _accept(service: Resources, caller: Caller, request_audit: RequestAudit, sent: _ReceivedPhotograph) -> Photograph:
    """Store a photograph and submit its inversion; or return the one that was sent with the same key before.

    Raises:
        Problem: its file is broken or too large; the key was used for another request; the queue is full.
        AuditError: the access cannot be recorded.
    """
    data = sent.upload.read()
    check_container(data, sent.received.format, service.settings.max_photo_pixels)
    with service.eraser.block_erasure():
        return _store(service, caller, request_audit, sent, data)


def _store(
    service: Resources, caller: Caller, request_audit: RequestAudit, sent: _ReceivedPhotograph, data: bytes
) -> Photograph:
    photo, photographs = sent.photo, service.photographs
    first = service.keys.claim(caller.owner, sent.key, sent.list_fields(), photo.id)
    if first != photo.id:
        if (known := photographs.get(first)) is not None:
            request_audit.photos = photographs.find_purposes([first])
            return known
        service.keys.forget(first)  # left by a process that was killed
        service.keys.claim(caller.owner, sent.key, sent.list_fields(), photo.id)
    service.check_room(caller, Kind.PHOTO, photo.id, 1)
    try:
        request_audit.begin()
        photographs.add(photo)
        photographs.files.write(photographs.original_path(photo.id), data)
        if sent.reference is not None:
            photographs.write_reference(photo.id, sent.reference)
        service.ownership.give(photo.id, Kind.PHOTO, caller.owner)
        service.ownership.weigh(photo.id, len(data))
        service.jobs.submit(Kind.PHOTO, photo.id, 1, caller.owner)
    except BaseException:
        service.eraser.erase_photograph(photo.id, caller, ErasureCause.NOT_ACCEPTED)
        service.keys.forget(photo.id)
        raise
    return photo


@router.get(
    "",
    response_model=PhotoPage,
    operation_id="index_v1_photos_get",
    summary="List photographs",
    responses={422: problem("A bad page.")},
)
def list_photographs(
    service: ServiceDep,
    caller: PhotosCaller,
    request_audit: RequestAuditDep,
    limit: Annotated[int, Query(ge=1, le=100, description="Photographs on a page.")] = 20,
    after: Annotated[str, Query(max_length=64, description="The id that the page before ended with.")] = "",
) -> PhotoPage:
    """Your photographs, in the order of their ids."""
    ids, more = service.ownership.page(Kind.PHOTO, caller.owner, limit, after)
    photographs = [photo for photo in map(service.photographs.get, ids) if photo is not None]
    request_audit.touch(service.photographs.find_purposes([photo.id for photo in photographs]))
    return PhotoPage(
        items=[describe_photo(service, photo) for photo in photographs],
        next=f"/v1/photos?limit={limit}&after={ids[-1]}" if more else None,
    )


@router.get(
    "/{photo_id}",
    response_model=PhotoOut,
    operation_id="show_v1_photos__photo_id__get",
    summary="A photograph and its quality",
    responses={404: FILE[404]},
)
def show_photograph(service: ServiceDep, photo: KnownPhoto) -> PhotoOut:
    """State of its inversion, how well the face is reproduced, and links."""
    return describe_photo(service, photo)


@router.delete(
    "/{photo_id}",
    response_model=ReceiptOut,
    operation_id="erase_v1_photos__photo_id__delete",
    summary="Erase a photograph",
    responses={404: FILE[404]},
)
def erase_photograph(service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> ReceiptOut:
    """Erases the original, your reference, crop, latents, offsets, reconstruction, edits, maps, assessments, the place
    in the cohort, and the survey packs that it is in, and returns a receipt. What remains is the audit record, without
    pixels."""
    receipt = service.eraser.erase_photograph(photo.id, caller, ErasureCause.REQUESTED)
    if receipt is None:
        raise Problem(ProblemType.PHOTO_NOT_FOUND, f"The photograph {photo.id} was erased by another request.")
    return describe_receipt(receipt)


@router.get(
    "/{photo_id}/accesses",
    response_model=AccessList,
    operation_id="accesses_v1_photos__photo_id__accesses_get",
    summary="Who did what",
    responses={404: FILE[404]},
)
def list_accesses(service: ServiceDep, caller: PhotosCaller, photo: KnownPhoto) -> AccessList:
    """Accesses by your keys and by the service itself before this request, the oldest first."""
    entries = service.audit.entries(
        photo=photo.id, owners=(caller.owner, SERVICE.owner), outcomes=("done", "refused", "failed")
    )
    return AccessList(items=[describe_access(entry) for entry in entries])


@router.get(
    "/{photo_id}/original",
    operation_id="original_v1_photos__photo_id__original_get",
    summary="The file that was sent",
    responses=FILE,
    response_class=Response,
)
def download_original(request: Request, service: ServiceDep, photo: KnownPhoto) -> Response:
    """Only if `keep_original` was set."""
    photographs = service.photographs
    data = photographs.files.find(photographs.original_path(photo.id)) if photo.keep_original else None
    if data is None:
        raise Problem(
            ProblemType.ORIGINAL_NOT_KEPT,
            "The file that was sent is not kept; send it with `keep_original=true` where it should be.",
        )
    return private_file(request, data, photo.media_type, name=f"{photo.id}.{photo.media_type.rpartition('/')[2]}")


@router.get(
    "/{photo_id}/crop.png",
    operation_id="crop_v1_photos__photo_id__crop_png_get",
    summary="The aligned face",
    responses=FILE,
    response_class=Response,
)
def download_crop(request: Request, service: ServiceDep, photo: KnownPhoto) -> Response:
    """The picture that was inverted."""
    return private_file(request, _read_result(service, photo, "crop.png"), "image/png")


@router.get(
    "/{photo_id}/landmarks",
    response_model=LandmarksOut,
    operation_id="landmarks_v1_photos__photo_id__landmarks_get",
    summary="The landmarks of the aligned face",
    responses={404: FILE[404], 409: FILE[409]},
)
def show_landmarks(service: ServiceDep, photo: KnownPhoto) -> LandmarksOut:
    """68 landmarks and areas of interest of the face, in pixels of `crop.png`, and the smile that they show."""
    check_inverted(photo)
    data = service.photographs.files.find(service.photographs.landmarks_path(photo.id))
    return LandmarksOut.model_validate_json(data or b"{}")


@router.get(
    "/{photo_id}/reconstruction.png",
    operation_id="reconstruction_v1_photos__photo_id__reconstruction_png_get",
    summary="The reconstruction",
    responses=FILE,
    response_class=Response,
)
def download_reconstruction(request: Request, service: ServiceDep, photo: KnownPhoto) -> Response:
    """The face as the generator reproduces it. Compare edits with this picture."""
    return private_picture(request, service.credentials, _read_result(service, photo, "reconstruction.png"))


def _read_result(service: Resources, photo: Photograph, name: str) -> bytes:
    """Read a file of an inversion.

    Raises:
        Problem: 409, the photograph is not inverted.
    """
    check_inverted(photo)
    return read_private_file(service.photographs.files, f"{service.photographs.folder(photo.id)}/{name}")
