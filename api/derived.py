"""Files that follow from a complete image set: WebDataset shards, the archive and the contact sheet.

Each is made when first asked for and kept beside the set; the same set always gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from api.marking import Claim, encode
from api.model import ModelInfo
from api.provenance import sheet_notice
from api.sheet import sheet_of
from api.storage import Line, Store
from faces.images import Pixels, read_image, write_file

SHARD_IMAGES: Final = 1000
"""Images in a shard; the last may have fewer."""


@dataclass(frozen=True)
class StoredFile:
    """A file to serve, with the sha256 of its bytes."""

    path: Path
    sha256: str


def shard_count(images: int) -> int:
    """How many shards a set of so many images has."""
    return -(-images // SHARD_IMAGES)


class Derived:
    """Makes and remembers the files that follow from a set.

    Args:
        store: where the sets are.
        model: what made the sets; a condition's place in it is its class index.
    """

    def __init__(self, store: Store, model: ModelInfo) -> None:
        self._store = store
        self._model = model
        self._class_of = {name: index for index, name in enumerate(model.conditions)}

    def shard(self, set_id: str, number: int) -> StoredFile:
        """WebDataset tar: for each image NNNNNN.png, NNNNNN.json (its manifest line) and NNNNNN.cls."""
        lines = self._store.manifest(set_id)[number * SHARD_IMAGES : (number + 1) * SHARD_IMAGES]

        def write(file: IO[bytes]) -> None:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                for line in lines:
                    for suffix, data in self._sample(set_id, line).items():
                        member = tarfile.TarInfo(f"{line['index']:06d}.{suffix}")
                        member.size = len(data)
                        tar.addfile(member, io.BytesIO(data))

        return self._made(set_id, f"{number:06d}.tar", write)

    def manifest(self, set_id: str) -> StoredFile:
        """The manifest, which is stored with the set; only its checksum is made."""
        path = self._store.folder(set_id) / "manifest.jsonl"
        return StoredFile(path, hashlib.sha256(path.read_bytes()).hexdigest())

    def archive(self, set_id: str) -> StoredFile:
        """Zip of the images, the manifest and the request; stored, because PNGs do not shrink further."""
        folder = self._store.folder(set_id)
        request = json.loads((folder / "request.json").read_bytes())
        del request["asked"]  # defaults can be left out or spelt out; the archive is the same

        def write(file: IO[bytes]) -> None:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr(zipfile.ZipInfo(f"{set_id}/request.json"), json.dumps(request))
                archive.writestr(zipfile.ZipInfo(f"{set_id}/manifest.jsonl"), (folder / "manifest.jsonl").read_bytes())
                for line in self._store.manifest(set_id):
                    image = self._store.read_image(set_id, line)
                    archive.writestr(zipfile.ZipInfo(f"{set_id}/{line['file']}"), image)

        return self._made(set_id, "archive.zip", write)

    def sheet(self, set_id: str, tile: int | None = None) -> StoredFile:
        """Contact sheet: persons as rows, ages as columns.

        Args:
            tile: side of an image on it in pixels; None is that of the images, and 96 at least.
        """

        def write(file: IO[bytes]) -> None:
            request = self._store.request(set_id)
            kind = str(request.resolved["kind"]) if request else "image set"

            def read(line: Line) -> Pixels:
                return read_image(self._store.read_image(set_id, line))

            sheet = sheet_of(
                self._store.manifest(set_id),
                self._model.conditions,
                read,
                title=kind.replace("_", " ").capitalize(),
                notice=sheet_notice(self._model.origin),
                set_id=set_id,
                tile=tile,
            )
            claim = Claim("synthetic", self._model.weights_sha256, {"image_set": set_id, "sheet": True})
            file.write(encode(sheet, claim))

        return self._made(set_id, "sheet.png" if tile is None else f"sheet-{tile}.png", write)

    def _sample(self, set_id: str, line: Line) -> Mapping[str, bytes]:
        return {
            "png": self._store.read_image(set_id, line),
            "json": json.dumps(dict(line), separators=(",", ":"), ensure_ascii=False).encode(),
            "cls": str(self._class_of[line["condition"]]).encode(),
        }

    def _made(self, set_id: str, name: str, write: Callable[[IO[bytes]], None]) -> StoredFile:
        path = self._store.folder(set_id) / "derived" / name
        checksum = path.with_name(f"{name}.sha256")
        if not (checksum.is_file() and path.is_file()):  # the checksum is written last: with it the file is whole
            path.parent.mkdir(exist_ok=True)
            write_file(checksum, _write_aside(path, write).encode())
        return StoredFile(path, checksum.read_text())


def _write_aside(path: Path, write: Callable[[IO[bytes]], None]) -> str:
    """Write through a temporary file beside `path`, rename it, and return the sha256 of its bytes."""
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w+b") as file:
            write(file)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    return digest
