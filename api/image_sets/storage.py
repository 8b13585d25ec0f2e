"""Storage of image sets. A set is complete once its manifest is stored, which is written last; then it never changes.

sets/<id>/   request.json, images/000000.png ..., parts/000000.jsonl (manifest lines of a chunk, until it is complete),
             manifest.jsonl; of filtered sets also selection.json and left-out.png

Several processes may make the same set: they write the same bytes under the same names.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from api.operations.file_stores import Files
from api.operations.metrics import Metrics
from api.operations.state_folder import SETS
from core.errors import DatasetError

_ID: Final = re.compile(r"[0-9a-f]{8,64}")

SELECTION: Final = "selection.json"
LEFT_OUT: Final = "left-out.png"

Line = Mapping[str, Any]
"""A line of the manifest: the row, and `file`, `bytes`, `sha256` of its PNG."""


@dataclass(frozen=True)
class StoredRequest:
    """Content of request.json: the fields that were asked for, and the complete request that they resolve to."""

    id: str
    images: int
    asked: Mapping[str, Any]
    resolved: Mapping[str, Any]


def image_name(index: int) -> str:
    """Return the path of an image inside its set."""
    return f"images/{index:06d}.png"


class ImageSetStore:
    """The image sets of a service.

    Args:
        files: the file store that keeps them.
        metrics: of the service.
    """

    def __init__(self, files: Files, metrics: Metrics | None = None) -> None:
        self._metrics = metrics or Metrics()
        self._files = files
        self._manifest = lru_cache(maxsize=4)(lambda set_id: _lines(self.manifest_file(set_id)))

    def is_complete(self, set_id: str) -> bool:
        """Whether the set is sealed, and so will never change."""
        return _ID.fullmatch(set_id) is not None and self._files.exists(_manifest(set_id))

    def request(self, set_id: str) -> StoredRequest | None:
        """Return the request of a set, or None if there is no such set."""
        if not _ID.fullmatch(set_id):
            return None
        try:
            return StoredRequest(**json.loads(self._files.read(_request(set_id))))
        except FileNotFoundError:
            return None

    def is_known(self, set_id: str) -> bool:
        """Whether the set was asked for and has not been deleted."""
        return _ID.fullmatch(set_id) is not None and self._files.exists(_request(set_id))

    def delete(self, set_id: str) -> None:
        """Delete everything of a set; its request goes first, so that whoever is writing into it can notice."""
        self._files.delete(_request(set_id))
        self._files.delete(_manifest(set_id))
        self._files.delete_tree(folder(set_id))

    def begin(self, request: StoredRequest) -> int:
        """Write down the request of a set; nothing happens if it is there.

        Returns:
            The bytes that it takes; 0 if it was there.
        """
        if self.is_known(request.id):
            return 0
        data = _json(vars(request))
        self._files.write(_request(request.id), data)
        return len(data)

    def read_selection(self, set_id: str) -> Mapping[str, Any] | None:
        """Return what was selected for a filtered set, as `write_selection` stored it; None if it is not there."""
        try:
            selection: Mapping[str, Any] = json.loads(self._files.read(f"{folder(set_id)}/{SELECTION}"))
        except FileNotFoundError:
            return None
        return selection

    def write_selection(self, set_id: str, selection: Mapping[str, Any], left_out: bytes | None) -> None:
        """Store the selection of a filtered set, which never changes from then on.

        Args:
            left_out: PNG with examples of what was left out; None if nothing was.
        """
        if left_out is not None:
            self._files.write(f"{folder(set_id)}/{LEFT_OUT}", left_out)
        self._files.write(f"{folder(set_id)}/{SELECTION}", _json(selection))

    def read_left_out(self, set_id: str) -> bytes | None:
        """Return the PNG with examples of what was left out of a filtered set; None if nothing was."""
        try:
            return self._files.read(f"{folder(set_id)}/{LEFT_OUT}")
        except FileNotFoundError:
            return None

    def has_chunk(self, set_id: str, start: int, stop: int) -> bool:
        """Whether images [start, stop) are all stored and match their checksums."""
        try:
            lines = _lines(self._files.read(_part(set_id, start)))
            places = [(f"{folder(set_id)}/{line['file']}", str(line["sha256"])) for line in lines]
        except (FileNotFoundError, ValueError, KeyError):
            return False
        return len(lines) == stop - start and None not in self._read_matching(places)

    def read_intact(self, images: Iterable[tuple[str, int, str]]) -> list[bytes | None]:
        """Read PNG files that match their checksums, of sets that are complete or not; None for each that is missing.

        Args:
            images: set, place in it, and sha256 of each.
        """
        return list(
            self._read_matching([(f"{folder(set_id)}/{image_name(index)}", sha256) for set_id, index, sha256 in images])
        )

    def write_chunk(self, set_id: str, start: int, rows: Sequence[Mapping[str, Any]], pngs: Sequence[bytes]) -> None:
        """Store consecutive images, then their manifest lines; nothing of a set that is complete meanwhile."""
        if not self.is_complete(set_id):
            self._write_images(set_id, start, pngs)
            self._files.write(_part(set_id, start), list_images(start, rows, pngs))

    def write_set(self, set_id: str, pngs: Sequence[bytes], manifest: bytes) -> None:
        """Store all images of a small set, then its manifest, with which it is published; nothing if it is complete."""
        if not self.is_complete(set_id):
            self._write_images(set_id, 0, pngs)
            self._publish(set_id, manifest)

    def seal(
        self,
        set_id: str,
        starts: Iterable[int],
        finish: Callable[[Sequence[Line]], Sequence[Line]] | None = None,
    ) -> None:
        """Turn the chunks that begin at `starts` into the manifest, with which the set is published.

        Args:
            finish: completes the lines of the manifest; None leaves them as they are.

        Raises:
            FileNotFoundError: a chunk is not there.
        """
        parts = list(self._files.read_each(_part(set_id, start) for start in starts))
        if not self.is_complete(set_id):  # else another process was faster, and has deleted some
            if None in parts:
                raise FileNotFoundError(f"a chunk of image set {set_id} was deleted; post its request again")
            manifest = b"".join(part for part in parts if part is not None)
            if finish is not None:
                manifest = b"".join(_json(line) + b"\n" for line in finish(_lines(manifest)))
            self._publish(set_id, manifest)

    def _write_images(self, set_id: str, start: int, pngs: Sequence[bytes]) -> None:
        with self._metrics.store_seconds.time():
            self._files.write_each(
                {f"{folder(set_id)}/{image_name(index)}": png for index, png in enumerate(pngs, start)}
            )
        self._metrics.stored_images.inc(len(pngs))
        self._metrics.stored_bytes.inc(sum(map(len, pngs)))

    def _publish(self, set_id: str, manifest: bytes) -> None:
        self._files.tidy(folder(set_id))
        self._files.write(_manifest(set_id), manifest)
        self._files.delete_tree(f"{folder(set_id)}/parts")

    def manifest(self, set_id: str) -> tuple[Line, ...]:
        """Return the manifest of a complete set: a line for each image, in order."""
        return self._manifest(set_id)

    def measure_request(self, set_id: str) -> int:
        """Return the bytes of the stored request of a set; 0 if it was deleted."""
        try:
            return self._files.size(_request(set_id))
        except FileNotFoundError:
            return 0

    def measure(self, set_id: str) -> int:
        """Return the bytes of a set that are stored, complete or not: request, manifest and images."""
        if not self.is_known(set_id):
            return 0
        if self.is_complete(set_id):
            lists = [self.manifest_file(set_id)]
        else:
            names = [name for name in self._files.names(f"{folder(set_id)}/parts") if name.endswith(".jsonl")]
            found = self._files.read_each(f"{folder(set_id)}/parts/{name}" for name in names)
            lists = [part for part in found if part is not None]
        images = sum(int(line["bytes"]) for part in lists for line in _lines(part))
        return self.measure_request(set_id) + sum(map(len, lists)) + images

    def manifest_file(self, set_id: str) -> bytes:
        """Read the manifest of a complete set as it is stored."""
        return self._files.read(_manifest(set_id))

    def image_file(self, set_id: str, index: int) -> bytes:
        """Read the PNG of an image without comparing it with its checksum; callers send the checksum along."""
        return self._files.read(f"{folder(set_id)}/{image_name(index)}")

    def read_images(self, set_id: str, lines: Sequence[Line]) -> Iterator[bytes]:
        """Read the PNG files of images, in order, and compare them with their checksums.

        Raises:
            DatasetError: what is stored is not what the manifest says.
        """
        places = [(f"{folder(set_id)}/{line['file']}", str(line["sha256"])) for line in lines]
        for line, data in zip(lines, self._read_matching(places), strict=True):
            if data is None:
                raise DatasetError(
                    f"{line['file']} of image set {set_id} is damaged in the store: its sha256 is not the manifest's "
                    f"{line['sha256']}; delete the set's folder and post the request again"
                )
            yield data

    def _read_matching(self, places: Sequence[tuple[str, str]]) -> Iterator[bytes | None]:
        """Read files by name; None for each that does not match its checksum."""
        stored = self._files.read_each(name for name, _ in places)
        for (_, sha256), data in zip(places, stored, strict=True):
            yield data if data is not None and hashlib.sha256(data).hexdigest() == sha256 else None


def folder(set_id: str) -> str:
    """Return the folder of a set."""
    return f"{SETS}/{set_id}"


def _request(set_id: str) -> str:
    return f"{folder(set_id)}/request.json"


def _manifest(set_id: str) -> str:
    return f"{folder(set_id)}/manifest.jsonl"


def _part(set_id: str, start: int) -> str:
    return f"{folder(set_id)}/parts/{start:09d}.jsonl"


def list_images(start: int, rows: Sequence[Mapping[str, Any]], pngs: Sequence[bytes]) -> bytes:
    """Return the manifest lines of consecutive images, the first of which is at `start`."""
    lines = []
    for index, (row, png) in enumerate(zip(rows, pngs, strict=True), start):
        digest = hashlib.sha256(png).hexdigest()
        lines.append(_json({**row, "file": image_name(index), "bytes": len(png), "sha256": digest}))
    return b"\n".join(lines) + b"\n"


def chunks(images: int, size: int) -> Iterator[tuple[int, int]]:
    """Divide so many images into consecutive chunks (start, stop)."""
    return ((start, min(start + size, images)) for start in range(0, images, size))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=dict).encode()


def _lines(data: bytes) -> tuple[Line, ...]:
    return tuple(json.loads(line) for line in data.splitlines())
