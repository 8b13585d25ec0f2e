"""Pictures of all pages of the studio, at two widths."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

from fastapi.routing import iter_route_contexts
from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize

from api.studio.application import list_studio_routes
from api.studio.pages import SIGN_IN
from core.atomic_files import write_file
from experiments.studio.service import StudioService

LOOKS: Final[Mapping[str, tuple[int, Literal["light", "dark"]]]] = {
    "wide": (1600, "light"),
    "narrow": (360, "light"),
    "dark": (1600, "dark"),
}
"""Width of the window and colours, by the end of a picture's name."""

DARK: Final = (SIGN_IN, "/studio", "/studio/explore", "/studio/image-sets/{set_id}", "/studio/photographs/{photo_id}")
"""Pages of which a dark picture is taken too; they begin as `list_pages` does with the one to sign in."""

_TALLEST: Final = 4_000
"""Most pixels of the height of a picture; the rest of a longer page is left out."""

_COLOURS: Final = 64


def list_pages() -> list[str]:
    """List the paths of all pages of the studio, and of files that they refer to, with parameters in braces."""
    return [
        route.path
        for route in iter_route_contexts(list_studio_routes())
        if route.path and "GET" in (route.methods or ()) and "{path:path}" not in route.path
    ]


def take_screenshots(
    browser: Browser, service: StudioService, addresses: Mapping[str, str], out: Path
) -> Iterator[Path]:
    """Take pictures of all pages, and yield the path of each.

    Args:
        addresses: an address for each path that has parameters.
        out: folder of the pictures; those of earlier runs are removed.
    """
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.png"):
        old.unlink()
    for name, (width, scheme) in LOOKS.items():
        size: ViewportSize = {"width": width, "height": 900}
        with browser.new_context(base_url=service.url, viewport=size, color_scheme=scheme) as context:
            page = context.new_page()
            for path in list_pages() if scheme == "light" else DARK:
                address = addresses.get(path, path)
                answer = context.request.get(address)
                if answer.ok and "text/html" in answer.headers["content-type"]:
                    page.goto(address)
                    target = out / f"{_name(path)}-{name}.png"
                    write_file(target, _take_picture(page))
                    yield target
                if path == SIGN_IN:
                    context.request.post(path, form={"key": service.key})


def _name(path: str) -> str:
    """Return the name of a page's file: the words of its path."""
    words = re.sub(r"\{(\w+?)(_id)?(:path)?\}", r"\1", path.removeprefix("/studio")).strip("/")
    return words.replace("/", "-") or "home"


def _take_picture(page: Page) -> bytes:
    """Return a PNG of a page with few colours, which is a quarter as large."""
    page.wait_for_load_state("networkidle")
    size = page.viewport_size
    assert size is not None
    height = min(page.evaluate("document.documentElement.scrollHeight"), _TALLEST)
    page.set_viewport_size({"width": size["width"], "height": max(height, size["height"])})
    page.wait_for_function("[...document.images].every(one => one.complete)")  # loaded as they come into view
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.set_viewport_size(size)
    buffer = io.BytesIO()
    shot.quantize(_COLOURS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
