"""Areas of interest: rectangles on the pictures of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import DatasetError
from studies.answers.csv_rows import SIDES, CsvRow, read_rows

MOUTH = "mouth"
"""Name of the area where a file has no column for it: older survey packs had the mouth alone."""


@dataclass(frozen=True)
class InterestArea:
    """Rectangle on an image; all four sides, in pixels of the picture, belong to it.

    Attributes:
        image: code of the image.
        area: name, for example mouth.
        width, height: of the picture; None if they are not known.
    """

    image: str
    area: str
    left: float
    top: float
    right: float
    bottom: float
    width: float | None = None
    height: float | None = None


def find_side(areas: Sequence[InterestArea]) -> float | None:
    """Find the width and height of the pictures; None if the areas do not tell it.

    Raises:
        DatasetError: the pictures are not square, or of different sizes.
    """
    sizes = {(area.width, area.height) for area in areas}
    if len(sizes) != 1:
        raise DatasetError(f"the areas are on pictures of {len(sizes)} sizes; expected pictures of one size")
    [(width, height)] = sizes
    if width != height:
        raise DatasetError(f"the pictures are {width} x {height} pixels; expected square ones")
    return width


def read_areas(path: Path) -> list[InterestArea]:
    """Read areas.csv of a study or of a survey pack.

    Its columns are left, top, right and bottom, the image as `image` or as `version` and `file`, `area` unless all are
    the mouth, and optionally width and height of the picture.

    Args:
        path: the file, or the folder that holds it.

    Raises:
        DatasetError: other columns, a cell that is no number, an empty rectangle or one outside the picture, or an area
            twice on one image.
    """
    path = path / "areas.csv" if path.is_dir() else path
    table = read_rows(path)
    if not {*SIDES} <= {*table.header} or not {"image", "file"} & {*table.header}:
        raise DatasetError(
            f"{path} has the columns {', '.join(table.header)}; expected image (or version and file), area, left, top, "
            "right, bottom"
        )
    areas = [_read_area(row) for row in table.rows]
    seen: set[tuple[str, str]] = set()
    for area, row in zip(areas, table.rows, strict=True):
        if (area.image, area.area) in seen:
            raise row.error("area" if "area" in row.cells else "file", "each area once on an image")
        seen.add((area.image, area.area))
    if not areas:
        raise DatasetError(f"{path} has no areas; expected one on each line")
    return areas


def _read_area(row: CsvRow) -> InterestArea:
    sizes = row.get_number("width"), row.get_number("height")
    return InterestArea(_read_image(row), row.get("area") or MOUTH, *row.require_sides(), *sizes)


def _read_image(row: CsvRow) -> str:
    if image := row.get("image"):
        return image
    version, stem = row.get("version"), Path(row.require("file")).stem
    return f"{version}_{stem}" if version else stem
