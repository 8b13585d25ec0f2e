"""Job that edits the face of a photograph, or of an image of a set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from api.jobs.work import JobStep, Undivided
from api.models.pool import Models
from api.photographs.inversion_effort import InversionEffort
from api.photographs.job_context import JobContext
from api.photographs.records import EditRecord, SyntheticFace
from api.provenance.claims import Claim
from api.provenance.marks import encode
from api.provenance.registry import Picture, compute_key
from core.errors import GestaltError
from core.json_text import replace_nonfinite
from faces.images import pixels_digest, to_uint8

if TYPE_CHECKING:  # they bring PyTorch with them
    from editing.face_editor import FaceEditor
    from editing.latent_editor import Edit


class EditWork(Undivided):
    """Job that edits a face and stores the picture with and without the edit."""

    def __init__(self, context: JobContext) -> None:
        self._context = context

    def steps(self, subject: str, total: int) -> Iterator[JobStep]:
        """Yield the only step; see `api.jobs.work.Work`."""
        yield JobStep("edit", partial(self.edit, subject), 1)

    def clean_up(self, subject: str, error: Exception) -> None:
        """Do nothing, as nothing is written before the only step is complete; see `api.jobs.work.Work`."""

    def edit(self, edit_id: str) -> int:
        """Edit a face, and store the pictures unless they are there; return the number of bytes written."""
        context = self._context
        record = context.edits.get(edit_id)
        if record is None:
            raise GestaltError(f"edit {edit_id} was erased")
        if record.result is not None:
            return 0
        weights, edit, further = context.worker.call(partial(self._compute_edit, record))
        paths = (context.edits.picture_path(record), context.edits.before_path(record))
        claims = _describe_pictures(record, edit, weights)
        with context.eraser.block_erasure(*record.photos):
            size = 0
            for number, (path, claim, image) in enumerate(zip(paths, claims, (edit.image, edit.before), strict=True)):
                pixels = to_uint8(image)[0]
                if record.photos:
                    data = context.marker.encode(pixels, claim)
                else:  # pictures of synthetic faces are recognised by the registry, and not by a signature
                    data = encode(pixels, claim)
                    digests = pixels_digest(pixels), hashlib.sha256(data).hexdigest()
                    context.registry.add([Picture(compute_key(weights, claim.what), *digests, edit_id, number)])
                size += len(data)
                context.edits.files.write(path, data)
            context.edits.record_result(edit_id, _result_fields(edit) | further)
            context.ownership.weigh(edit_id, size)
        return 1

    def _compute_edit(self, record: EditRecord, models: Models) -> tuple[str, Edit, dict[str, Any]]:
        """Return the sha256 of the weights, the edit, and what else its answer says. Call it in the worker's thread."""
        from editing.face_editor import SmileEdit

        effort = InversionEffort.read(record.asked)
        name, face = self._context.load_face(models, record.face, effort)
        model, asked = models.use(name), record.asked
        face_editor: FaceEditor = model.face_editor
        condition, hold, local = asked.get("condition"), asked["hold"], asked.get("local", True)
        if "smile" in asked:
            edit = face_editor.edit_smile(face, asked["smile"], SmileEdit(asked.get("apply"), condition, hold, local))
        else:
            direction = face_editor.direction(asked["direction"], condition)
            edit = face_editor.configure_editor(hold=hold, local=local).edit(face, direction, asked["strength"])
        before, after = face_editor.read_by_judges(edit.before, edit.image)
        further: dict[str, Any] = {
            "judged_happy_before": before.happy,
            "judged_happy_after": after.happy,
            "judged_age_before": before.age_years,
            "judged_age_after": after.age_years,
        }
        if effort.method is not None:
            further |= {"inversion": face.quality[0].verdict_text}
        return model.info.weights_sha256, edit, further


def _describe_pictures(record: EditRecord, edit: Edit, weights: str) -> tuple[Claim, Claim]:
    """Return the provenance of the edited picture, and of the same face unedited."""
    what: dict[str, Any] = {
        "edit": dict(record.asked),
        "strength": edit.strength,
        "smile": replace_nonfinite(list(edit.smile)),  # NaN where no face is found
        "precision": edit.precision,
        "applied": edit.applied,
    }
    if isinstance(record.face, SyntheticFace):
        what |= {"image_set": record.face.image_set, "image": record.face.image}
        return Claim("synthetic", weights, what), Claim("synthetic", weights, what | {"unedited": True})
    return Claim("edited", weights, what), Claim("reconstructed", weights, what | {"unedited": True})


def _result_fields(edit: Edit) -> dict[str, Any]:
    """Return the measured figures as JSON, which has no NaN."""
    fields: dict[str, Any] = replace_nonfinite(
        {
            "strength": edit.strength,
            "smile_before": edit.smile[0],
            "smile_after": edit.smile[1],
            "target": edit.target,
            "identity": edit.identity,
            "condition_kept": edit.condition_kept,
            "age_years": edit.age_years,
            "sharpness": edit.integrity.sharpness,
            "scores": edit.integrity.scores,
            "distance_before": edit.distance[0],
            "distance_after": edit.distance[1],
            "path": edit.path,
            "local": edit.local,
            "applied": edit.applied,
            "verdict": edit.verdict,
            "because": edit.because,
            "precision": edit.precision,
        }
    )
    return fields
