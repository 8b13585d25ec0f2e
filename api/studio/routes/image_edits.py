"""Pages of edits of the images of a set."""

from __future__ import annotations

from typing import Any, Final

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse

from api.dependencies import ImageSetsCaller, KnownImage, KnownImageEdit, ServiceDep
from api.representations import describe_edit
from api.studio.forms import FieldErrors, keep_values, read_number
from api.studio.page_route import PageRoute
from api.studio.pages import render
from api.studio.routes.image_sets import find_side, render_image
from api.studio.service_calls import call_service, read_problem

router = APIRouter(
    prefix="/studio/image-sets/{set_id}/images/{n}/edits", route_class=PageRoute, include_in_schema=False
)

_FIELDS: Final = ("smile", "direction", "strength")


@router.post("")
async def ask(request: Request, service: ServiceDep, caller: ImageSetsCaller, image: KnownImage) -> Response:
    """Ask for the edit of a form."""
    form, (known, n) = await request.form(), image
    path = f"image-sets/{known.id}/images/{n}/edits"
    answer = await call_service(request, "POST", f"/v1/{path}", json=_read_edit(form))
    if answer.is_error:
        problem = read_problem(answer)
        errors = FieldErrors.of_problem(problem, _FIELDS)
        return await to_thread.run_sync(
            render_image, request, service, caller.owner, image, errors, keep_values(form), problem.status
        )
    return RedirectResponse(f"/studio/{path}/{answer.json()['id']}", 303)


@router.get("/{edit_id}")
def show(request: Request, service: ServiceDep, image: KnownImage, edit: KnownImageEdit) -> Response:
    """Show an edit: its progress, or the face before and after, and what was measured."""
    known, n = image
    return render(
        request,
        "image_sets/edit.html",
        known=known,
        n=n,
        edit=describe_edit(service, edit),
        side=find_side(service, known),
    )


def _read_edit(form: FormData) -> dict[str, Any]:
    """Return the body that a form asks the service for; what is no number stays as it is."""
    asked = {name: str(form[name]) for name in _FIELDS if form.get(name)}
    return {name: text if name == "direction" else read_number(text) for name, text in asked.items()}
