"""Examples of everything that the pages of the studio show, made over REST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gestaltgen_client import Client, ImageSet, Photo

PROGRESSION: Final[Mapping[str, Any]] = {
    "kind": "age_progression",
    "conditions": ["WS", "unaffected"],
    "count": 2,
    "seed": 5,
}
"""The image set whose pages are shown."""

OTHER_SETS: Final[Sequence[Mapping[str, Any]]] = [
    {"kind": "average", "conditions": ["WS", "22q11DS"]},
    {"kind": "blended", "conditions": ["WS"], "partners": ["unaffected"], "count": 2, "seed": 3},
    {"kind": "unrelated", "conditions": ["22q11DS", "unaffected"], "count": 2, "seed": 8},
]
"""Image sets of the other kinds."""

_WAIT_S: Final = 300.0


def fill_service(
    client: Client, faces: Sequence[bytes], sets: Sequence[Mapping[str, Any]] = OTHER_SETS
) -> dict[str, str]:
    """Make an example of each thing.

    Args:
        client: of a service with at least one classifier and one model of a syndrome, with a key for image sets and
            photographs.
        faces: two aligned pictures that are sent as photographs.
        sets: requests for further image sets.

    Returns:
        Address of a page for each path of the studio that has parameters.
    """
    for asked in sets:
        client.create(**asked).wait(timeout_s=_WAIT_S)
    made = client.create(**PROGRESSION).wait(timeout_s=_WAIT_S)
    changed = client.edit_image(made, 0, smile=0.8).wait(timeout_s=_WAIT_S)
    photo, other, erased = (
        client.send_photo(face, consent="study-7/form-12", purpose="research", reference=name, aligned=True).wait(
            timeout_s=_WAIT_S
        )
        for face, name in zip((*faces, faces[-1]), ("girl-04", "boy-11", "boy-12"), strict=True)
    )
    erased.erase()
    return {
        **_list_pages_of_set(client, made, changed.id),
        **_list_pages_of_photograph(client, photo, other),
        "/studio/photographs/{photo_id}/receipt": f"/studio/photographs/{erased.id}/receipt",
        "/studio/jobs/{job_id}": f"/studio{photo.links['job'].removeprefix('/v1')}",
        "/studio/models/{name}": f"/studio/models/{client.models()[0]['name']}",
        "/studio/models/syndromes/{name}": f"/studio/models/syndromes/{client.syndromes()[0]['syndrome']}",
        "/studio/conditions/{name:path}": "/studio/conditions/WS",
        "/studio/tenants/{owner}": "/studio/tenants/lab",
    }


def _list_pages_of_set(client: Client, made: ImageSet, edit: str) -> dict[str, str]:
    page, explained = f"/studio/image-sets/{made.id}", f"/studio/explanations/sets/{made.id}"
    return {
        "/studio/image-sets/new/{kind}": "/studio/image-sets/new/blended",
        "/studio/image-sets/{set_id}": page,
        "/studio/image-sets/{set_id}/images/{n}": f"{page}/images/0",
        "/studio/image-sets/{set_id}/images/{n}/edits/{edit_id}": f"{page}/images/0/edits/{edit}",
        "/studio/teach/sheet/{set_id}": f"/studio/teach/sheet/{made.id}",
        "/studio/teach/quiz/{set_id}": f"/studio/teach/quiz/{made.id}",
        "/studio/explanations/sets/{set_id}": explained,
        "/studio/explanations/sets/{set_id}/images/{n}": f"{explained}/images/0",
    }


def _list_pages_of_photograph(client: Client, photo: Photo, other: Photo) -> dict[str, str]:
    page = f"/studio/photographs/{photo.id}"
    edit = photo.edit(smile=0.8).wait(timeout_s=_WAIT_S)
    pack = client.stimuli([photo, other], groups={photo.id: "WS", other.id: "unaffected"}, doubtful=True).wait(
        timeout_s=_WAIT_S
    )
    explanation = client.explain(photo).wait(timeout_s=_WAIT_S)
    syndrome = client.syndromes()[0]["syndrome"]
    assessment = client.assess(photo, syndrome, sex="female", age=6.0).wait(timeout_s=_WAIT_S)
    return {
        "/studio/photographs/{photo_id}": page,
        "/studio/photographs/{photo_id}/edits/{edit_id}": f"{page}/edits/{edit.id}",
        "/studio/photographs/{photo_id}/accesses": f"{page}/accesses",
        "/studio/studies/{pack_id}": f"/studio/studies/{pack.id}",
        "/studio/explanations/photographs/{photo_id}": f"/studio/explanations/photographs/{photo.id}",
        "/studio/explanations/{explanation_id}": f"/studio/explanations/{explanation.id}",
        "/studio/assessments/photographs/{photo_id}": f"/studio/assessments/photographs/{photo.id}",
        "/studio/assessments/{assessment_id}": f"/studio/assessments/{assessment.id}",
    }
