"""The contact sheet of an image set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from api.image_sets.storage import Line
from faces.contact_sheets import contact_sheet
from faces.images import Pixels

_SHEET_ROWS: Final = 12


def sheet_of(
    lines: Sequence[Line],
    conditions: Sequence[str],
    read: Callable[[Sequence[Line]], Iterable[Pixels]],
    *,
    title: str,
    notice: str,
    set_id: str,
    tile: int | None = None,
) -> Pixels:
    """One picture of a set.

    Columns are ages. Rows are persons, or examples in kinds without persons: at most 12, shared out evenly
    among the conditions or blends.

    Args:
        lines: of the manifest.
        conditions: of the model, in the order of the soft labels.
        read: the images of lines, in their order.
        title: heading.
        notice: what these images are, and are not; at the foot.
        tile: side of an image on it; None is its own, and 96 at least.
    """
    ages = list(dict.fromkeys(str(line["age_group"]) for line in lines))
    grid: dict[tuple[str, int], dict[str, Line]] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for line in lines:
        mix, age = _mix(line, conditions), str(line["age_group"])
        grid.setdefault((mix, seen[mix, age]), {})[age] = line
        seen[mix, age] += 1
    shown = sorted(sorted(grid, key=lambda row: row[1])[:_SHEET_ROWS], key=list(grid).index)
    chosen = [grid[row][age] for row in shown for age in ages if age in grid[row]]
    pictures = iter(read(chosen))
    images = [[next(pictures) if age in grid[row] else None for age in ages] for row in shown]
    return contact_sheet(
        images,
        row_titles=[mix for mix, _ in shown],
        column_titles=[age.replace("_", " ") for age in ages],
        title=title,
        tile=tile,
        footer=f"{notice}\n{len(chosen)} of {len(lines)} images of image set {set_id}",
    )


def _mix(line: Line, conditions: Sequence[str]) -> str:
    """The condition, or the conditions of a blend with their weights."""
    weights = [(name, weight) for name, weight in zip(conditions, line["soft_label"], strict=True) if weight]
    if len(weights) == 1:
        return weights[0][0]
    weights.sort(key=lambda entry: entry[0] != line["condition"])
    return "\n".join(f"{weight:.0%} {name}" for name, weight in weights)
