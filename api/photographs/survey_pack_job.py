"""Job that makes a survey pack."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

import torch

from api.jobs.work import JobStep, Undivided
from api.models.pool import Models
from api.operations.file_stores import Files
from api.photographs.job_context import JobContext
from api.photographs.records import PackRecord, PhotographFace
from core.errors import DirectionError, GestaltError, StorageError
from editing.face_editor import FaceEditor
from editing.latent_editor import Edit
from editing.survey_pack import LeftOut, StimulusPair, edit_for_survey, make_pair, pack_bytes
from editing.survey_plan import Person, plan_survey
from faces.images import encode_png, read_image, to_tensor

_LEAST_PEOPLE: Final = 2
_log = logging.getLogger("gestaltgen.photographs")


class SurveyPackWork(Undivided):
    """Job that makes a survey pack: a step for each photograph, and one that writes the zip."""

    def __init__(self, context: JobContext) -> None:
        self._context = context

    def steps(self, subject: str, total: int) -> Iterator[JobStep]:
        """Yield a step for each photograph, and the last one; see `api.jobs.work.Work`."""
        pack = self._find_pack(subject)
        for place, photo in enumerate(pack.photos):
            yield JobStep("photograph", partial(self._make_pair, pack, place, photo), place + 1)
        yield JobStep("pack", partial(self._write_archive, pack), total)

    def clean_up(self, subject: str, error: Exception) -> None:
        """Delete the pairs that were made; see `api.jobs.work.Work`."""
        context = self._context
        with context.eraser.block_erasure():
            pack = context.survey_packs.get(subject)
            if pack is not None and pack.result is not None:  # it was cancelled after its last step
                return
            try:
                context.survey_packs.files.delete_tree(context.survey_packs.folder(subject))
            except StorageError as error:
                _log.error("the pairs of a survey pack stay until it is erased: %s", error)

    def _find_pack(self, pack: str) -> PackRecord:
        record = self._context.survey_packs.get(pack)
        if record is None:
            raise GestaltError(f"survey pack {pack} was erased")
        return record

    def _pairs_folder(self, pack: PackRecord) -> str:
        return f"{self._context.survey_packs.folder(pack.id)}/pairs"

    def _make_pair(self, pack: PackRecord, place: int, photo: str) -> int:
        context = self._context
        files, folder = context.survey_packs.files, self._pairs_folder(pack)
        if files.exists(f"{folder}/{place:04d}.json"):
            return 0
        try:
            if (record := context.find_photograph(photo)).quality is None:
                raise DirectionError(f"it is not inverted: {record.error or 'its job is not done'}")
            pair: StimulusPair | str = context.worker.call(partial(self._compute_pair, pack, photo))
        except GestaltError as error:
            pair = str(error)
        with context.eraser.block_erasure(photo, pack=pack.id):
            _write_pair(files, folder, place, pair)
        return 1

    def _compute_pair(self, pack: PackRecord, photo: str, models: Models) -> StimulusPair:
        """Edit a face and return its two pictures. Call it in the worker's thread."""
        context = self._context
        name, inversion = context.load_face(models, PhotographFace(photo))
        editor: FaceEditor = models.use(name).face_editor
        photograph = read_image(context.photographs.files.read(f"{context.photographs.folder(photo)}/crop.png"))
        edit = edit_for_survey(editor, photograph, inversion, pack.asked.get("smile"), pack.asked["doubtful"])
        return make_pair(edit, editor.find)

    def _write_archive(self, pack: PackRecord) -> int:
        context = self._context
        if self._find_pack(pack.id).result is not None:
            return 0
        files, folder = context.survey_packs.files, self._pairs_folder(pack)
        pairs, people, left_out = {}, [], []
        for place, photo in enumerate(pack.photos):
            pair, reference = _read_pair(files, folder, place), context.photographs.read_reference(photo)
            if isinstance(pair, StimulusPair):
                pairs[photo] = pair
                people.append(Person(photo, pack.asked["groups"].get(photo, ""), reference))
            else:
                left_out.append(LeftOut(photo, pair, reference))
        if len(people) < _LEAST_PEOPLE:
            summary = "; ".join(f"{one.photograph[:8]}: {one.reason}" for one in left_out[:10])
            raise DirectionError(
                f"{len(people)} of {len(pack.photos)} photographs can be shown; expected {_LEAST_PEOPLE} or more: take "
                f"other photographs, or set `doubtful` to accept doubtful ones ({summary})"
            )
        with context.eraser.block_erasure(*pack.photos, pack=pack.id):
            data = pack_bytes(plan_survey(people, pack.asked["seed"]), pairs, left_out)
            files.write(context.survey_packs.archive_path(pack.id), data)
            # The owner's references are in the sealed archive alone, and not in the database.
            reasons = [{"photograph": one.photograph, "reason": one.reason} for one in left_out]
            result = {"people": len(people), "left_out": reasons}
            context.survey_packs.record_result(pack.id, result)
            context.ownership.weigh(pack.id, len(data))
        files.delete_tree(folder)
        return 1


def _write_pair(files: Files, folder: str, place: int, pair: StimulusPair | str) -> None:
    """Write a pair, or the reason why there is none. The JSON file is written last, to show that both are complete."""
    fields: Mapping[str, Any]
    if isinstance(pair, StimulusPair):
        for name, picture in (("before", pair.before), ("after", pair.after)):
            files.write(f"{folder}/{place:04d}-{name}.png", encode_png(picture))
        edit = pair.edit
        fields = {
            "mouth": pair.mouth,
            "photograph_smile": pair.photograph_smile,
            "smile": edit.smile,
            "strength": edit.strength,
            "identity": edit.identity,
            "precision": edit.precision,
            "verdict": edit.verdict,
        }
    else:
        fields = {"left_out": pair}
    files.write(f"{folder}/{place:04d}.json", json.dumps(fields).encode())


def _read_pair(files: Files, folder: str, place: int) -> StimulusPair | str:
    """Read what `_write_pair` wrote. Only the fields that a pack reports are set in the edit."""
    fields = json.loads(files.read(f"{folder}/{place:04d}.json"))
    if "left_out" in fields:
        return str(fields["left_out"])
    before, after = (read_image(files.read(f"{folder}/{place:04d}-{name}.png")) for name in ("before", "after"))
    edit = Edit(
        image=to_tensor(after),
        before=to_tensor(before),
        w=torch.empty(0),
        strength=fields["strength"],
        held={},
        smile=tuple(fields["smile"]),
        target=None,
        path=(),
        identity=fields["identity"],
        condition_kept=None,
        age_years=None,
        distance=(0.0, 0.0),
        precision=fields["precision"],
        verdict=fields["verdict"],
    )
    return StimulusPair(before, after, edit, fields["photograph_smile"], tuple(fields["mouth"]))
