from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from api.image_sets import sheets
from api.image_sets.sheets import SheetContent, draw_sheet, print_sheet
from api.image_sets.storage import Line
from api.provenance.claims import sheet_notice
from faces.images import Pixels
from faces.printed_sheets import CaptionedImage, PageLayout

CONDITIONS = ("WS", "other", "unaffected")


def line(condition: str, age: str, **weights: float) -> Line:
    soft_label = [weights.get(name, float(not weights and name == condition)) for name in CONDITIONS]
    return {"condition": condition, "age_group": age, "soft_label": soft_label}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def draw(rows: object, **titles: object) -> object:
        seen.update(titles, rows=rows)
        return np.zeros((1, 1, 3), np.uint8)

    monkeypatch.setattr(sheets, "contact_sheet", draw)
    return seen


def read(chosen: Sequence[Line]) -> Iterator[Pixels]:
    yield from (np.zeros((8, 8, 3), np.uint8) for _ in chosen)


def number_lines(lines: Sequence[Line]) -> list[Line]:
    return [{**line, "index": index} for index, line in enumerate(lines)]


def make_content(lines: Sequence[Line]) -> SheetContent:
    return SheetContent("00ff", number_lines(lines), CONDITIONS, read, title="t", notice="n")


def draw(lines: list[Line]) -> None:
    draw_sheet(make_content(lines))


def test_ages_are_columns_and_conditions_share_the_rows(drawn: dict[str, Any]) -> None:
    ages = ("infant", "young_adult")
    draw([line(condition, age) for condition in CONDITIONS[:2] for _ in range(30) for age in ages])
    assert drawn["column_titles"] == ["infant", "young adult"]
    assert [title.partition("\n")[0] for title in drawn["row_titles"]] == ["WS"] * 6 + ["other"] * 6
    assert all(image is not None for row in drawn["rows"] for image in row)
    assert drawn["footer"].startswith("n\n24 of 120 images of image set 00ff")


def test_rows_name_their_images_by_their_index_in_the_manifest(drawn: dict[str, Any]) -> None:
    draw([line("WS", age) for _ in range(2) for age in ("infant", "child")])
    assert drawn["row_titles"] == ["WS\nimages 0-1", "WS\nimages 2-3"]
    draw([line("WS", age) for age in ("infant", "child", "adolescent", "young_adult") for _ in range(2)])
    assert drawn["row_titles"] == ["WS\nimages 0, 2, 4,\n6", "WS\nimages 1, 3, 5,\n7"]


def test_blends_are_named_with_their_weights(drawn: dict[str, Any]) -> None:
    draw([line("other", "child", WS=0.45, other=0.55), line("WS", "child", WS=0.75, unaffected=0.25)])
    assert drawn["row_titles"] == ["55% other\n45% WS\nimage 0", "75% WS\n25% unaffected\nimage 1"]


def test_ages_that_a_row_lacks_stay_empty(drawn: dict[str, Any]) -> None:
    draw([line("WS", "child"), line("WS", "infant"), line("other", "infant")])
    assert [[image is not None for image in row] for row in drawn["rows"]] == [[True, True], [False, True]]


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (None, [["0", "1"], ["2", "3"], ["-", "4"]]),  # a person in each row
        (5, [["0", "1", "2", "3"], ["-", "4"]]),  # two persons side by side
        (1, [["0"], ["1"], ["2"], ["3"], ["-"], ["4"]]),
    ],
)
def test_printed_rows_hold_whole_persons(
    monkeypatch: pytest.MonkeyPatch, columns: int | None, shown: list[list[str]]
) -> None:
    rows: list[list[str]] = []

    def write(file: object, places: Iterable[Sequence[CaptionedImage | None]], *_: object, **__: object) -> None:
        rows.extend([place.caption[1].rpartition(" ")[2] if place else "-" for place in row] for row in places)

    monkeypatch.setattr(sheets, "write_printed_sheet", write)
    lines = [line("WS", age) for _ in range(2) for age in ("infant", "child")] + [line("other", "child")]
    print_lines(lines, columns)
    assert rows == shown


def test_a_large_set_is_printed_on_at_most_twenty_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[Sequence[CaptionedImage | None]] = []
    monkeypatch.setattr(sheets, "write_printed_sheet", lambda file, places, *_, **__: rows.extend(places))
    print_lines([line(condition, "child") for condition in ("WS", "other") for _ in range(400)], columns=1)
    captions = [place.caption[0] for row in rows for place in row if place]
    assert captions == ["WS"] * (len(rows) // 2) + ["other"] * (len(rows) // 2)
    assert len(rows) == 20 * PageLayout("slide", 1).rows


def print_lines(lines: Sequence[Line], columns: int | None) -> None:
    print_sheet(
        io.BytesIO(),
        make_content(lines),
        weights_sha256="ff",
        software="s",
        paper="slide",
        columns=columns,
    )


def test_the_notice_says_phantoms_only_of_phantoms() -> None:
    assert (
        sheet_notice("trained on 30 images of faces.phantom")
        == "Synthetic phantoms, not patients, no basis for a diagnosis."
    )
    assert "phantom" not in sheet_notice("fine-tuned from faces.phantom on FFHQ").lower()
    assert "not patients" in sheet_notice("FFHQ")
