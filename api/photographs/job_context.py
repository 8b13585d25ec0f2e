"""What jobs do with faces: invert a photograph, edit a face, make a survey pack.

Only the worker's thread touches networks. A job whose photograph is erased meanwhile leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

import torch

from api.access.ownership import Ownership
from api.jobs.work import JobStep, Undivided
from api.models.pool import Models
from api.models.worker import Worker
from api.operations.file_stores import Files
from api.operations.metrics import Metrics, Unusable
from api.photographs.intake import Decoder
from api.photographs.storage import EditRecord, PackRecord, Photograph, Photographs
from api.problems import Problem
from api.provenance.marks import Claim, Marker, encode, pixels_digest
from api.provenance.registry import Picture, Registry, key_of
from core.errors import AuditError, DirectionError, GestaltError, ImageError, NoFaceError, StorageError
from editing.face_editor import FaceEditor
from editing.latent_editor import Edit
from editing.survey_pack import Left, Pair, pack_bytes, pair_of, stimulus_edit
from editing.survey_plan import Person, plan
from faces.images import Pixels, encode_png, read_image, to_tensor, to_uint8
from gen.precision import PrecisionChoice
from inversion import result as inversions
from inversion.framing import framed
from inversion.result import Inversion

_LEAST_PEOPLE: Final = 2
_log = logging.getLogger("gestaltgen.photographs")


@dataclass(frozen=True)
class JobContext:
    """What the jobs share.

    Args:
        photographs: where everything is kept.
        worker: owns the networks.
        decoder: of photographs.
        marker: signs what is made of them.
        registry: of pictures of synthetic faces.
        ownership: whose everything is.
        synthetic: the model and the face of an image of a set, given the set's id and its place; needs the networks.
        precision: in which photographs are inverted; edits take that of the face.
        metrics: of the service.
    """

    photographs: Photographs
    worker: Worker
    decoder: Decoder
    marker: Marker
    registry: Registry
    ownership: Ownership
    synthetic: Callable[[Models, str, int], tuple[str, Inversion]]
    precision: PrecisionChoice
    metrics: Metrics

    def face(self, models: Models, parent: str, number: int | None) -> tuple[str, Inversion]:
        """Name of the model and the face of a photograph, or of an image of a set."""
        if number is not None:
            return self.synthetic(models, parent, number)
        photo = self.photo(parent)
        studio = models.using(photo.model).studio
        return photo.model, inversions.load(self.inversion(parent), studio.generator)

    def photo(self, photo: str) -> Photograph:
        """A photograph that is still there."""
        found = self.photographs.get(photo)
        if found is None:
            raise GestaltError(f"photograph {photo} was erased")
        return found

    def inversion(self, photo: str) -> bytes:
        """The file of its latent and offsets."""
        try:
            return self.photographs.files.read(self.photographs.inversion(photo))
        except FileNotFoundError as error:
            raise GestaltError(f"photograph {photo} was erased") from error


class PhotoWork(Undivided):
    """Inverts a photograph."""

    def __init__(self, desk: JobContext) -> None:
        self._desk = desk

    def parts(self, subject: str, total: int) -> Iterator[JobStep]:
        """See api.jobs.work.Work."""
        yield JobStep("invert", partial(self._invert, subject), 1)

    def failed(self, subject: str, error: Exception) -> None:
        """See api.jobs.work.Work. The original goes, as it does after a success."""
        with self._desk.photographs.kept():
            photo = self._desk.photographs.get(subject)
            if photo is None:
                return
            if photo.quality is None:  # else it was cancelled after the part in hand
                self._desk.photographs.refused(subject, str(error))
                if (reason := _refusal(error)) is not None:
                    self._desk.metrics.count_refused_photograph(reason)
            self._finish(photo)

    def _invert(self, photo_id: str) -> int:
        desk = self._desk
        photo = desk.photo(photo_id)
        if photo.quality is not None:
            self._finish(photo)
            return 0
        try:
            pixels = desk.decoder.decode(desk.photographs.files.read(desk.photographs.original(photo_id)))
        except Problem as problem:
            raise GestaltError(problem.detail) from problem
        except FileNotFoundError as error:
            raise GestaltError("the job was cancelled") from error

        def invert(models: Models) -> tuple[Pixels, tuple[str, ...], Inversion]:
            studio = models.using(photo.model).studio
            frame = framed(pixels, studio.side, studio.detector, aligned=photo.aligned)
            return frame.face, frame.notes, studio.invert(to_tensor(frame.face), precision=desk.precision)

        def results(models: Models) -> dict[str, bytes]:
            model, folder = models.using(photo.model), desk.photographs.folder(photo_id)
            what = {"method": inversion.method, "precision": inversion.precision}
            claim = Claim("reconstructed", model.info.weights_sha256, what)
            picture = desk.marker.encode(to_uint8(inversion.reconstruction)[0], claim)
            kept, _ = inversions.to_bytes(inversion, model.studio.generator)
            return {
                f"{folder}/crop.png": encode_png(crop),
                f"{folder}/reconstruction.png": picture,
                desk.photographs.inversion(photo_id): kept,
            }

        crop, notes, inversion = desk.worker.call(invert)
        with desk.photographs.kept(photo_id):
            made = desk.worker.call(results, small=True)  # soon: others wait to write
            desk.photographs.files.write_each(made)
            desk.ownership.weigh(photo_id, sum(map(len, made.values())))
            quality = asdict(inversion.quality[0]) | {"precision": inversion.precision}
            desk.photographs.inverted(photo_id, quality, "; ".join(notes))
            self._finish(photo)
        return 1

    def _finish(self, photo: Photograph) -> None:
        if not photo.keep_original:
            try:
                self._desk.photographs.drop_original(photo.id)
            except (AuditError, StorageError) as error:
                _log.error("an original stays until it can be erased: %s", error)  # see api.photographs.erasure


def _refusal(error: Exception) -> Unusable | None:
    """Why a photograph cannot be used, in one of a few words; None where that is not the photograph's fault."""
    if isinstance(error, NoFaceError):
        return "no_face"
    if isinstance(error, ImageError):
        return "unsuitable"
    return "undecodable" if isinstance(error.__cause__, Problem) else None


class EditWork(Undivided):
    """Edits the face of a photograph, or of an image of a set."""

    def __init__(self, desk: JobContext) -> None:
        self._desk = desk

    def parts(self, subject: str, total: int) -> Iterator[JobStep]:
        """See api.jobs.work.Work."""
        yield JobStep("edit", partial(self._edit, subject), 1)

    def failed(self, subject: str, error: Exception) -> None:
        """See api.jobs.work.Work."""

    def _edit(self, edit_id: str) -> int:
        desk = self._desk
        record = desk.photographs.edit(edit_id)
        if record is None:
            raise GestaltError(f"edit {edit_id} was erased")
        if record.result is not None:
            return 0
        weights, edit = desk.worker.call(partial(self._edited, record))
        result = _figures(edit)
        of_photo = record.number is None
        what = {
            "edit": dict(record.asked),
            "strength": edit.strength,
            "smile": list(edit.smile),
            "precision": edit.precision,
        }
        if not of_photo:
            what |= {"image_set": record.parent, "image": record.number}
        claims = (
            (Claim("edited" if of_photo else "synthetic", weights, what), edit.image),
            (Claim("reconstructed" if of_photo else "synthetic", weights, what | {"unedited": True}), edit.before),
        )
        mark = desk.marker.encode if of_photo else encode
        names = (desk.photographs.edit_file(record), desk.photographs.before_file(record))
        with desk.photographs.kept(record.parent if of_photo else None):
            size = 0
            for number, (name, (claim, image)) in enumerate(zip(names, claims, strict=True)):
                pixels = to_uint8(image)[0]
                data = mark(pixels, claim)
                size += len(data)
                desk.photographs.files.write(name, data)
                if not of_photo:
                    digests = pixels_digest(pixels), hashlib.sha256(data).hexdigest()
                    desk.registry.add([Picture(key_of(weights, claim.what), *digests, edit_id, number)])
            desk.photographs.edited(edit_id, result)
            desk.ownership.weigh(edit_id, size)
        return 1

    def _edited(self, record: EditRecord, models: Models) -> tuple[str, Edit]:
        name, face = self._desk.face(models, record.parent, record.number)
        model, asked = models.using(name), record.asked
        studio: FaceEditor = model.studio
        editor = studio.editor if asked["hold"] else replace(studio.editor, patterns={})
        direction = studio.direction(asked["direction"], asked.get("condition"))
        if "smile" in asked:
            return model.info.weights_sha256, editor.to_smile(face, direction, asked["smile"])
        return model.info.weights_sha256, editor.edit(face, direction, asked["strength"])


class PackWork(Undivided):
    """Makes a survey pack, a photograph a part."""

    def __init__(self, desk: JobContext) -> None:
        self._desk = desk

    def parts(self, subject: str, total: int) -> Iterator[JobStep]:
        """See api.jobs.work.Work."""
        pack = self._pack(subject)
        for place, photo in enumerate(pack.photos):
            yield JobStep("photograph", partial(self._pair, pack, place, photo), place + 1)
        yield JobStep("pack", partial(self._write, pack), total)

    def failed(self, subject: str, error: Exception) -> None:
        """See api.jobs.work.Work. Nobody gets the pairs that were made."""
        with self._desk.photographs.kept():
            pack = self._desk.photographs.pack(subject)
            if pack is not None and pack.result is not None:  # cancelled after its last part
                return
            try:
                self._desk.photographs.files.delete_tree(self._desk.photographs.pack_folder(subject))
            except StorageError as error:
                _log.error("the pairs of a survey pack stay until it is erased: %s", error)

    def _pack(self, pack: str) -> PackRecord:
        found = self._desk.photographs.pack(pack)
        if found is None:
            raise GestaltError(f"survey pack {pack} was erased")
        return found

    def _pair(self, pack: PackRecord, place: int, photo: str) -> int:
        desk, asked = self._desk, pack.asked
        files, folder = desk.photographs.files, f"{desk.photographs.pack_folder(pack.id)}/pairs"
        if files.exists(f"{folder}/{place:04d}.json"):
            return 0

        def pair(models: Models) -> Pair:
            name, inversion = desk.face(models, photo, None)
            studio: FaceEditor = models.using(name).studio
            return pair_of(stimulus_edit(studio, inversion, asked.get("smile"), asked["doubtful"]), studio.find)

        try:
            if (known := desk.photo(photo)).quality is None:
                raise DirectionError(f"it is not inverted: {known.error or 'its job is not done'}")
            made: Pair | str = desk.worker.call(pair)
        except GestaltError as error:
            made = str(error)
        with desk.photographs.kept(photo, pack=pack.id):
            _write_pair(files, folder, place, made)
        return 1

    def _write(self, pack: PackRecord) -> int:
        desk = self._desk
        if self._pack(pack.id).result is not None:
            return 0
        files, folder = desk.photographs.files, f"{desk.photographs.pack_folder(pack.id)}/pairs"
        pairs, people, left = {}, [], []
        for place, photo in enumerate(pack.photos):
            read = _read_pair(files, folder, place)
            if isinstance(read, Pair):
                pairs[photo] = read
                people.append(Person(photo, pack.asked["groups"].get(photo, "")))
            else:
                left.append(Left(photo, read))
        if len(people) < _LEAST_PEOPLE:
            reasons = "; ".join(f"{one.photograph[:8]}: {one.reason}" for one in left[:10])
            raise DirectionError(
                f"{len(people)} of {len(pack.photos)} photographs can be shown; expected {_LEAST_PEOPLE} or more: take "
                f"others, or ask for those too that are only doubtful, `doubtful` ({reasons})"
            )
        with desk.photographs.kept(*pack.photos, pack=pack.id):
            data = pack_bytes(plan(people, pack.asked["seed"]), pairs, left)
            files.write(desk.photographs.pack_file(pack.id), data)
            result = {"people": len(people), "left_out": [asdict(one) for one in left]}
            desk.photographs.packed(pack.id, result)
            desk.ownership.weigh(pack.id, len(data))
        files.delete_tree(folder)
        return 1


def _figures(edit: Edit) -> dict[str, Any]:
    """What was measured, as JSON."""
    return {
        "strength": edit.strength,
        "smile_before": _number(edit.smile[0]),
        "smile_after": _number(edit.smile[1]),
        "target": edit.target,
        "identity": _number(edit.identity),
        "condition_kept": edit.condition_kept,
        "age_years": None if edit.age_years is None else _number(edit.age_years),
        "distance_before": edit.distance[0],
        "distance_after": edit.distance[1],
        "path": [[strength, _number(smile)] for strength, smile in edit.path],
        "verdict": edit.verdict,
        "because": list(edit.because),
        "precision": edit.precision,
    }


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return value if value == value else None


def _write_pair(files: Files, folder: str, place: int, pair: Pair | str) -> None:
    """A pair, or why there is none; the JSON is written last, and says that all is there."""
    said: Mapping[str, Any]
    if isinstance(pair, Pair):
        for name, picture in (("before", pair.before), ("after", pair.after)):
            files.write(f"{folder}/{place:04d}-{name}.png", encode_png(picture))
        edit = pair.edit
        said = {
            "mouth": pair.mouth,
            "smile": edit.smile,
            "strength": edit.strength,
            "identity": edit.identity,
            "precision": edit.precision,
        }
    else:
        said = {"left_out": pair}
    files.write(f"{folder}/{place:04d}.json", json.dumps(said).encode())


def _read_pair(files: Files, folder: str, place: int) -> Pair | str:
    """What `_write_pair` wrote; of the edit, only what a pack says of it."""
    said = json.loads(files.read(f"{folder}/{place:04d}.json"))
    if "left_out" in said:
        return str(said["left_out"])
    before, after = (read_image(files.read(f"{folder}/{place:04d}-{name}.png")) for name in ("before", "after"))
    edit = Edit(
        image=to_tensor(after),
        before=to_tensor(before),
        w=torch.empty(0),
        strength=said["strength"],
        held={},
        smile=tuple(said["smile"]),
        target=None,
        path=(),
        identity=said["identity"],
        condition_kept=None,
        age_years=None,
        distance=(0.0, 0.0),
        precision=said.get("precision", "float32"),
    )
    return Pair(before, after, edit, tuple(said["mouth"]))
