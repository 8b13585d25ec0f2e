"""Job that explains the answer of a classifier for the face of a photograph, or of an image of a set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from api.jobs.work import JobStep, Undivided
from api.models.classifiers import Classifiers, LoadedClassifier
from api.models.pool import Models
from api.photographs.explanations.store import Explanations
from api.photographs.job_context import JobContext
from api.photographs.records import ExplanationRecord, PhotographFace, SyntheticFace
from api.provenance.claims import Claim
from api.provenance.marks import encode
from api.provenance.registry import Picture, compute_key
from core.errors import GestaltError
from faces.images import Pixels, pixels_digest, read_image

if TYPE_CHECKING:  # it brings PyTorch with it
    from recognition.explanation.face_explanation import FaceExplanation


class ExplanationWork(Undivided):
    """Job that computes the maps of an explanation: a step for each method.

    Args:
        context: resources of the jobs of photographs.
        explanations: the store.
        classifiers: the classifiers of the service; only the worker's thread uses their networks.
        read_image: reads the PNG of an image, given the id of its set and its index.
    """

    def __init__(
        self,
        context: JobContext,
        explanations: Explanations,
        classifiers: Classifiers,
        read_image: Callable[[str, int], bytes],
    ) -> None:
        self._context = context
        self._explanations = explanations
        self._classifiers = classifiers
        self._read_image = read_image

    def steps(self, subject: str, total: int) -> Iterator[JobStep]:
        """Yield a step for each method; see `api.jobs.work.Work`."""
        record = self._find(subject)
        read_pixels = cache(partial(self.read_pixels, record.face))
        for place, method in enumerate(record.asked["methods"], 1):
            yield JobStep("explanation", partial(self._explain, subject, method, read_pixels), place)

    def clean_up(self, subject: str, error: Exception) -> None:
        """Do nothing: the maps that are there are complete; see `api.jobs.work.Work`."""

    def read_pixels(self, face: PhotographFace | SyntheticFace) -> Pixels:
        """Read the aligned picture of a face.

        Raises:
            GestaltError: it was erased.
        """
        match face:
            case PhotographFace(photo):
                return self._context.read_crop(photo)
            case SyntheticFace(image_set, image):
                try:
                    return read_image(self._read_image(image_set, image))
                except FileNotFoundError as error:
                    raise GestaltError(f"image set {image_set} was deleted") from error

    def _find(self, explanation: str) -> ExplanationRecord:
        record = self._explanations.get(explanation)
        if record is None:
            raise GestaltError(f"explanation {explanation} was erased")
        return record

    def _explain(self, explanation_id: str, method: str, read_pixels: Callable[[], Pixels]) -> int:
        context, record = self._context, self._find(explanation_id)
        result: dict[str, Any] = {"methods": {}} | dict(record.result or {})
        if method in result["methods"]:
            return 0
        pixels = read_pixels()
        classifier, explanation, picture = context.worker.call(partial(self._compute, record, method, pixels))
        found = explanation.to_json()
        result |= {"classifier": {"name": classifier.name, "weights_sha256": classifier.weights_sha256}} | {
            "probabilities": found["probabilities"],
            "target": found["target"],
            "methods": result["methods"] | found["methods"],
        }
        what = {"explanation": {"method": method, "target": found["target"], "classifier": classifier.name}}
        with context.eraser.block_erasure(*record.photos, derived=record):
            data = self._encode(record, method, picture, classifier, what)
            self._explanations.files.write(self._explanations.map_path(record, method), data)
            self._explanations.record_result(record.id, result)
            paths = [self._explanations.map_path(record, name) for name in result["methods"]]
            context.ownership.weigh(record.id, sum(map(self._explanations.files.size, paths)))
        return 1

    def _compute(
        self, record: ExplanationRecord, method: str, pixels: Pixels, models: Models
    ) -> tuple[LoadedClassifier, FaceExplanation, Pixels]:
        """Compute a map and draw it. Call it in the worker's thread."""
        from recognition.explanation.face_explanation import draw_map

        classifier = self._classifiers.use(record.asked["classifier"])
        explanation = classifier.explain(pixels, [method], record.asked.get("target"))
        return classifier, explanation, draw_map(pixels, explanation.maps[method])

    def _encode(
        self,
        record: ExplanationRecord,
        method: str,
        picture: Pixels,
        classifier: LoadedClassifier,
        what: dict[str, Any],
    ) -> bytes:
        """Return the PNG of a map with its claim; pictures of synthetic faces are registered, and others signed.

        A map of a photograph does not name its target, which may be a condition of the person: it may be passed on.
        """
        weights = classifier.weights_sha256
        if not isinstance(record.face, SyntheticFace):
            unnamed = {name: value for name, value in what["explanation"].items() if name != "target"}
            return self._context.marker.encode(picture, Claim("annotated", weights, {"explanation": unnamed}))
        claim = Claim("synthetic", weights, what | {"image_set": record.face.image_set, "image": record.face.image})
        data = encode(picture, claim)
        digests = pixels_digest(picture), hashlib.sha256(data).hexdigest()
        number = record.asked["methods"].index(method)
        self._context.registry.add([Picture(compute_key(weights, claim.what), *digests, record.id, number)])
        return data
