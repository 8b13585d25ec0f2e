"""Resources that the jobs of photographs share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.access.ownership import Ownership
from api.models.pool import Models
from api.models.worker import Worker
from api.operations.metrics import Metrics
from api.photographs.decoding import Decoder
from api.photographs.edits import Edits
from api.photographs.erasure import Eraser
from api.photographs.inversion_effort import InversionEffort
from api.photographs.records import FaceReference, Photograph, PhotographFace, SyntheticFace
from api.photographs.storage import Photographs
from api.photographs.survey_packs import SurveyPacks
from api.provenance.marks import Marker
from api.provenance.registry import Registry
from core.errors import GestaltError
from core.precision import PrecisionChoice
from faces.images import Pixels, read_image

if TYPE_CHECKING:
    from inversion.result import Inversion


@dataclass(frozen=True)
class JobContext:
    """Resources that the jobs of photographs share.

    Only the worker's thread may touch networks. A job whose photograph is erased meanwhile leaves nothing behind: it
    writes within `eraser.block_erasure`.

    Args:
        photographs, edits, survey_packs: the stores.
        eraser: of the stores.
        worker: owns the networks.
        decoder: of photographs.
        marker: signs the pictures that are made.
        registry: of pictures of synthetic faces.
        ownership: of all objects; it holds their sizes.
        synthetic_face: returns the name of the model and the face of an image, given the id of its set and its index;
            called in the worker's thread.
        precision: of inversions; an edit takes the precision of its face.
        metrics: of the service.
    """

    photographs: Photographs
    edits: Edits
    survey_packs: SurveyPacks
    eraser: Eraser
    worker: Worker
    decoder: Decoder
    marker: Marker
    registry: Registry
    ownership: Ownership
    synthetic_face: Callable[[Models, str, int], tuple[str, Inversion]]
    precision: PrecisionChoice
    metrics: Metrics

    def load_face(self, models: Models, face: FaceReference, effort: InversionEffort) -> tuple[str, Inversion]:
        """Return the name of the model and the latent and offsets of a face. Call it in the worker's thread.

        Args:
            effort: of another inversion of a photograph than the stored one; without a method the stored one is taken.

        Raises:
            GestaltError: the photograph was erased.
        """
        match face:
            case SyntheticFace(image_set, image):
                return self.synthetic_face(models, image_set, image)
            case PhotographFace(photo):
                model = self.find_photograph(photo).model
                editor = models.use(model).face_editor
                if effort.method is not None:
                    return model, effort.invert(editor, self.read_crop(photo), self.precision)
                from inversion.result import load  # it needs PyTorch, which is loaded by now

                return model, load(self._read_inversion(photo), editor.generator)

    def find_photograph(self, photo: str) -> Photograph:
        """Return the record of a photograph.

        Raises:
            GestaltError: it was erased.
        """
        record = self.photographs.get(photo)
        if record is None:
            raise GestaltError(f"photograph {photo} was erased")
        return record

    def read_crop(self, photo: str) -> Pixels:
        """Read the aligned face of a photograph.

        Raises:
            GestaltError: the photograph was erased.
        """
        return read_image(self._read(photo, f"{self.photographs.folder(photo)}/crop.png"))

    def _read_inversion(self, photo: str) -> bytes:
        return self._read(photo, self.photographs.inversion_path(photo))

    def _read(self, photo: str, path: str) -> bytes:
        try:
            return self.photographs.files.read(path)
        except FileNotFoundError as error:
            raise GestaltError(f"photograph {photo} was erased") from error
