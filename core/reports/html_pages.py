"""Parts of reports as HTML pages that need no other file, rendered from templates, and their tables as CSV.

Text is escaped wherever it is not HTML yet (`markupsafe.Markup`), so that a name of the data is never read as a tag.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from core.csv_reports import protect_cell
from core.json_text import replace_nonfinite

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def render_html(title: str, notice: str, body: Iterable[Markup]) -> str:
    """Render a page.

    Args:
        title, notice: plain text; the notice stands at the top.
        body: its sections.
    """
    from markupsafe import Markup

    page = _make_environment().get_template("layout.html")
    return page.render(title=title, notice=notice, body=Markup("\n").join(body))


def render_template(package: str, name: str, **values: Any) -> str:
    """Render a page that extends `layout.html`.

    Args:
        package: that has the template in its folder `templates`.
        name: of the template.
        values: of its variables.
    """
    return _make_environment(package).get_template(name).render(**values)


def format_csv(rows: Iterable[Sequence[Any]]) -> str:
    """Format rows as CSV text; numbers have six digits, and None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        cells = ("" if cell is None else protect_cell(cell) for cell in row)
        writer.writerow([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in cells])
    return text.getvalue()


def format_table(rows: Sequence[Sequence[Any]]) -> Markup:
    """Format rows, of which the first is the header, as a table."""
    head, *body = rows
    return _call_macro("table", head, body)


def format_facts(about: Mapping[str, Any]) -> Markup:
    """Format facts by name as a table of two columns."""
    return _call_macro("facts", about)


def format_section(title: str, *parts: str) -> Markup:
    """Format a section with its heading.

    Args:
        parts: HTML of the functions here, or text, which becomes a paragraph; an empty text is left out.
    """
    return _call_macro("section", title, parts)


def format_subsection(title: str, *parts: str) -> Markup:
    """Format a part of a section with its heading; parts as of `format_section`."""
    return _call_macro("subsection", title, parts)


def format_gallery(images: Sequence[Markup]) -> Markup:
    """Format images side by side."""
    return _call_macro("gallery", images)


def format_details(title: str, content: Markup) -> Markup:
    """Format HTML that is shown when its title is clicked."""
    return _call_macro("details", title, content)


def embed_image(png: bytes, what: str) -> Markup:
    """Format a PNG as an image within the page, with a text for those who do not see it."""
    return _call_macro("image", base64.b64encode(png).decode(), what)


def _call_macro(name: str, *arguments: Any) -> Markup:
    macros: Any = _make_environment().get_template("parts.html").module
    made: Markup = getattr(macros, name)(*arguments)
    return made


@cache
def _make_environment(package: str = "core.reports") -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("core.reports")]),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": _show_cell, "fact": _show_fact}
    return environment


def _show_cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _show_fact(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(replace_nonfinite(value))
