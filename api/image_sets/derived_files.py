"""Files that follow from a complete image set: WebDataset shards, the archive and the contact sheet.

The same set always gives the same bytes.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Final

from api.image_sets.sheet import sheet_of
from api.image_sets.storage import Line, Store
from api.models.model import ModelInfo
from api.provenance.claims import Claim, sheet_notice
from api.provenance.marks import encode
from faces.images import Pixels, read_image

SHARD_IMAGES: Final = 1000
"""Images in a shard; the last may have fewer."""


def shard_count(images: int) -> int:
    """How many shards a set of so many images has."""
    return -(-images // SHARD_IMAGES)


class Derived:
    """Writes the files that follow from a set.

    Args:
        store: where the sets are.
        model: what made the sets; a condition's place in it is its class index.
    """

    def __init__(self, store: Store, model: ModelInfo) -> None:
        self._store = store
        self._model = model
        self._class_of = {name: index for index, name in enumerate(model.conditions)}

    def shard(self, set_id: str, number: int, file: IO[bytes]) -> None:
        """WebDataset tar: for each image NNNNNN.png, NNNNNN.json (its manifest line) and NNNNNN.cls."""
        lines = self._store.manifest(set_id)[number * SHARD_IMAGES : (number + 1) * SHARD_IMAGES]
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for line, png in zip(lines, self._store.read_images(set_id, lines), strict=True):
                for suffix, data in self._sample(line, png).items():
                    member = tarfile.TarInfo(f"{line['index']:06d}.{suffix}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))

    def archive(self, set_id: str, file: IO[bytes]) -> None:
        """Zip of the images, the manifest and the request; stored, because PNGs do not shrink further."""
        lines, request = self._store.manifest(set_id), self._store.request(set_id)
        about = {} if request is None else {"id": request.id, "images": request.images, "resolved": request.resolved}
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            # without `asked`: defaults can be left out or spelt out; the archive is the same
            archive.writestr(zipfile.ZipInfo(f"{set_id}/request.json"), json.dumps(about))
            archive.writestr(zipfile.ZipInfo(f"{set_id}/manifest.jsonl"), self._store.manifest_file(set_id))
            for line, png in zip(lines, self._store.read_images(set_id, lines), strict=True):
                archive.writestr(zipfile.ZipInfo(f"{set_id}/{line['file']}"), png)

    def sheet(self, set_id: str, tile: int | None, file: IO[bytes]) -> None:
        """Contact sheet: persons as rows, ages as columns.

        Args:
            tile: side of an image on it in pixels; None is that of the images, and 96 at least.
        """
        request = self._store.request(set_id)
        kind = str(request.resolved["kind"]) if request else "image set"

        def read(lines: Sequence[Line]) -> Iterator[Pixels]:
            return map(read_image, self._store.read_images(set_id, lines))

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

    def _sample(self, line: Line, png: bytes) -> Mapping[str, bytes]:
        return {
            "png": png,
            "json": json.dumps(dict(line), separators=(",", ":"), ensure_ascii=False).encode(),
            "cls": str(self._class_of[line["condition"]]).encode(),
        }
