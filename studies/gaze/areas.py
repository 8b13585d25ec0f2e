"""Areas of interest: rectangles on the pictures of a study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.errors import DatasetError
from studies.answers.csv_rows import CsvRow, read_rows

MOUTH = "mouth"
"""Name of the area where a file has no column for it: packs of `gestaltgen stimuli` measure the mouth alone."""


@dataclass(frozen=True)
class InterestArea:
    """Rectangle on an image, in pixels of the picture; its edges belong to it.

    Attributes:
        image: code of the image.
        area: name, for example mouth.
    """

    image: str
    area: str
    left: float
    top: float
    right: float
    bottom: float


def read_areas(path: Path) -> list[InterestArea]:
    """Read areas.csv of a survey pack.

    Its columns are left, top, right and bottom, the image as `image` or as `version` and `file`, and, unless all are
    the mouth, `area`.

    Raises:
        DatasetError: other columns, a cell that is no number, an empty rectangle, or an area twice on one image.
    """
    table = read_rows(path)
    if not {"left", "top", "right", "bottom"} <= {*table.header} or not {"image", "file"} & {*table.header}:
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
    sides = []
    for name in ("left", "top", "right", "bottom"):
        number = row.get_number(name)
        if number is None:
            raise row.error(name, "a number of pixels")
        sides.append(number)
    left, top, right, bottom = sides
    if left >= right:
        raise row.error("right", f"more than left, {left:g}")
    if top >= bottom:
        raise row.error("bottom", f"more than top, {top:g}")
    return InterestArea(_read_image(row), row.get("area") or MOUTH, left, top, right, bottom)


def _read_image(row: CsvRow) -> str:
    if image := row.get("image"):
        return image
    version, stem = row.get("version"), Path(row.require("file")).stem
    return f"{version}_{stem}" if version else stem
