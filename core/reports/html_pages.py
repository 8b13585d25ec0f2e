"""Parts of reports as HTML pages that need no other file, and their tables as CSV."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from core.csv_reports import protect_cell
from core.json_text import replace_nonfinite


def render_html(title: str, notice: str, body: str) -> str:
    """Render a page.

    Args:
        title, notice: plain text; the notice stands at the top.
        body: HTML.
    """
    return _PAGE.format(title=html.escape(title), notice=html.escape(notice), body=body)


def format_csv(rows: Iterable[Sequence[Any]]) -> str:
    """Format rows as CSV text; numbers have six digits, and None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        cells = ("" if cell is None else protect_cell(cell) for cell in row)
        writer.writerow([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in cells])
    return text.getvalue()


def format_table(rows: Sequence[Sequence[Any]]) -> str:
    """Format rows, of which the first is the header, as a table."""
    head, *body = rows
    names = [html.escape(str(cell).replace("_", " ")) for cell in head]
    top = "".join(f'<th scope="col">{name}</th>' if name else "<td></td>" for name in names)
    lines = ["<tr>" + "".join(_format_cell(cell) for cell in row) + "</tr>" for row in body]
    return _put_in_box(f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table>")


def _put_in_box(table: str) -> str:
    """Put a table in a box that scrolls, with the keyboard too, where the page is narrower."""
    return f'<div class="wide" tabindex="0">{table}</div>'


def _format_cell(value: Any) -> str:
    if isinstance(value, (int, float, np.integer)):
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        return f'<td class="number">{shown}</td>'
    return f"<td>{'' if value is None else html.escape(str(value))}</td>"


def format_facts(about: Mapping[str, Any]) -> str:
    """Format facts by name as a table of two columns."""
    rows = []
    for name, value in about.items():
        shown = value if isinstance(value, str) else json.dumps(replace_nonfinite(value))
        rows.append(f"<tr><td>{html.escape(name.replace('_', ' '))}</td><td>{html.escape(shown)}</td></tr>")
    return _put_in_box(f'<table class="facts"><tbody>{"".join(rows)}</tbody></table>')


def format_section(title: str, *parts: str) -> str:
    """Format a section with its heading; the parts are HTML."""
    return f"<section><h2>{html.escape(title)}</h2>{''.join(parts)}</section>"


def format_details(title: str, content: str) -> str:
    """Format HTML that is shown when its title is clicked."""
    return f"<details><summary>{html.escape(title)}</summary>{content}</details>"


def embed_image(png: bytes, what: str) -> str:
    """Format a PNG as an image within the page, with a text for those who do not see it."""
    return f'<img alt="{html.escape(what)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1a202c; max-width: 1240px; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; margin-bottom: .3rem; }}
h2 {{ font-size: 1.15rem; margin: 2rem 0 .6rem; border-bottom: 1px solid #e2e8f0; padding-bottom: .2rem; }}
.notice {{ background: #fffaf0; border-left: 4px solid #dd6b20; padding: .6rem .9rem; }}
h3 {{ font-size: 1rem; margin: 1.6rem 0 .2rem; }}
.pictures {{ display: flex; flex-wrap: wrap; gap: .6rem; }}
figure {{ margin: .4rem 0; }}
figure img {{ width: 170px; margin: 0; }}
figcaption {{ font-size: 12.5px; }}
img {{ max-width: 100%; height: auto; display: block; margin: .6rem 0; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 13.5px; margin: .6rem 0; }}
th, td {{ border-bottom: 1px solid #e2e8f0; padding: .3rem .7rem; text-align: left; }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
.facts td {{ vertical-align: top; overflow-wrap: anywhere; }}
.facts td:first-child {{ white-space: nowrap; }}
summary {{ cursor: pointer; color: #2b6cb0; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p class="notice">{notice}</p>
{body}
</body>
</html>
"""
