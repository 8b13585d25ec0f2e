"""Image sets on disk: written aside while they grow, renamed once when complete, never changed after.

sets/<id>.partial/   request.json, images/000000.png ..., parts/000000.jsonl (manifest lines of a chunk)
sets/<id>/           request.json, images/000000.png ..., manifest.jsonl
sets/<id>/derived/   shards, archive and sheet: follow from the rest, made when first asked for
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from api.metrics import Metrics
from faces.errors import ConfigError, DatasetError
from faces.images import write_file

_ID: Final = re.compile(r"[0-9a-f]{8,64}")
_PARTIAL: Final = ".partial"

Line = Mapping[str, Any]
"""A line of the manifest: the row, and `file`, `bytes`, `sha256` of its PNG."""


@dataclass(frozen=True)
class StoredRequest:
    """request.json: what was asked for and what it means."""

    id: str
    images: int
    asked: Mapping[str, Any]
    resolved: Mapping[str, Any]


def image_name(index: int) -> str:
    """Path of an image inside its set."""
    return f"images/{index:06d}.png"


@contextmanager
def only_user_of(state: Path) -> Iterator[None]:
    """Hold the state folder, made if need be, against a second service that would take over the first's jobs.

    Raises:
        ConfigError: another service has it.
    """
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"the state folder {state} is in use by another service; stop that, or set GESTALTGEN_STATE"
            ) from error
        yield


class Store:
    """The image sets in a folder.

    Args:
        root: the service's state folder; made if it is missing.
        metrics: of the service.
    """

    def __init__(self, root: Path, metrics: Metrics | None = None) -> None:
        self._metrics = metrics or Metrics()
        self._sets = root / "sets"
        self._sets.mkdir(parents=True, exist_ok=True)
        self._manifest = lru_cache(maxsize=4)(self._read_manifest)

    def is_complete(self, set_id: str) -> bool:
        """Whether the set is sealed, and so will never change."""
        return _ID.fullmatch(set_id) is not None and (self._sets / set_id).is_dir()

    def request(self, set_id: str) -> StoredRequest | None:
        """What the set is, or None if there is no such set."""
        if not _ID.fullmatch(set_id):
            return None
        for folder in (self.folder(set_id), self._partial(set_id), self.folder(set_id)):  # sealed meanwhile?
            try:
                return StoredRequest(**json.loads((folder / "request.json").read_bytes()))
            except FileNotFoundError:
                continue
        return None

    def begin(self, request: StoredRequest) -> None:
        """Make room for a set; nothing happens if there is one."""
        if self.request(request.id) is None:
            write_file(self._partial(request.id) / "request.json", _json(vars(request)))

    def has_chunk(self, set_id: str, start: int, stop: int) -> bool:
        """Whether images [start, stop) are all there and their bytes are what their checksums say."""
        try:
            lines = _lines((self._part(set_id, start)).read_bytes())
            return len(lines) == stop - start and all(self._matches(set_id, line) for line in lines)
        except (FileNotFoundError, ValueError, KeyError):
            return False

    def unharmed(self, set_id: str, index: int, sha256: str) -> bytes | None:
        """PNG bytes of an image with this checksum, of a set that is complete or not; None if they are not there."""
        for folder in (self.folder(set_id), self._partial(set_id)):
            try:
                data = (folder / image_name(index)).read_bytes()
            except FileNotFoundError:
                continue
            if hashlib.sha256(data).hexdigest() == sha256:
                return data
        return None

    def write_chunk(self, set_id: str, start: int, rows: Sequence[Mapping[str, Any]], pngs: Sequence[bytes]) -> None:
        """Store consecutive images, then their manifest lines."""
        lines = []
        with self._metrics.store_seconds.time():
            for index, (row, png) in enumerate(zip(rows, pngs, strict=True), start):
                write_file(self._partial(set_id) / image_name(index), png)
                digest = hashlib.sha256(png).hexdigest()
                lines.append(_json({**row, "file": image_name(index), "bytes": len(png), "sha256": digest}))
            write_file(self._part(set_id, start), b"\n".join(lines) + b"\n")
        self._metrics.stored_images.inc(len(pngs))
        self._metrics.stored_bytes.inc(sum(map(len, pngs)))

    def seal(self, set_id: str, starts: Iterable[int]) -> None:
        """Turn the chunks that begin at `starts` into the manifest and publish the set."""
        partial = self._partial(set_id)
        for aside in (*partial.glob(".*"), *partial.glob("images/.*")):  # what a killed process was writing
            aside.unlink()
        write_file(partial / "manifest.jsonl", b"".join(self._part(set_id, start).read_bytes() for start in starts))
        os.replace(partial, self.folder(set_id))
        shutil.rmtree(self.folder(set_id) / "parts")

    def folder(self, set_id: str) -> Path:
        """Where a complete set lies."""
        return self._sets / set_id

    def manifest(self, set_id: str) -> tuple[Line, ...]:
        """The lines of a complete set's manifest, one for each image, in order."""
        return self._manifest(set_id)

    def read_image(self, set_id: str, line: Line) -> bytes:
        """PNG bytes of an image.

        Raises:
            DatasetError: the stored bytes are not what the manifest says.
        """
        data = (self.folder(set_id) / str(line["file"])).read_bytes()
        if hashlib.sha256(data).hexdigest() != line["sha256"]:
            raise DatasetError(
                f"{line['file']} of image set {set_id} is damaged on disk: its sha256 is not the manifest's "
                f"{line['sha256']}; delete the set's folder and post the request again"
            )
        return data

    def _read_manifest(self, set_id: str) -> tuple[Line, ...]:
        return _lines((self.folder(set_id) / "manifest.jsonl").read_bytes())

    def _matches(self, set_id: str, line: Line) -> bool:
        data = (self._partial(set_id) / str(line["file"])).read_bytes()
        return hashlib.sha256(data).hexdigest() == str(line["sha256"])

    def _partial(self, set_id: str) -> Path:
        return self._sets / f"{set_id}{_PARTIAL}"

    def _part(self, set_id: str, start: int) -> Path:
        return self._partial(set_id) / "parts" / f"{start:09d}.jsonl"


def chunks(images: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of consecutive chunks that cover `images` images."""
    return ((start, min(start + size, images)) for start in range(0, images, size))


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=dict).encode()


def _lines(data: bytes) -> tuple[Line, ...]:
    return tuple(json.loads(line) for line in data.splitlines())
