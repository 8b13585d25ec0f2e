"""Files derived from a complete image set: WebDataset shards, the archive, and sheets to look at.

The same set always gives the same bytes.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import IO, Final

from api.image_sets.sheets import SheetContent, draw_sheet, print_sheet
from api.image_sets.storage import ImageSetStore, Line
from api.models.model import ModelInfo
from api.provenance.claims import Claim, sheet_notice, this_software
from api.provenance.marks import encode
from faces.images import Pixels, read_image
from faces.printed_sheets import Paper

SHARD_IMAGES: Final = 1000
"""Images in a shard; the last may have fewer."""


def shard_count(images: int) -> int:
    """Count the shards of a set of so many images."""
    return -(-images // SHARD_IMAGES)


class DerivedFiles:
    """Writer of the files that are derived from a complete set.

    Args:
        store: holds the sets.
        model: the model that made the sets; a condition's place in it is its class index.
    """

    def __init__(self, store: ImageSetStore, model: ModelInfo) -> None:
        self._store = store
        self._model = model
        self._class_of = {name: index for index, name in enumerate(model.conditions)}

    def shard(self, set_id: str, number: int, file: IO[bytes]) -> None:
        """Write a WebDataset tar: for each image NNNNNN.png, NNNNNN.json (its manifest line) and NNNNNN.cls."""
        lines = self._store.manifest(set_id)[number * SHARD_IMAGES : (number + 1) * SHARD_IMAGES]
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for line, png in zip(lines, self._store.read_images(set_id, lines), strict=True):
                for suffix, data in self._sample(line, png).items():
                    member = tarfile.TarInfo(f"{line['index']:06d}.{suffix}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))

    def archive(self, set_id: str, file: IO[bytes]) -> None:
        """Write a zip of the images, the manifest and the request; stored, because PNGs do not shrink further."""
        lines, request = self._store.manifest(set_id), self._store.request(set_id)
        about = {} if request is None else {"id": request.id, "images": request.images, "resolved": request.resolved}
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            # without `asked`: defaults can be left out or spelt out; the archive is the same
            archive.writestr(zipfile.ZipInfo(f"{set_id}/request.json"), json.dumps(about))
            archive.writestr(zipfile.ZipInfo(f"{set_id}/manifest.jsonl"), self._store.manifest_file(set_id))
            for line, png in zip(lines, self._store.read_images(set_id, lines), strict=True):
                archive.writestr(zipfile.ZipInfo(f"{set_id}/{line['file']}"), png)

    def sheet(self, set_id: str, tile: int | None, file: IO[bytes]) -> None:
        """Write the contact sheet as a PNG: persons as rows, ages as columns.

        Args:
            tile: side of an image on the sheet in pixels; None takes the images' own, but at least 96.
        """
        sheet = draw_sheet(self._sheet_content(set_id), tile)
        claim = Claim("synthetic", self._model.weights_sha256, {"image_set": set_id, "sheet": True})
        file.write(encode(sheet, claim))

    def printed_sheet(self, set_id: str, paper: Paper, columns: int | None, file: IO[bytes]) -> None:
        """Write the sheet as a PDF; arguments as `api.image_sets.sheets.print_sheet`."""
        print_sheet(
            file,
            self._sheet_content(set_id),
            weights_sha256=self._model.weights_sha256,
            software=this_software(),
            paper=paper,
            columns=columns,
        )

    def _sheet_content(self, set_id: str) -> SheetContent:
        return SheetContent(
            set_id,
            self._store.manifest(set_id),
            self._model.conditions,
            partial(self._read_pixels, set_id),
            self._title(set_id),
            sheet_notice(self._model.origin),
        )

    def _read_pixels(self, set_id: str, lines: Sequence[Line]) -> Iterator[Pixels]:
        return map(read_image, self._store.read_images(set_id, lines))

    def _title(self, set_id: str) -> str:
        request = self._store.request(set_id)
        kind = str(request.resolved["kind"]) if request else "image set"
        return kind.replace("_", " ").capitalize()

    def _sample(self, line: Line, png: bytes) -> Mapping[str, bytes]:
        return {
            "png": png,
            "json": json.dumps(dict(line), separators=(",", ":"), ensure_ascii=False).encode(),
            "cls": str(self._class_of[line["condition"]]).encode(),
        }
