"""Route of a single face, which is rendered for one request and stored nowhere."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api.access.api_keys import Caller
from api.access.key_turns import leave_turn
from api.dependencies import ImageSetsCaller, ServiceDep, find_model
from api.documented_responses import problem
from api.models.model import Model, RenderPlan
from api.problems import convert_request_error, make_field_problem
from api.provenance.claims import Claim
from api.provenance.marks import MEDIA_TYPES, ImageFormat
from api.resources import Resources
from api.schemas.image_sets import FaceQuery
from core.errors import RequestError

router = APIRouter(prefix="/v1/face", tags=["image sets"])

_PARAMETERS: Final = {"conditions": "condition", "partners": "partner"}
_CACHE_CONTROL: Final = "private, max-age=60"
"""A browser shows the picture again for a minute; later the name of the model may stand for other weights."""


class _FaceQuery(FaceQuery):
    """Parameters of the route."""

    format: ImageFormat = Field("png", description="Format of the picture; `png` and `webp` are lossless.")


@router.get(
    "",
    summary="A face",
    response_class=Response,
    responses={
        200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}},
        422: problem("A parameter cannot be; `errors` says which, and what is accepted."),
        429: problem("Too many requests of yours are in progress."),
        503: problem("The weights are still being loaded; try again after `Retry-After` seconds."),
    },
)
async def face(service: ServiceDep, caller: ImageSetsCaller, asked: Annotated[_FaceQuery, Query()]) -> Response:
    """A picture of one person at any age, of any mix of two conditions, moved along a direction; for sliders. It
    carries its provenance, and nothing is stored. An image set with the same `seeds` and `years` has the same face."""
    with service.work.admit(caller.owner):
        leave_turn()
        data = await service.work.run(caller.owner, _render, service, caller, asked)
    return Response(data, headers={"Cache-Control": _CACHE_CONTROL}, media_type=MEDIA_TYPES[asked.format])


def _render(service: Resources, caller: Caller, asked: _FaceQuery) -> bytes:
    """Return the file of the picture."""
    model = find_model(service, caller, asked.model)
    plan = _plan(model, asked, service.settings.precision)
    [pixels] = service.worker.render(plan, plan.rows, small=True)
    if model.guard is not None and model.guard.compare(pixels[None])[0].any():
        message = "the face is too near to a person of the training data; take another"
        raise make_field_problem("seed", message, asked.seed)
    what = model.describe(plan, plan.rows[0])
    if (edit := asked.list_edit_fields()) is not None:
        what |= {"edit": edit}
    with service.metrics.encode_seconds.labels(asked.format).time():
        data = service.marker.encode(pixels, Claim("synthetic", model.info.weights_sha256, what), asked.format)
    return service.credentials.sign(data)


def _plan(model: Model, asked: FaceQuery, precision: str) -> RenderPlan:
    """Plan the picture.

    Raises:
        Problem: 422, a condition or a direction that the generator does not know.
    """
    fields: dict[str, Any] = asked.list_set_fields() | {"precision": precision, "model": model.info.name}
    try:
        plan = model.plan(fields, 1)
    except RequestError as error:
        name = _PARAMETERS.get(error.field, error.field)
        known = {name: model.info.conditions} if error.field in _PARAMETERS else {}
        raise convert_request_error(RequestError(name, str(error)), asked.model_dump(), known) from error
    if not asked.strength:
        return plan
    if asked.direction not in (names := [direction.name for direction in model.directions()]):
        message = f"unknown {asked.direction!r}; expected one of {', '.join(names)}"
        raise make_field_problem("direction", message, asked.direction, accepted=names)
    return plan.move(asked.direction, asked.strength)
