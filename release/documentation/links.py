"""Links and anchors of Markdown pages, as a git host and the documentation site both resolve them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

_MARKDOWN: Final = MarkdownIt("commonmark").enable("table")


def find_links(text: str) -> list[str]:
    """Return the targets of all links and pictures of a page that lead to files or anchors, not to other hosts."""
    targets = (str(token.attrs.get("href") or token.attrs.get("src") or "") for token in _walk(_MARKDOWN.parse(text)))
    return [unquote(target) for target in targets if target and not re.match(r"[a-z]+:", target)]


def find_anchors(text: str) -> set[str]:
    """Return the anchors of the headings of a page, as git hosts make them from the text of the heading."""
    anchors: set[str] = set()
    tokens = _MARKDOWN.parse(text)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            title = "".join(part.content for part in inline.children or ())
            anchor = base = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            number = 0
            while anchor in anchors:
                number += 1
                anchor = f"{base}-{number}"
            anchors.add(anchor)
    return anchors


def list_broken_links(pages: Iterable[Path]) -> list[str]:
    """Return a line for each link of the pages whose file or anchor does not exist."""
    anchors: dict[Path, set[str]] = {}
    broken = []
    for page in pages:
        for link in find_links(page.read_text(encoding="utf-8")):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page.resolve()
            if not target.exists():
                broken.append(f"{page}: {link} leads to no file")
            elif anchor and target.suffix == ".md":
                if target not in anchors:
                    anchors[target] = find_anchors(target.read_text(encoding="utf-8"))
                if anchor not in anchors[target]:
                    broken.append(
                        f"{page}: {link} leads to no heading; those of the page are {sorted(anchors[target])}"
                    )
    return broken


def _walk(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _walk(token.children or ())
