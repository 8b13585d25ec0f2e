"""Parts of generated Markdown pages: escaped text and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable


def escape(text: str) -> str:
    """Escape what Markdown would take for markup outside of code, so that `<path>` and `*` are shown as they are."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([<*\[\]])", r"\\\1", part) for part in parts)


def render_table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Render a table; the cells are Markdown, without escaped bars. Returns an empty text if there are no rows."""
    lines = [" | ".join(" ".join(re.sub(r"(?<!\\)\|", r"\\|", cell).split()) for cell in row) for row in rows]
    if not lines:
        return ""
    return "\n".join(f"| {line} |" for line in [" | ".join(heads), " | ".join("---" for _ in heads), *lines])
