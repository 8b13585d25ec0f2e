from __future__ import annotations

import math

import pytest

from core.reports import html_pages

TAG = "<b>&\"'"
ESCAPED = "&lt;b&gt;&amp;&#34;&#39;"


def test_text_is_escaped_and_html_is_kept() -> None:
    table = html_pages.format_table([["", TAG], [TAG, 1.23456]])
    section = html_pages.format_section(TAG, TAG, "", table)
    page = html_pages.render_html(TAG, TAG, [section, html_pages.format_details(TAG, table)])
    assert TAG not in page
    assert section == f"<section><h2>{ESCAPED}</h2><p>{ESCAPED}</p>{table}</section>"
    assert f'<p class="notice">{ESCAPED}</p>\n{section}\n<details><summary>{ESCAPED}</summary>{table}</details>' in page


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (None, "<td></td>"),
        (TAG, f"<td>{ESCAPED}</td>"),
        (12345, '<td class="number">12345</td>'),
        (0.123456, '<td class="number">0.1235</td>'),
    ],
)
def test_cells_are_shown_by_their_kind(cell: object, shown: str) -> None:
    assert f"<tbody><tr>{shown}</tr></tbody>" in html_pages.format_table([["a"], [cell]])


def test_names_of_columns_and_facts_are_words() -> None:
    head = html_pages.format_table([["", "age_group"]])
    assert '<tr><td></td><th scope="col">age group</th></tr>' in head
    facts = html_pages.format_facts({"cut_off": math.nan, "text": TAG})
    assert f"<tr><td>cut off</td><td>null</td></tr><tr><td>text</td><td>{ESCAPED}</td></tr>" in facts


def test_images_have_a_text() -> None:
    image = html_pages.embed_image(b"png", TAG)
    assert image == f'<img alt="{ESCAPED}" src="data:image/png;base64,cG5n">'
    assert html_pages.format_gallery([image, image]) == f'<div class="pictures">{image}{image}</div>'
