"""Did this service make that picture?"""

from __future__ import annotations

import hashlib

import anyio.to_thread
from fastapi import APIRouter, Request

from api.dependencies import AnyCaller, ServiceDep
from api.photographs.intake import FORMATS
from api.problem_types import ProblemType
from api.problems import Problem
from api.provenance.marks import pixels_digest
from api.request_headers import problem
from api.resources import Resources
from api.schemas import VerifyOut

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
    },
)
async def verify(request: Request, service: ServiceDep, caller: AnyCaller) -> VerifyOut:
    """The body is the picture's file. It is recognised by its bytes or pixels, where this service keeps what it made,
    and by its signature. Not being recognised says nothing: a picture may have been made, and changed, elsewhere. A
    C2PA manifest, ours or another's, is read too."""
    data = await request.body()
    if not data:
        raise Problem(ProblemType.BODY_EMPTY, "The body is empty; expected the bytes of a PNG, WebP or JPEG picture.")
    return _tellable(await anyio.to_thread.run_sync(_verified, service, data))


def _tellable(answer: VerifyOut) -> VerifyOut:
    """Without the claim, where a stranger wrote into it what JSON cannot carry: half a character, endless nesting."""
    try:
        answer.model_dump_json()
    except (ValueError, RecursionError):
        return answer.model_copy(update={"claim": None})
    return answer


def _verified(service: Resources, data: bytes) -> VerifyOut:
    return _recognised(service, data).model_copy(update={"credentials": service.credentials.read(data)})


def _recognised(service: Resources, data: bytes) -> VerifyOut:
    pixels = service.decoder.decode(data)
    marked = service.marker.read(data, pixels)
    claim = None if marked is None else {**marked.claim.said(), "notice": marked.claim.notice}
    sha256 = hashlib.sha256(data).hexdigest()
    known = service.registry.known(sha256=sha256, pixels=pixels_digest(pixels))
    if known is not None:
        what = "file is one" if known.sha256 == sha256 else "pixels are those of a picture"
        how = f"its {what} that this service made"
        return VerifyOut(verdict="made here", how=how, source="synthetic", claim=claim)
    if marked is not None and marked.genuine:
        source = marked.claim.source
        if marked.intact:
            return VerifyOut(verdict="made here", how="its signature is this service's", source=source, claim=claim)
        how = "its signature is this service's, but its pixels are not those that were signed"
        return VerifyOut(verdict="made here, changed since", how=how, source=source, claim=claim)
    how = "neither its file, its pixels nor its signature are known here"
    return VerifyOut(verdict="not recognised", how=how, source=None, claim=claim)
