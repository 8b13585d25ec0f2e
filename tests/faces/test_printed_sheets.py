from __future__ import annotations

import base64
import io
import re
import zlib
from collections.abc import Sequence

import numpy as np
import pytest

from faces.printed_sheets import CaptionedImage, PageLayout, Paper, write_printed_sheet

NOTICE = "Synthetic faces, no basis for a diagnosis."


def write(rows: int, layout: PageLayout, side: int = 8, caption: Sequence[str] = ("WS", "child, image 3")) -> bytes:
    image = CaptionedImage(np.full((side, side, 3), 90, np.uint8), caption)
    file = io.BytesIO()
    write_printed_sheet(
        file,
        [[image, None][: layout.columns]] * rows,
        layout,
        title="Blended",
        footer=(NOTICE, "1 of 1 images", "weights ff"),
        subject=NOTICE,
    )
    return file.getvalue()


def read_pages(pdf: bytes) -> list[str]:
    """Return the drawing of each page; text in it stands in brackets."""
    streams = re.findall(rb"/ASCII85Decode /FlateDecode \].{0,40}?stream\s(.*?)~>endstream", pdf, re.DOTALL)
    drawn = [zlib.decompress(base64.a85decode(stream)).decode("latin-1") for stream in streams]
    return [text for text in drawn if " Tj" in text]


@pytest.mark.parametrize("paper", ["a4", "slide"])
def test_each_page_says_what_the_images_are_in_text(paper: Paper) -> None:
    layout = PageLayout(paper, 3)
    pages = read_pages(write(2 * layout.rows + 1, layout))
    assert len(pages) == 3
    assert [page.count("(child, image 3)") for page in pages] == [layout.rows, layout.rows, 1]
    assert all(f"({NOTICE})" in page and "(weights ff)" in page for page in pages)


@pytest.mark.parametrize("paper", ["a4", "slide"])
@pytest.mark.parametrize("columns", [1, 2, 5, 12])
def test_rows_and_foot_share_the_page(paper: Paper, columns: int) -> None:
    layout = PageLayout(paper, columns)
    width, _ = layout.size
    assert layout.columns * layout.tile < width
    lowest = layout.top - layout.rows * layout.row_height
    assert lowest > 0 or layout.rows == 1
    assert layout.top - layout.tile - 2 * layout.caption_size > 0


def test_the_same_images_give_the_same_bytes() -> None:
    layout = PageLayout("a4", 2)
    assert write(3, layout) == write(3, layout)


def test_images_are_reduced_to_what_a_printer_shows() -> None:
    fine = write(1, PageLayout("a4", 12), side=600)  # 12 columns leave 13 mm for each image
    [width] = set(map(int, re.findall(rb"/Width (\d+)", fine)))
    assert width == pytest.approx(PageLayout("a4", 12).tile / 72 * 300, abs=1)


def test_text_that_is_too_wide_is_drawn_smaller() -> None:
    layout = PageLayout("a4", 5)
    [page] = read_pages(
        write(1, layout, caption=["a condition with a name that is much longer than its image" * 2, "x"])
    )
    sizes = sorted(float(size) for size in re.findall(r"/F\d\+0 ([\d.]+) Tf", page))
    assert sizes[0] < layout.caption_size / 2
