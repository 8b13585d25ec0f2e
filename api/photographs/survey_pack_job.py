"""Job that makes a survey pack."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

from api.jobs.work import JobStep, Undivided
from api.models.model import check_editing_installed
from api.models.pool import Models
from api.photographs.inversion_effort import InversionEffort
from api.photographs.job_context import JobContext
from api.photographs.records import PackRecord, PhotographFace
from core.errors import DirectionError, GestaltError, StorageError

if TYPE_CHECKING:  # it brings PyTorch with it
    from editing.survey_pack import StimulusPair

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
        context, survey_pairs = self._context, _import_survey_pairs()
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
            survey_pairs.write_pair(files, folder, place, pair)
        return 1

    def _compute_pair(self, pack: PackRecord, photo: str, models: Models) -> StimulusPair:
        """Edit a face and return its two pictures. Call it in the worker's thread."""
        context = self._context
        name, inversion = context.load_face(models, PhotographFace(photo), InversionEffort.read(pack.asked))
        editor = models.use(name).face_editor
        pair: StimulusPair = _import_survey_pairs().compute_pair(editor, context.read_crop(photo), inversion, pack)
        return pair

    def _write_archive(self, pack: PackRecord) -> int:
        context = self._context
        if self._find_pack(pack.id).result is not None:
            return 0
        files, folder = context.survey_packs.files, self._pairs_folder(pack)
        content = _import_survey_pairs().read_content(files, folder, pack, context.photographs.read_reference)
        with context.eraser.block_erasure(*pack.photos, pack=pack.id):
            data = content.make_archive(pack.asked["seed"])
            files.write(context.survey_packs.archive_path(pack.id), data)
            # The owner's references are in the sealed archive alone, and not in the database.
            reasons = [{"photograph": one.photograph, "reason": one.reason} for one in content.left_out]
            result = {"people": len(content.people), "left_out": reasons}
            context.survey_packs.record_result(pack.id, result)
            context.ownership.weigh(pack.id, len(data))
        files.delete_tree(folder)
        return 1


def _import_survey_pairs() -> ModuleType:
    """Import the module that makes pairs. It needs PyTorch, which is loaded when the first pair is made.

    Raises:
        MissingPackageError: PyTorch is not installed.
    """
    check_editing_installed()
    from api.photographs import survey_pairs

    return survey_pairs
