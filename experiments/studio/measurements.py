"""Time that people wait for the studio: for their first picture, and for a page."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Final

import httpx
from playwright.sync_api import Browser, Page

from experiments.studio.screenshots import list_pages
from experiments.studio.service import StudioService

REQUESTS: Final = 40
"""Requests for each page."""


def measure_studio(browser: Browser, service: StudioService) -> Iterator[str]:
    """Measure, and yield the lines of a report in Markdown."""
    with browser.new_context(base_url=service.url, viewport={"width": 1600, "height": 900}) as context:
        clicks, seconds = make_first_picture(context.new_page(), service.key)
    yield f"A newcomer with a key sees the first image set after {clicks} clicks and {seconds:.1f} s of waiting."
    yield "\n| page | first byte, median, ms | p95, ms |\n|---|---|---|"
    with httpx.Client(base_url=service.url) as http:
        http.post("/studio/sign-in", data={"key": service.key})
        for path in list_pages():
            answer = http.get(path)  # the first one compiles the template of the page
            if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
                yield f"| `{path}` | {' | '.join(format_times(measure_first_bytes(http, path)))} |"


def make_first_picture(page: Page, key: str) -> tuple[int, float]:
    """Go from the first page to the pictures of an image set as a newcomer does, who changes nothing in the forms.

    Returns:
        Number of clicks, that on the button to sign in included, and seconds from the first page to the pictures,
        without the time that a person needs.
    """
    began = time.monotonic()
    page.goto("/studio")
    page.get_by_label("API key").fill(key)
    steps = [
        page.get_by_role("button", name="Sign in"),
        page.get_by_role("main").get_by_role("link", name="Image sets"),
        page.get_by_role("main").locator("a[href$='/image-sets/new']").first,
        page.get_by_role("main").locator("a[href$='/new/age_progression']").first,
        page.get_by_role("button", name="Make the images"),
    ]
    for step in steps:
        step.click()
    page.locator("main img").first.evaluate("image => image.decode()")
    return len(steps), time.monotonic() - began


def measure_first_bytes(http: httpx.Client, path: str) -> list[float]:
    """Return the seconds until the head of each answer for a page."""
    seconds = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        with http.stream("GET", path):
            seconds.append(time.perf_counter() - began)
    return seconds


def format_times(seconds: list[float]) -> tuple[str, str]:
    """Return the median and the 95th percentile in milliseconds."""
    return f"{1000 * statistics.median(seconds):.0f}", f"{1000 * statistics.quantiles(seconds, n=20)[-1]:.0f}"
