"""HTML pages of the service: complete documents that load nothing, which their Content-Security-Policy enforces."""

from __future__ import annotations

import base64
import hashlib
import html
from typing import Final

from fastapi import Response

_STYLE: Final = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 0.9em ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.5rem; border: 1px solid gray; }
h2 { margin-top: 3rem; border-bottom: 1px solid gray; }
h3 { margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.2rem 0.6rem 0.2rem 0; border-top: 1px solid gray; }
td p { margin: 0; }
"""
_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of every page: no script, no frame, and nothing from any host; only the style above."""


def build_page(title: str, body: str) -> Response:
    """Return a page.

    Args:
        title: as text.
        body: as HTML, without scripts and styles.
    """
    document = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>{body}</body></html>"
    )
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
    return Response(document, media_type="text/html; charset=utf-8", headers=headers)
