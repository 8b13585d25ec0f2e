"""Sheets of image sets, for people who look at them: one picture, or pages to print.

Columns are ages. Rows are persons, or examples in kinds without persons; where not all fit, they are shared out evenly
among the conditions or blends. Images are named by their index in the manifest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Final, TypeAlias

from api.image_sets.storage import Line
from faces.contact_sheets import contact_sheet
from faces.images import Pixels
from faces.printed_sheets import CaptionedImage, PageLayout, Paper, write_printed_sheet

ReadImages: TypeAlias = Callable[[Sequence[Line]], Iterable[Pixels]]
"""Function that reads the images of manifest lines, in their order."""

_SHEET_ROWS: Final = 12
_MOST_PAGES: Final = 20
_COLUMNS_OF_EXAMPLES: Final[Mapping[Paper, int]] = {"a4": 4, "slide": 6}
"""Images side by side in a set of a single age group."""


@dataclass(frozen=True)
class Person:
    """Images of a person, or one example of each age.

    Args:
        mix: the condition, or the conditions of a blend with their weights.
        number: place among those with the same mix, from 0.
        lines: line of the manifest by age group.
    """

    mix: tuple[str, ...]
    number: int
    lines: Mapping[str, Line]


@dataclass(frozen=True)
class SheetContent:
    """Image set that a sheet shows, and what the sheet says of it.

    Attributes:
        set_id: id of the set.
        lines: of its manifest.
        conditions: of the model, in the order of the soft labels.
        read: reads the images of lines.
        title: heading.
        notice: statement at the foot that the images are synthetic.
    """

    set_id: str
    lines: Sequence[Line]
    conditions: Sequence[str]
    read: ReadImages
    title: str
    notice: str

    def choose_persons(self, most: int) -> list[Person]:
        """Choose at most so many persons, shared out evenly among the conditions or blends, in the order of the set."""
        persons = group_persons(self.lines, self.conditions)
        chosen = sorted(range(len(persons)), key=lambda place: persons[place].number)[:most]
        return [persons[place] for place in sorted(chosen)]

    def count_shown(self, chosen: Sequence[Line]) -> str:
        """Say how many of the images a sheet of the chosen lines shows."""
        return f"{len(chosen)} of {len(self.lines)} images of image set {self.set_id}"


def draw_sheet(content: SheetContent, tile: int | None = None) -> Pixels:
    """Draw the contact sheet of a set, with at most 12 rows.

    Args:
        content: what it shows.
        tile: side of an image on the sheet in pixels; None takes the image's own, but at least 96.
    """
    ages, persons = list_ages(content.lines), content.choose_persons(_SHEET_ROWS)
    chosen = [person.lines[age] for person in persons for age in ages if age in person.lines]
    pictures = iter(content.read(chosen))
    images = [[next(pictures) if age in person.lines else None for age in ages] for person in persons]
    return contact_sheet(
        images,
        row_titles=["\n".join([*person.mix, _number_images(person.lines.values())]) for person in persons],
        column_titles=[spell_age(age) for age in ages],
        title=content.title,
        tile=tile,
        footer=f"{content.notice}\n{content.count_shown(chosen)}; images are numbered as in its manifest",
    )


def print_sheet(
    file: IO[bytes],
    content: SheetContent,
    *,
    weights_sha256: str,
    software: str,
    paper: Paper = "a4",
    columns: int | None = None,
) -> None:
    """Write a set as a PDF of at most 20 pages. Each page says what the images are.

    Args:
        content: what it shows.
        columns: images side by side; None takes one for each age group of the set, and a few examples if there is one.
    """
    ages = list_ages(content.lines)
    columns = columns or (len(ages) if len(ages) > 1 else _COLUMNS_OF_EXAMPLES[paper])
    layout = PageLayout(paper, columns)
    side_by_side, rows_of_one = max(1, columns // len(ages)), -(-len(ages) // columns)
    most = max(1, _MOST_PAGES * layout.rows // rows_of_one) * side_by_side
    persons = content.choose_persons(most)
    rows = list(_arrange(persons, ages, columns, side_by_side))
    chosen = [place[1] for row in rows for place in row if place]
    pictures = iter(content.read(chosen))
    write_printed_sheet(
        file,
        ([place and CaptionedImage(next(pictures), _caption(*place)) for place in row] for row in rows),
        layout,
        title=content.title,
        footer=(
            content.notice,
            f"{content.count_shown(chosen)}, numbered as in its manifest",
            f"made by {software} with weights {weights_sha256}",
        ),
        subject=content.notice,
        keywords=f"image set {content.set_id}, weights {weights_sha256}",
        software=software,
    )


def list_ages(lines: Sequence[Line]) -> list[str]:
    """List the age groups of a set in their order."""
    return list(dict.fromkeys(str(line["age_group"]) for line in lines))


def group_persons(lines: Sequence[Line], conditions: Sequence[str] | None) -> list[Person]:
    """Group the images of a set by person, or by example of each age, in the order of the set.

    Args:
        lines: of the manifest.
        conditions: of the model, in the order of the soft labels; None if they are unknown.
    """
    grid: dict[tuple[tuple[str, ...], int], dict[str, Line]] = {}
    seen: Counter[tuple[tuple[str, ...], str]] = Counter()
    for line in lines:
        mix, age = name_mix(line, conditions), str(line["age_group"])
        grid.setdefault((mix, seen[mix, age]), {})[age] = line
        seen[mix, age] += 1
    return [Person(mix, number, images) for (mix, number), images in grid.items()]


def _arrange(
    persons: Sequence[Person], ages: Sequence[str], columns: int, side_by_side: int
) -> Iterator[list[tuple[Person, Line] | None]]:
    """Yield rows of places: several persons where there is room, a person in several rows where there is none."""
    for at in range(0, len(persons), side_by_side):
        places = [
            (person, person.lines[age]) if age in person.lines else None
            for person in persons[at : at + side_by_side]
            for age in ages
        ]
        yield from (places[start : start + columns] for start in range(0, len(places), columns))


def _caption(person: Person, line: Line) -> tuple[str, str]:
    return ", ".join(person.mix), f"{spell_age(line['age_group'])}, image {line['index']}"


def spell_age(age: str) -> str:
    """Return the name of an age group as people write it."""
    return age.replace("_", " ")


def name_mix(line: Line, conditions: Sequence[str] | None) -> tuple[str, ...]:
    """Name the condition, or the conditions of a blend with their weights.

    Args:
        conditions: of the model, in the order of the soft labels; None if they are unknown.
    """
    if conditions is None:
        return (str(line["condition"]),)
    weights = [(name, weight) for name, weight in zip(conditions, line["soft_label"], strict=True) if weight]
    if len(weights) == 1:
        return (weights[0][0],)
    weights.sort(key=lambda entry: entry[0] != line["condition"])
    return tuple(f"{weight:.0%} {name}" for name, weight in weights)


def _number_images(lines: Iterable[Line]) -> str:
    """Name the images of a row by their index: `image 7`, `images 0-4`, or `images 0, 20, 40` in lines of three."""
    numbers = sorted(int(line["index"]) for line in lines)
    if len(numbers) == 1:
        return f"image {numbers[0]}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"images {numbers[0]}-{numbers[-1]}"
    return "images " + ",\n".join(", ".join(map(str, numbers[at : at + 3])) for at in range(0, len(numbers), 3))
