"""Did this service make that picture?"""

from __future__ import annotations

from fastapi import APIRouter, Request

from api.dependencies import AnyCaller, ServiceDep
from api.documented_responses import problem
from api.problem_types import ProblemType
from api.problems import Problem
from api.provenance.verification import verify_picture
from api.resources import Resources
from api.schemas.service import CredentialsOut, VerifyOut
from faces.image_containers import FORMATS

router = APIRouter(prefix="/v1/verify", tags=["provenance"])


@router.post(
    "",
    response_model=VerifyOut,
    summary="Recognise a picture",
    openapi_extra={"requestBody": {"required": True, "content": {kind: {} for kind in FORMATS.values()}}},
    responses={
        400: problem("The body is empty."),
        413: problem("The body is too large."),
        415: problem("The body is no JPEG, PNG or WebP."),
        422: problem("The picture is broken, animated or too large."),
        429: problem("Too many pictures of yours wait to be decoded."),
    },
)
async def verify(request: Request, service: ServiceDep, caller: AnyCaller) -> VerifyOut:
    """The body is the picture's file. It is recognised by its bytes or pixels, where this service keeps what it made,
    and by its signature. Not being recognised says nothing: a picture may have been made, and changed, elsewhere. A
    C2PA manifest, ours or another's, is read too."""
    with service.recognition.admit(caller.owner):
        data = await request.body()
        if not data:
            raise Problem(
                ProblemType.BODY_EMPTY, "The body is empty; expected the bytes of a PNG, WebP or JPEG picture."
            )
        return _as_json(await service.recognition.run(caller.owner, _verify, service, data))


def _verify(service: Resources, data: bytes) -> VerifyOut:
    found = verify_picture(
        data,
        service.decoder.decode(data),
        registry=service.registry,
        marker=service.marker,
        credentials=service.credentials,
    )
    read = found.credentials
    return VerifyOut(
        verdict=found.verdict,
        how=found.how,
        source=found.source,
        claim=None if found.claim is None else dict(found.claim),
        credentials=None if read is None else CredentialsOut(**vars(read)),
    )


def _as_json(answer: VerifyOut) -> VerifyOut:
    """Return the answer, without a claim that JSON cannot carry: half a character, or endless nesting."""
    try:
        answer.model_dump_json()
    except (ValueError, RecursionError):
        return answer.model_copy(update={"claim": None})
    return answer
