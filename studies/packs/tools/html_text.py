"""HTML for the text of questions."""

from __future__ import annotations

import html


def escape_html(text: str) -> str:
    """Return text as HTML that shows it."""
    return html.escape(text, quote=False)


def show_image(address: str) -> str:
    """Return the HTML element of an image. Its alternative text is empty, so that it tells nothing."""
    return f'<img src="{html.escape(address)}" alt="" style="width: 360px; max-width: 90vw">'
