"""Generator of the service: a conditional StyleGAN2 checkpoint and the image sets that it can make."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch

import weights
from api.models.model import AgeRange, ModelInfo, Pixels, RenderPlan, Row
from api.settings import Settings
from core.errors import CheckpointError, ConfigError, ImageSetTooLargeError, RequestError
from core.precision import automatic_precision
from editing import direction_file
from editing.directions import Direction
from editing.entanglement import DirectionEffects
from editing.face_editor import EditorFiles, FaceEditor, find_companions
from faces.detect import FaceDetector
from faces.image_set_request import ImageSetRequest
from gen import checkpoint, imagesets
from gen.inference.generator import InferenceGenerator
from gen.labels import Vocabulary
from gen.networks import Generator
from gen.sampler import Sampler
from inversion.result import Inversion, wrap_generated

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h


def prepare(settings: Settings) -> None:
    """Set the number of PyTorch's threads, and let the C library keep the memory of a batch for the next."""
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    _keep_memory()


def _keep_memory() -> None:
    """Have glibc keep large blocks that are freed. It would give them back to the system after every layer, and a third
    of the CPU time of a render would go into faulting them in again. Elsewhere nothing happens."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


class GeneratorModel:
    """Generator from a checkpoint. Its weights are loaded when they are first used.

    Args:
        path: checkpoint of a generator. One without labels edits photographs, and makes no image sets.
        device: PyTorch device that renders.
        name: name in requests; None takes the file's.
        detector: returns the face detector for photographs, when it is needed.
        threads: cores that render on a CPU; None for all that the process may use.

    Raises:
        ConfigError: the device cannot be used.
        CheckpointError: the file is missing or damaged, or holds no generator.
    """

    def __init__(
        self,
        path: Path,
        device: str = "cpu",
        name: str | None = None,
        detector: Callable[[], FaceDetector] = FaceDetector,
        threads: int | None = None,
    ) -> None:
        about = checkpoint.read_info(path)
        if about.network != "generator":
            raise CheckpointError(f"{path} holds a {about.network}; expected the weights of a generator")
        self._vocabulary: Vocabulary | None = about.vocabulary
        try:
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError) as error:  # PyTorch asserts that it was built for the device
            reason = str(error).splitlines()[0]
            raise ConfigError(
                f"device {device!r} cannot be used: {reason}; expected cpu, or cuda with a GPU"
            ) from error
        self._path, self._device, self._detector, self._threads = path, device, detector, threads
        self._files = EditorFiles(path, **weights.companions(path) | find_companions(path))
        self._directions: Sequence[tuple[Direction, DirectionEffects | None]] | None = None
        self._face_editor: FaceEditor | None = None
        self._loaded: Generator | None = None
        self._renderer: Generator | InferenceGenerator | None = None
        self._samplers: dict[str, Sampler] = {}
        # The generator thrice: its weights, and two compiled models of them, for single images and for batches.
        parts = (path, path, path, self._files.discriminator, self._files.inverter, self._files.directions)
        self.size_bytes = sum(part.stat().st_size for part in parts if part is not None)
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
            seen=about.seen,
            seen_complete=about.seen_complete,
            age_steps=about.age_steps,
        )

    @property
    def info(self) -> ModelInfo:
        return self._info

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
            asked = {**asked, "precision": automatic_precision(self._device)}
        request = ImageSetRequest.from_json({name: value for name, value in asked.items() if name != "model"})
        counts = self._info.training_counts
        resolved = request.resolve(self._vocabulary, counts, self._info.weights_sha256)
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
        if precision not in self._samplers:
            self._samplers[precision] = Sampler(self.renderer, precision=precision)
        images: Pixels = self._samplers[precision].render(cast(Sequence[imagesets.Row], rows), request)
        return images

    @property
    def renderer(self) -> Generator | InferenceGenerator:
        """Generator that renders image sets, loaded if need be: without PyTorch on a CPU."""
        if self._renderer is None:
            on_cpu = self._device == "cpu"
            self._renderer = checkpoint.load_for_inference(self._path, self._threads) if on_cpu else self.generator
        return self._renderer

    @property
    def generator(self) -> Generator:
        """The generator network, for editing, loaded if need be."""
        if self._loaded is None:
            self._loaded = checkpoint.load_generator(self._path).to(self._device).requires_grad_(False)
        return self._loaded

    def directions(self) -> Sequence[tuple[Direction, DirectionEffects | None]]:
        """Return the directions along which faces can be edited."""
        if self._directions is None:
            known = None if self._files.directions is None else direction_file.load(self._files.directions)
            moves = {} if known is None else {entry.direction: entry for entry in known.table}
            found = [] if known is None else known.directions.values()
            self._directions = [(direction, moves.get(direction.name)) for direction in found]
        return self._directions

    @property
    def face_editor(self) -> FaceEditor:
        """Editor that inverts and edits faces, loaded if need be."""
        if self._face_editor is None:
            self._face_editor = FaceEditor.open(self._files, self._detector(), generator=self.generator)
        return self._face_editor

    def face(self, plan: RenderPlan, row: Row) -> Inversion:
        """Return the face of a row, for editing."""
        request = cast(ImageSetRequest, plan.request)
        latents = Sampler(self.renderer).latents([cast(imagesets.Row, row)], request)
        return wrap_generated(self.generator, torch.from_numpy(latents), request.arithmetic)

    def release(self) -> None:
        """Release the weights from memory until they are used again."""
        self._loaded = self._renderer = self._face_editor = None
        self._samplers.clear()
