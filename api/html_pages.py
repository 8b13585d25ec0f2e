"""HTML pages of the service: complete documents that load nothing, which their Content-Security-Policy enforces."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from typing import Any, Final

from fastapi import Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

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


def render_page(template: str, title: str, **values: Any) -> str:
    """Render a template of `api/templates` that extends `page.html`; all values are escaped."""
    return _make_environment().get_template(template).render(title=title, style=Markup(_STYLE), **values)  # noqa: S704


def answer_page(document: str) -> Response:
    """Return a rendered page with the policy that its browser enforces."""
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
    return Response(document, media_type="text/html; charset=utf-8", headers=headers)


@cache
def _make_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("api"), undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    markdown = MarkdownIt("commonmark", {"html": False})
    environment.filters["markdown"] = lambda text: Markup(markdown.render(text))  # noqa: S704  it escapes HTML
    environment.filters["json"] = lambda value, indent=None: json.dumps(value, indent=indent)
    return environment
