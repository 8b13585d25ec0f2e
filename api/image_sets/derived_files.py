"""Files derived from a complete image set: WebDataset shards, the archive and the contact sheet.

The same set always gives the same bytes.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Final

from api.image_sets.storage import ImageSetStore, Line
from api.models.model import ModelInfo
from api.provenance.claims import Claim, sheet_notice
from api.provenance.marks import encode
from faces.contact_sheets import contact_sheet
from faces.images import Pixels, read_image

SHARD_IMAGES: Final = 1000
"""Images in a shard; the last may have fewer."""

_SHEET_ROWS: Final = 12


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
        request = self._store.request(set_id)
        kind = str(request.resolved["kind"]) if request else "image set"

        def read(lines: Sequence[Line]) -> Iterator[Pixels]:
            return map(read_image, self._store.read_images(set_id, lines))

        sheet = draw_sheet(
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


def draw_sheet(
    lines: Sequence[Line],
    conditions: Sequence[str],
    read: Callable[[Sequence[Line]], Iterable[Pixels]],
    *,
    title: str,
    notice: str,
    set_id: str,
    tile: int | None = None,
) -> Pixels:
    """Draw the contact sheet of a set.

    Columns are ages. Rows are persons, or examples in kinds without persons: at most 12, shared out evenly
    among the conditions or blends. Each row names its images by their index in the manifest.

    Args:
        lines: of the manifest.
        conditions: of the model, in the order of the soft labels.
        read: reads the images of lines, in their order.
        title: heading.
        notice: statement at the foot that the images are synthetic.
        tile: side of an image on the sheet in pixels; None takes the image's own, but at least 96.
    """
    ages = list(dict.fromkeys(str(line["age_group"]) for line in lines))
    grid: dict[tuple[str, int], dict[str, Line]] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for line in lines:
        mix, age = _name_mix(line, conditions), str(line["age_group"])
        grid.setdefault((mix, seen[mix, age]), {})[age] = line
        seen[mix, age] += 1
    shown = sorted(sorted(grid, key=lambda row: row[1])[:_SHEET_ROWS], key=list(grid).index)
    chosen = [grid[row][age] for row in shown for age in ages if age in grid[row]]
    pictures = iter(read(chosen))
    images = [[next(pictures) if age in grid[row] else None for age in ages] for row in shown]
    return contact_sheet(
        images,
        row_titles=[f"{mix}\n{_number_images(grid[mix, place].values())}" for mix, place in shown],
        column_titles=[age.replace("_", " ") for age in ages],
        title=title,
        tile=tile,
        footer=f"{notice}\n{len(chosen)} of {len(lines)} images of image set {set_id}; images are numbered as in its "
        "manifest",
    )


def _name_mix(line: Line, conditions: Sequence[str]) -> str:
    """Name the condition, or the conditions of a blend with their weights."""
    weights = [(name, weight) for name, weight in zip(conditions, line["soft_label"], strict=True) if weight]
    if len(weights) == 1:
        return weights[0][0]
    weights.sort(key=lambda entry: entry[0] != line["condition"])
    return "\n".join(f"{weight:.0%} {name}" for name, weight in weights)


def _number_images(lines: Iterable[Line]) -> str:
    """Name the images of a row by their index: `image 7`, `images 0-4`, or `images 0, 20, 40` in lines of three."""
    numbers = sorted(int(line["index"]) for line in lines)
    if len(numbers) == 1:
        return f"image {numbers[0]}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"images {numbers[0]}-{numbers[-1]}"
    return "images " + ",\n".join(", ".join(map(str, numbers[at : at + 3])) for at in range(0, len(numbers), 3))
