"""Generator of the service: a conditional StyleGAN2 checkpoint and the image sets that it can make.

Image sets need no PyTorch on a CPU. What needs it is in `api.models.editing_networks`, which is imported when faces are
edited for the first time.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast, get_args

import weights
from api.models.model import AgeRange, ModelInfo, Pixels, RenderPlan, Row, check_editing_installed
from api.models.training_people import TrainingPeopleGuard
from core.errors import CheckpointError, DirectionError, ImageSetTooLargeError, RequestError
from core.precision import resolve_precision
from core.seen_images import SeenImages
from editing.direction_info import DirectionInfo, read_direction_infos, read_direction_vector
from faces.image_set_request import ImageSetRequest
from gen import checkpoint, imagesets
from gen.inference.generator import InferenceGenerator
from gen.inference.mapping import Floats
from gen.labels import Vocabulary
from gen.sampler import Sampler

if TYPE_CHECKING:  # they bring PyTorch or dlib with them
    from api.models.editing_networks import EditingNetworks
    from editing.face_editor import FaceEditor
    from faces.detect import FaceDetector
    from gen.networks import Generator
    from inversion.result import Inversion

_COPIES: Final = 3
"""Copies of the generator in memory: its weights, and two compiled models, for single images and for batches."""

_COMPANIONS: Final = get_args(weights.Companion)
"""Networks that are counted with a generator's memory, and that may lie beside its checkpoint."""


def load_detector() -> FaceDetector:
    """Load the face detector for photographs."""
    from faces.detect import FaceDetector

    return FaceDetector()


class GeneratorModel:
    """Generator from a checkpoint. Its weights are loaded when they are first used.

    Args:
        path: checkpoint of a generator. One without labels edits photographs, and makes no image sets.
        device: PyTorch device that renders.
        name: name in requests; None takes the file's.
        detector: returns the face detector for photographs, when it is needed.
        threads: cores that render on a CPU; None for all that the process may use.
        judges: folder of independent networks that read photographs, or None.
        people_key: file of the key to descriptors of the training people beside the checkpoint, or None.

    Raises:
        ConfigError: the device cannot be used, or there are descriptors of the training people and no key to them.
        CheckpointError: the file is missing or damaged, or holds no generator; or the descriptors cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        device: str = "cpu",
        name: str | None = None,
        detector: Callable[[], FaceDetector] = load_detector,
        threads: int | None = None,
        judges: Path | None = None,
        people_key: Path | None = None,
    ) -> None:
        about = checkpoint.read_info(path)
        if about.network != "generator":
            raise CheckpointError(f"{path} holds a {about.network}; expected the weights of a generator")
        self._vocabulary: Vocabulary | None = about.vocabulary
        if device != "cpu":
            check_editing_installed()
            from api.models.editing_networks import check_device

            check_device(device)
        self._path, self._device, self._detector, self._threads = path, device, detector, threads
        self._judges = judges
        self._guard = TrainingPeopleGuard.open(path, about.sha256, people_key, detector)
        self._companions = weights.companions(path) | weights.find_companions(path)
        self._directions: Sequence[DirectionInfo] | None = None
        self._vectors: dict[str, Floats] = {}
        self._editing: EditingNetworks | None = None
        self._renderer: Generator | InferenceGenerator | None = None
        self._samplers: dict[str, Sampler] = {}
        self._opening = threading.RLock()
        parts = [path] * _COPIES + [part for name, part in self._companions.items() if name in _COMPANIONS]
        self.size_bytes = sum(part.stat().st_size for part in parts)
        self._info = ModelInfo(
            name=name or path.stem,
            weights_sha256=about.sha256,
            resolution=about.config.resolution,
            conditions=() if about.vocabulary is None else about.vocabulary.conditions,
            ages=tuple(
                AgeRange(a.name, a.from_years, None if math.isinf(a.to_years) else a.to_years)
                for a in (() if about.vocabulary is None else about.vocabulary.ages)
            ),
            origin=about.origin,
            licence=about.licence,
            images_seen=about.images_seen or None,
            training_counts=about.training_counts,
            age_steps=about.age_steps,
            has_inverter="inverter" in self._companions,
            identifiers={} if about.vocabulary is None else about.vocabulary.identifiers,
        )

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def guard(self) -> TrainingPeopleGuard | None:
        return self._guard

    def plan(self, asked: Mapping[str, Any], max_images: int) -> RenderPlan:
        """Expand the fields of a request into a plan.

        Raises:
            RequestError: a field that cannot be, or a generator without labels.
        """
        if self._vocabulary is None:
            raise RequestError(
                "model",
                f"{self._info.name} has no conditions and ages, so it makes no image sets; it edits photographs. Name "
                "another of /v1/models",
            )
        if asked.get("precision") == "auto":  # settled here, once: a set that is gone on with elsewhere is the same set
            asked = {**asked, "precision": resolve_precision("auto", self._device)}
        request = ImageSetRequest.from_json({name: value for name, value in asked.items() if name != "model"})
        counts = self._info.training_counts
        resolved = request.resolve(self._vocabulary, counts, self._info.weights_sha256)
        guarded = self._guard is not None and request.kind != "average"
        if self._guard is not None and guarded:
            resolved["training_people"] = self._guard.digest  # other images are left out for other descriptors
        images = request.count_images(self._vocabulary, counts)
        if images > max_images:
            field = "seeds" if request.seeds else "count" if request.total_images is None else "total_images"
            raise ImageSetTooLargeError(field, images, max_images)
        rows = imagesets.expand(request, self._vocabulary, counts, self._info.age_steps)
        alike = (request.kind == "average", request.psi, request.noise, request.arithmetic)
        return RenderPlan(
            imagesets.set_id(resolved),
            self._info.name,
            dict(asked),
            resolved,
            rows,
            request,
            (self._info.weights_sha256, *alike),
            draws=[*imagesets.list_draws(request, self._vocabulary, counts)] if request.minima or guarded else None,
            scored=bool(request.scores or request.minima),
        )

    def describe(self, plan: RenderPlan, row: Row) -> dict[str, Any]:
        """Return everything besides the weights that determines the image of a row."""
        request = cast(ImageSetRequest, plan.request)
        label = row.to_json()
        del label["index"]
        kept = {
            "kind": request.kind,
            "truncation": request.psi,
            "noise": request.noise,
            "precision": request.arithmetic,
        }
        return kept | label

    def render(self, plan: RenderPlan, rows: Sequence[Row]) -> Pixels:
        """Render rows of plans that are alike."""
        request = cast(ImageSetRequest, plan.request)
        precision = request.arithmetic
        with self._opening:
            if precision not in self._samplers:
                self._samplers[precision] = Sampler(self.renderer, precision=precision)
            sampler = self._samplers[precision]
        shift: Floats | float = 0.0 if plan.direction is None else plan.strength * self._read_vector(plan.direction)
        images: Pixels = sampler.render(cast(Sequence[imagesets.Row], rows), request, shift)
        return images

    def _read_vector(self, direction: str) -> Floats:
        """Return the vector of a direction.

        Raises:
            DirectionError: there is no direction of this name.
        """
        if direction not in self._vectors:
            file = self._companions.get("directions")
            if file is None:
                raise DirectionError(f"no directions are known for {self._info.name}, so {direction!r} is none of them")
            self._vectors[direction] = read_direction_vector(file, direction)
        return self._vectors[direction]

    @property
    def renderer(self) -> Generator | InferenceGenerator:
        """Generator that renders image sets, loaded if need be: without PyTorch on a CPU."""
        with self._opening:
            if self._renderer is None:
                on_cpu = self._device == "cpu"
                self._renderer = (
                    checkpoint.load_for_inference(self._path, self._threads)
                    if on_cpu
                    else self._open_editing().generator
                )
            return self._renderer

    def read_seen_images(self) -> SeenImages:
        """Read the keys of the images that it was trained on from its checkpoint."""
        return checkpoint.read_info(self._path).seen_images

    def read_cards(self) -> dict[str, str]:
        """Read the Markdown files beside its weights and those of its networks, such as NAME.md, by their roles."""
        files = {"generator": self._path, **self._companions}
        cards = {role: path.with_suffix(".md") for role, path in files.items()}
        return {role: card.read_text(encoding="utf-8") for role, card in cards.items() if card.is_file()}

    def directions(self) -> Sequence[DirectionInfo]:
        """Return the directions along which faces can be edited."""
        if self._directions is None:
            file = self._companions.get("directions")
            self._directions = [] if file is None else read_direction_infos(file)
        return self._directions

    @property
    def face_editor(self) -> FaceEditor:
        """Editor that inverts and edits faces, loaded if need be.

        Raises:
            MissingPackageError: PyTorch is not installed.
        """
        return self._open_editing().face_editor

    def face(self, plan: RenderPlan, row: Row) -> Inversion:
        """Return the face of a row, for editing; errors as `face_editor`."""
        request, editing = cast(ImageSetRequest, plan.request), self._open_editing()
        latents = Sampler(self.renderer).latents([cast(imagesets.Row, row)], request)
        return editing.wrap_face(latents, request.arithmetic)

    def release(self) -> None:
        """Release the weights from memory until they are used again."""
        with self._opening:
            self._editing = self._renderer = None
            self._samplers.clear()

    def _open_editing(self) -> EditingNetworks:
        with self._opening:
            if self._editing is None:
                check_editing_installed()
                from api.models.editing_networks import EditingNetworks

                self._editing = EditingNetworks(
                    self._path, self._companions, self._device, self._detector, self._threads, self._judges
                )
            return self._editing
