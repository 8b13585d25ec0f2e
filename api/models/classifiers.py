"""Classifiers of the service, whose answers can be explained: which there are, and which are in memory."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from api.models.loaded_models import LoadedModels
from api.models.model import Pixels
from api.problem_types import ProblemType
from api.problems import Problem, make_field_problem
from core import tensor_files
from core.errors import CheckpointError, GestaltError, MissingPackageError

if TYPE_CHECKING:  # they bring PyTorch with them
    from recognition.classifier import Classifier
    from recognition.explanation.face_explanation import FaceExplanation

_FILE: Final = "classifier.safetensors"
"""Name of the file of a classifier in the folder of its training."""

NEEDED: Final = ("torch", "dlib")
"""Packages without which no photograph is explained."""

_log = logging.getLogger("gestaltgen.models")


def check_explaining_installed(purpose: str = "explanations of classifiers") -> None:
    """Check that the packages are installed that explanations and assessments need.

    Raises:
        MissingPackageError: one of them is not.
    """
    for package in NEEDED:
        if importlib.util.find_spec(package) is None:
            raise MissingPackageError(package, purpose)


@dataclass(frozen=True)
class ClassifierInfo:
    """Description of a classifier, or of several that answer as one.

    Attributes:
        name: name under which it is served.
        versions: files of its classifiers, as of the folds of a cross-validation, with the times of their changes.
        classes: names of its classes, in the order of its outputs.
        network: architecture.
        size: side of its input in pixels.
    """

    name: str
    versions: tuple[tuple[Path, int], ...]
    classes: tuple[str, ...]
    network: str
    size: int

    @property
    def files(self) -> list[Path]:
        return [file for file, _ in self.versions]

    @property
    def size_bytes(self) -> int:
        """Memory that its weights need."""
        return sum(file.stat().st_size for file in self.files)


@dataclass(frozen=True)
class LoadedClassifier:
    """Classifier whose networks are in memory.

    Attributes:
        name: name under which it is served.
        weights_sha256: digest of its file, or of the digests of its files.
        size: side of its input in pixels.
        members: its classifiers.
    """

    name: str
    weights_sha256: str
    size: int
    members: tuple[Classifier, ...]

    def explain(self, pixels: Pixels, methods: Sequence[str], target: str | None) -> FaceExplanation:
        """Explain its answer for an aligned face.

        Regions follow from landmarks; those that lie outside the picture are left out.

        Args:
            pixels: (side, side, 3) uint8.
            methods: names of methods that are defined for its network.
            target: class to explain; None takes the most probable one.

        Raises:
            NoFaceError: no face is found, so that there are no landmarks.
        """
        from faces.detect import FaceDetector
        from recognition.explanation.face_explanation import explain_face
        from recognition.explanation.regions.masks import masks_from_landmarks
        from recognition.images.image_stack import resize_face

        landmarks = FaceDetector().find_in_photograph(pixels).landmarks
        scale = self.size / pixels.shape[0]
        masks = masks_from_landmarks((landmarks + 0.5) * scale - 0.5, self.size)
        within = {region: mask for region, mask in masks.items() if mask.any()}
        return explain_face(self.members, resize_face(pixels, self.size), within, methods, target)


class Classifiers:
    """Classifiers in a folder, which is looked at for each request.

    Args:
        folder: holds NAME.safetensors, or NAME/ with one `classifier.safetensors` or more at any depth; None serves no
            classifier.
        most_bytes: bound of the weights in memory; one classifier may always be.
    """

    def __init__(self, folder: Path | None, most_bytes: int) -> None:
        self.folder = folder
        self._loaded = LoadedModels(_load, most_bytes)

    def list_infos(self) -> list[ClassifierInfo]:
        """List the classifiers by name; those that cannot be read are logged once and left out until they change."""
        if self.folder is None:
            return []
        found = (_read_info(name, _read_versions(files)) for name, files in _find_files(self.folder))
        return [info for info in found if info is not None]

    def find(self, name: str | None) -> ClassifierInfo:
        """Return a classifier by its name; None is the first.

        Raises:
            Problem: 503, no classifier is served; 422, there is none of that name.
        """
        infos = {info.name: info for info in self.list_infos()}
        if not infos:
            raise Problem(
                ProblemType.NO_CLASSIFIER_SERVED,
                "The service has no classifier to explain; the operator names a folder of classifiers as "
                "GESTALTGEN_CLASSIFIERS, such as one that `gestaltgen classify train` wrote.",
            )
        if name is not None and name not in infos:
            message = f"unknown {name[:80]!r}; expected one of {', '.join(infos)}"
            raise make_field_problem("classifier", message, name, accepted=list(infos))
        return next(iter(infos.values())) if name is None else infos[name]

    def use(self, name: str) -> LoadedClassifier:
        """Load a classifier.

        Raises:
            Problem: as `find`.
            CheckpointError: a file cannot be read.
        """
        return self._loaded.use(self.find(name))


def _find_files(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """Yield the name and the files of each classifier in a folder, in the order of the names."""
    for path in sorted(folder.glob("[!.]*")):
        if path.is_dir() and (files := sorted(path.rglob(_FILE))):
            yield path.name, files
        elif path.suffix == ".safetensors":
            yield path.stem, [path]


def _read_versions(files: Sequence[Path]) -> tuple[tuple[Path, int], ...]:
    """Return the files that are there with the times of their changes."""
    return tuple((file, file.stat().st_mtime_ns) for file in files if file.exists())


@lru_cache(maxsize=256)
def _read_info(name: str, versions: tuple[tuple[Path, int], ...]) -> ClassifierInfo | None:
    """Describe a classifier by the headers of its files; None if they cannot be read."""
    try:
        headers = [tensor_files.read_header(file) for file, _ in versions]
        described = {(tuple(one["classes"]), one["config"]["network"], one["config"]["size"]) for one in headers}
        if len(described) != 1 or any(one["kind"] != "classifier" for one in headers):
            raise CheckpointError(f"its files are no classifiers, or differ in classes, network or size: {described}")
    except (GestaltError, LookupError, TypeError) as error:
        _log.warning("classifier %s is not served: %s", name, error)
        return None
    [(classes, network, size)] = described
    return ClassifierInfo(name, versions, classes, network, size)


def compute_digest(info: ClassifierInfo) -> str:
    """Compute the digest of a classifier's file, or of the digests of its files."""
    digests = [tensor_files.sha256(file) for file in info.files]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _load(info: ClassifierInfo) -> LoadedClassifier:
    from recognition.classifier import Classifier

    return LoadedClassifier(
        info.name, compute_digest(info), info.size, tuple(Classifier.open(file) for file in info.files)
    )
