"""Job that inverts a photograph."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from api.jobs.work import JobStep, Undivided
from api.models.pool import Models
from api.operations.metrics import Unusable
from api.photographs.inversion_effort import InversionEffort
from api.photographs.job_context import JobContext
from api.photographs.records import Photograph
from api.problems import Problem
from api.provenance.claims import Claim
from core.errors import AuditError, GestaltError, ImageError, NoFaceError, StorageError
from core.formats.face_areas import find_areas
from faces.align import spread_anchors
from faces.expression import CALIBRATED, Floats
from faces.images import Pixels, encode_png, to_uint8

if TYPE_CHECKING:  # it brings PyTorch with it
    from inversion.result import Inversion

_log = logging.getLogger("gestaltgen.photographs")


class InversionWork(Undivided):
    """Job that decodes a photograph, finds and aligns its face, inverts it, and deletes the file that was sent."""

    def __init__(self, context: JobContext) -> None:
        self._context = context

    def steps(self, subject: str, total: int) -> Iterator[JobStep]:
        """Yield the only step; see `api.jobs.work.Work`."""
        yield JobStep("invert", partial(self._invert, subject), 1)

    def clean_up(self, subject: str, error: Exception) -> None:
        """Store the reason, and delete the file that was sent, as after a success; see `api.jobs.work.Work`."""
        context = self._context
        with context.eraser.block_erasure():
            photo = context.photographs.get(subject)
            if photo is None:
                return
            if photo.quality is None:  # otherwise it was cancelled after its only step
                context.photographs.record_failure(subject, str(error))
                if (reason := _classify_failure(error)) is not None:
                    context.metrics.count_refused_photograph(reason)
            self._delete_original(photo)

    def _invert(self, photo_id: str) -> int:
        context = self._context
        photo = context.find_photograph(photo_id)
        if photo.quality is not None:
            self._delete_original(photo)
            return 0
        pixels, effort = self._decode(photo_id), InversionEffort.read(photo.asked)
        by_hand = photo.asked.get("landmarks")
        landmarks = None if by_hand is None else spread_anchors(np.array(by_hand))

        def invert(models: Models) -> tuple[Pixels, tuple[str, ...], Floats, Inversion]:
            editor = models.use(photo.model).face_editor
            from inversion.framing import frame_face  # it needs PyTorch, which is loaded by now

            frame = frame_face(pixels, editor.side, editor.detector, aligned=photo.aligned, landmarks=landmarks)
            landmarks_of_crop = editor.find(frame.face[None])[0]
            return frame.face, frame.notes, landmarks_of_crop, effort.invert(editor, frame.face, context.precision)

        crop, notes, landmarks_of_crop, inversion = context.worker.call(invert)
        with context.eraser.block_erasure(photo_id):
            encode = partial(self._encode_results, photo, crop, inversion)
            files = context.worker.call(encode, small=True)  # at once, as others wait for the lock
            files |= {context.photographs.landmarks_path(photo_id): _encode_landmarks(crop, landmarks_of_crop)}
            context.photographs.files.write_each(files)
            original = context.photographs.original_path(photo_id)
            kept = context.photographs.files.size(original) if photo.keep_original else 0
            context.ownership.weigh(photo_id, kept + sum(map(len, files.values())))
            quality = asdict(inversion.quality[0]) | {"precision": inversion.precision, "method": inversion.method}
            context.photographs.record_inversion(photo_id, quality, "; ".join(notes))
            self._delete_original(photo)
        return 1

    def _decode(self, photo_id: str) -> Pixels:
        context = self._context
        try:
            return context.decoder.decode(context.photographs.files.read(context.photographs.original_path(photo_id)))
        except Problem as problem:
            raise GestaltError(problem.detail) from problem
        except FileNotFoundError as error:
            raise GestaltError("the job was cancelled") from error

    def _encode_results(
        self, photo: Photograph, crop: Pixels, inversion: Inversion, models: Models
    ) -> dict[str, bytes]:
        """Return the files of an inversion, by their paths."""
        context = self._context
        model, folder = models.use(photo.model), context.photographs.folder(photo.id)
        method = {"method": inversion.method, "precision": inversion.precision}
        claim = Claim("reconstructed", model.info.weights_sha256, method)
        reconstruction = context.marker.encode(to_uint8(inversion.reconstruction)[0], claim)
        from inversion.result import to_bytes  # it needs PyTorch, which is loaded by now

        tensors, _ = to_bytes(inversion, model.face_editor.generator)
        return {
            f"{folder}/crop.png": encode_png(crop),
            f"{folder}/reconstruction.png": reconstruction,
            context.photographs.inversion_path(photo.id): tensors,
        }

    def _delete_original(self, photo: Photograph) -> None:
        if photo.keep_original:
            return
        try:
            self._context.eraser.erase_original(photo.id)
        except (AuditError, StorageError) as error:  # `Eraser.erase_expired` tries again
            _log.error("an original stays until it can be erased: %s", error)


def _encode_landmarks(crop: Pixels, landmarks: Floats) -> bytes:
    """Encode what `GET /v1/photos/{photo_id}/landmarks` answers.

    Args:
        crop: aligned face uint8 (h, h, 3).
        landmarks: (68, 2) in its pixels, NaN where no face is found.
    """
    described: dict[str, Any] = {"side": len(crop)}
    if np.isfinite(landmarks).all():
        described |= {
            "landmarks": landmarks.round(2).tolist(),
            "areas": find_areas(landmarks),
            "smile": float(CALIBRATED(landmarks)[0]),
        }
    return json.dumps(described).encode()


def _classify_failure(error: Exception) -> Unusable | None:
    """Return the reason why a photograph cannot be used; None if the photograph is not at fault."""
    if isinstance(error, NoFaceError):
        return "no_face"
    if isinstance(error, ImageError):
        return "unsuitable"
    return "undecodable" if isinstance(error.__cause__, Problem) else None
