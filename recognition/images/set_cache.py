"""An image set of the service in a folder: its identity, and its shards, verified and indexed.

set.json              what was asked for and what it became: the set's id, model, weights, resolved request
manifest.jsonl        a line for each image, as the service has it
shards/NNNNNN.tar     WebDataset shards, as the service has them
shards/NNNNNN.keys    `faces.images.pixels_key` of each image of a shard
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from core.atomic_files import write_file
from core.errors import ConfigError, DatasetError
from core.file_lock import lock_file
from core.seen_images import UNKNOWN, SeenImages
from faces.images import Pixels, pixels_key, read_image

Row = Mapping[str, Any]
"""A line of the manifest."""

_VERSION: Final = 1
_KEY: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class SetIdentity:
    """Identity of an image set and of the generator that made it.

    Attributes:
        set_id: identifier at the service; the hash of `request`.
        model: name of the generator.
        weights_sha256: checksum of the generator's file.
        request: the request with every default filled in.
        conditions: conditions of the generator, in the order of the manifest's soft labels.
        images, shards: their numbers.
        shard_images: number of images in each shard but the last.
    """

    set_id: str
    model: str
    weights_sha256: str
    request: Mapping[str, Any]
    conditions: tuple[str, ...]
    images: int
    shards: int
    shard_images: int

    def places(self, shard: int) -> range:
        """Return the indices of the images of a shard."""
        return range(shard * self.shard_images, min(self.images, (shard + 1) * self.shard_images))


@dataclass(frozen=True)
class SetNote:
    """Content of set.json.

    Attributes:
        asked: fields of the request as they were given.
        idempotency_key: key that the request was posted with.
        identity: None until the service has answered.
        seen: images that the generator was trained on.
    """

    asked: Mapping[str, Any]
    idempotency_key: str
    identity: SetIdentity | None = None
    seen: SeenImages = UNKNOWN


@dataclass(frozen=True)
class Shard:
    """Shard whose images agree with the manifest.

    Attributes:
        path: path of the tar file.
        spans: offset and length in bytes of each PNG.
        keys: key of each image.
    """

    path: Path
    spans: tuple[tuple[int, int], ...]
    keys: tuple[str, ...]

    def image(self, place: int) -> Pixels:
        """Read the image at a place in the shard, uint8 (h, w, 3)."""
        offset, length = self.spans[place]
        with self.path.open("rb") as file:
            file.seek(offset)
            return read_image(file.read(length))


class SetCache:
    """Folder of one image set. Every file in it appears whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path / "set.json"
        self._manifest = path / "manifest.jsonl"
        self._shards = path / "shards"

    def read_note(self) -> SetNote | None:
        """Read set.json; None for a new folder.

        Raises:
            ConfigError: the folder holds something else, or the note is damaged.
        """
        if not self._note.exists():
            if self.path.is_file() or (self.path.is_dir() and any(self.path.iterdir())):
                raise ConfigError(f"{self.path} holds files and no set.json; expected a new folder, or one of a pull")
            return None
        try:
            about = json.loads(self._note.read_bytes())
            if about["version"] != _VERSION:
                raise ValueError(f"version {about['version']}")
            identity = None
            if about["set"] is not None:
                identity = SetIdentity(**about["set"] | {"conditions": tuple(about["set"]["conditions"])})
            seen = SeenImages.from_json(about["generator_saw"])
            return SetNote(about["asked"], about["idempotency_key"], identity, seen)
        except (KeyError, TypeError, ValueError, DatasetError) as error:
            raise ConfigError(
                f"{self._note} is damaged or of another version ({error!r}); delete {self.path}, and it is pulled again"
            ) from None

    def write_note(self, note: SetNote) -> None:
        """Write set.json."""
        about = {
            "version": _VERSION,
            "asked": dict(note.asked),
            "idempotency_key": note.idempotency_key,
            "set": None if note.identity is None else asdict(note.identity),
            "generator_saw": note.seen.to_json(),
        }
        write_file(self._note, json.dumps(about, indent=1).encode())

    @contextmanager
    def lock(self, pause: Callable[[], None]) -> Iterator[None]:
        """Keep the folder for this process. While another process pulls into it, call `pause` again and again."""
        self.path.mkdir(parents=True, exist_ok=True)
        with lock_file(self.path / ".lock", wait=pause):
            for left_over in (*self.path.glob(".manifest.jsonl.*"), *self._shards.glob(".*")):
                left_over.unlink(missing_ok=True)  # half-written when a process was killed
            yield

    def rows(self, identity: SetIdentity) -> list[Row] | None:
        """Read the manifest; None if there is none, or if it is not that of the set."""
        if not self._manifest.exists():
            return None
        try:
            return parse_manifest(self._manifest.read_bytes(), identity)
        except DatasetError:
            return None

    def store_manifest(self, data: bytes, identity: SetIdentity) -> list[Row]:
        """Store the manifest.

        Raises:
            DatasetError: it is not that of the set.
        """
        rows = parse_manifest(data, identity)
        write_file(self._manifest, data)
        return rows

    def shard(self, number: int, rows: Sequence[Row]) -> Shard | None:
        """Open a shard with these images; None if there is none, or if it is damaged."""
        path = self._path(number)
        if not path.exists():
            return None
        try:
            spans = _verify_shard(path, rows)
        except DatasetError:
            return None
        keys = self._keys(path, spans)
        return Shard(path, spans, keys)

    def store_shard(self, number: int, rows: Sequence[Row], fetch: Callable[[IO[bytes]], None]) -> Shard:
        """Fetch a shard into a temporary file, verify it, and keep it.

        Raises:
            DatasetError: its images are not these; nothing is kept.
        """
        path = self._path(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}")
        try:
            with temporary.open("w+b") as file:
                fetch(file)
            spans = _verify_shard(temporary, rows)
            self._keys_path(path).unlink(missing_ok=True)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return Shard(path, spans, self._keys(path, spans))

    def _keys(self, path: Path, spans: Sequence[tuple[int, int]]) -> tuple[str, ...]:
        """Return the stored keys of a shard's images, or compute them, for which each image is decoded once."""
        stored = self._keys_path(path)
        if stored.exists():
            keys = tuple(stored.read_text("utf-8", "replace").splitlines())
            if len(keys) == len(spans) and all(_KEY.fullmatch(key) for key in keys):
                return keys
        whole = Shard(path, tuple(spans), ())
        keys = tuple(pixels_key(whole.image(place)) for place in range(len(spans)))
        write_file(stored, "\n".join(keys).encode())
        return keys

    def _path(self, number: int) -> Path:
        return self._shards / f"{number:06d}.tar"

    def _keys_path(self, shard: Path) -> Path:
        return shard.with_suffix(".keys")


def parse_manifest(data: bytes, identity: SetIdentity) -> list[Row]:
    """Parse the lines of a manifest.

    Raises:
        DatasetError: it is not one of so many images with soft labels of these conditions.
    """
    try:
        rows = [json.loads(line) for line in data.splitlines()]
        for index, row in enumerate(rows):
            label = row["soft_label"]
            fits = row["index"] == index and len(label) == len(identity.conditions) and abs(sum(label) - 1) < 1e-4
            if not fits or min(label) < 0 or not all(isinstance(row[name], str) for name in ("person", "sha256")):
                raise ValueError(f"line {index + 1} is {row!r:.300}")
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise DatasetError(
            f"the manifest of image set {identity.set_id} is not in its form ({error}); expected the lines of a "
            "service of this version: update the service or the client"
        ) from None
    if len(rows) != identity.images:
        raise DatasetError(
            f"the manifest of image set {identity.set_id} has {len(rows)} lines; expected {identity.images}, one for "
            "each image: it is another set's, or damaged on the service"
        )
    return rows


def _verify_shard(path: Path, rows: Sequence[Row]) -> tuple[tuple[int, int], ...]:
    """Find the PNGs of a shard and compare the checksum of each with its row."""
    try:
        with tarfile.open(path, mode="r:") as tar:
            members = [member for member in tar if member.name.endswith(".png")]
    except (tarfile.TarError, EOFError) as error:
        raise DatasetError(f"{path.name} is no shard ({error})") from None
    if len(members) != len(rows):
        raise DatasetError(f"{path.name} has {len(members)} images; the manifest says {len(rows)}")
    with path.open("rb") as file:
        for member, row in zip(members, rows, strict=True):
            file.seek(member.offset_data)
            if hashlib.sha256(file.read(member.size)).hexdigest() != row["sha256"]:
                raise DatasetError(f"{member.name} of {path.name} is not the image of the manifest")
    return tuple((member.offset_data, member.size) for member in members)
