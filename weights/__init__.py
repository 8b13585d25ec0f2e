"""The weights that are shipped, checked against their manifest before they are used."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from core import tensor_files
from core.errors import CheckpointError
from faces.datasets.records import PHANTOMS

DEFAULT: Final = "phantom128.safetensors"
GENERATORS: Final = (DEFAULT, "portraits128.safetensors")
ORACLE: Final = "oracle.safetensors"
LANDMARKS: Final = "landmarks.safetensors"

Companion: TypeAlias = Literal["discriminator", "inverter", "directions", "expression"]


def manifest() -> dict[str, dict[str, Any]]:
    """Return sha256, origin, licence and intended use of each shipped file, by file name, from manifest.json."""
    entries: dict[str, dict[str, Any]] = json.loads((find_folder() / "manifest.json").read_text())
    return entries


def default() -> Path:
    """Return the path of the generator that is used where none is named.

    Raises:
        CheckpointError: the file is missing, or not the one that was shipped.
    """
    return find_file(DEFAULT)


def companion(generator: Path, part: Companion) -> Path | None:
    """Return the file shipped beside a generator, which is recognised by its content; None if it is not shipped.

    Raises:
        CheckpointError: the companion is missing, or not the one that was shipped.
    """
    digest = hashlib.sha256(generator.read_bytes()).hexdigest() if generator.is_file() else ""
    for name, entry in manifest().items():
        if entry["sha256"] == digest and (found := f"{Path(name).stem}-{part}.safetensors") in manifest():
            return find_file(found)
    return None


def companions(generator: Path) -> dict[str, Path]:
    """All that is shipped for a generator, by role: each `companion`; and where it was last trained on phantoms,
    "oracle" and "landmarks", which read its faces.

    Raises:
        CheckpointError: the generator is no checkpoint, or something is missing, or not what was shipped.
    """
    found = {part: path for part in get_args(Companion) if (path := companion(generator, part)) is not None}
    if str(tensor_files.read_header(generator).get("origin", "")).endswith(PHANTOMS):
        found |= {"oracle": oracle(), "landmarks": landmarks()}
    return found


def find_companions(generator: Path) -> dict[str, Path]:
    """Return the files beside a generator that belong to it by their names, by role: such as
    `fold1-inverter.safetensors` for `fold1.safetensors`."""
    beside = {part: generator.with_name(f"{generator.stem}-{part}.safetensors") for part in get_args(Companion)}
    return {part: path for part, path in beside.items() if path.is_file()}


def oracle() -> Path:
    """Return the path of the network that reads phantoms (`faces.oracle.attribute_network`), verified.

    Raises:
        CheckpointError: the file is missing, or not the one that was shipped.
    """
    return find_file(ORACLE)


def landmarks() -> Path:
    """Return the path of the network that finds the landmarks of phantoms (`faces.oracle.landmark_network`), verified.

    Raises:
        CheckpointError: the file is missing, or not the one that was shipped.
    """
    return find_file(LANDMARKS)


def find_file(name: str) -> Path:
    """Return the path of a shipped file by its name, after checking its checksum.

    Raises:
        CheckpointError: an unknown name, a missing file, or one whose checksum is not the manifest's.
    """
    if name not in manifest():
        raise CheckpointError(f"no weights {name!r} are shipped; expected one of {', '.join(manifest())}")
    path = find_folder() / name
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; restore it with `git checkout weights`")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != manifest()[name]["sha256"]:
        raise CheckpointError(f"{path} is damaged: its sha256 is {digest}; restore it with `git checkout weights`")
    return path


def find_folder() -> Path:
    """Return the folder that holds the shipped files."""
    return Path(str(files("weights")))
