"""Markdown of model cards as HTML for pages, without raw HTML, pictures and inline styles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from api.studio.words import translate as _

_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
_RIGHT: Final = "text-align:right"


def render_markdown(text: str) -> Markup:
    """Render Markdown. Headings are one level lower, and links to files beside the text are plain text."""
    tokens = _MARKDOWN.parse(text)
    for place, token in enumerate(tokens):
        match token.type:
            case "heading_open" | "heading_close":
                token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
            case "th_open" if not tokens[place + 1].content:
                token.tag = tokens[place + 2].tag = "td"
            case "th_open":
                token.attrs["scope"] = "col"
            case "inline":
                token.children = _unlink_files(token.children or [])
        if token.attrs.pop("style", "") == _RIGHT:  # which the Content-Security-Policy would refuse
            token.attrs["class"] = "number"
    html: str = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    box = f'<div class="table" role="group" tabindex="0" aria-label="{_("Table")}"><table>'
    return Markup(html.replace("<table>", box).replace("</table>", "</table></div>"))  # noqa: S704  escaped above


def _unlink_files(tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens of a line without its links, but for those to web addresses."""
    kept, inside = [], True
    for token in tokens:
        if token.type == "link_open":
            inside = str(token.attrs["href"]).startswith(("https://", "http://"))
        if inside or not token.type.startswith("link_"):
            kept.append(token)
    return kept
