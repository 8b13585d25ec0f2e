"""One service and one browser for all tests of the folder; each test has its own windows, with their own cookies.

They are closed after the folder's last test, because Playwright keeps an event loop in the thread of the tests.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, WebError, sync_playwright

from api.models import syndrome_models
from recognition.syndromes.assessment.model_files import StoredModel
from tests.api.lab import Lab, open_lab
from tests.api.photographs.test_assessments import QuickModel
from tests.recognition.explanation.classifiers import build_classifier
from tests.recognition.syndromes.assessment.cards import CARD

WIDE: Final = 1600
NARROW: Final = 360

Visit = Callable[..., Page]
"""Function that opens a window for the owner of a client; see `visit`."""


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Lab]:
    """The service with the shipped phantoms, a classifier and the model of a syndrome, started only for a browser."""
    folder = tmp_path_factory.mktemp("models")
    build_classifier().save(folder / "classifiers" / "small.safetensors")
    StoredModel(CARD, {"a": np.zeros(3)}, {}).write(folder / "syndromes" / "kdvs", "# KdVS\n\nA card.\n")
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(syndrome_models, "_load", QuickModel)
        with open_lab(
            tmp_path_factory.mktemp("studio"), classifiers=folder / "classifiers", syndromes=folder / "syndromes"
        ) as lab:
            yield lab


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=program) as browser:
        yield browser


@dataclass
class PageErrors:
    """Errors that a browser reports: of scripts, of the Content-Security-Policy, and of parts that are missing.

    The status of a page itself is no error: tests ask for pages of problems.
    """

    messages: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._read_console)
        context.on("weberror", self._read_script)
        context.on("response", self._read_part)

    def _read_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.messages.append(message.text)

    def _read_script(self, error: WebError) -> None:
        self.messages.append(str(error.error))

    def _read_part(self, response: Response) -> None:
        if response.status >= 400 and response.request.resource_type != "document":
            self.messages.append(f"{response.url}: {response.status}")


@pytest.fixture
def page_errors() -> PageErrors:
    """Errors of all windows of a test, which must have none at its end; a test that expects some clears them."""
    return PageErrors()


@pytest.fixture
def visit(browser: Browser, lab: Lab, page_errors: PageErrors) -> Iterator[Visit]:
    """Open the window of somebody: of the owner of a client's key, who is signed in, or of a stranger (None).

    Args of the function:
        whose: `lab.http`, `lab.other`, `lab.sets_only` or None.
        path: page to open.
        width: of the window, in CSS pixels.
        options: of Playwright's `new_context`.
    """
    contexts: list[BrowserContext] = []

    def open_window(whose: httpx.Client | None, path: str = "/studio", width: int = WIDE, **options: object) -> Page:
        context = browser.new_context(
            base_url=str(lab.http.base_url), viewport={"width": width, "height": 900}, **options
        )
        contexts.append(context)
        page_errors.watch(context)
        if whose is not None:
            assert context.request.post("/studio/sign-in", form={"key": key_of(whose)}).ok
        page = context.new_page()
        page.goto(path)
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert page_errors.messages == []


def key_of(client: httpx.Client) -> str:
    """Return the API key that a client sends."""
    return client.headers["Authorization"].removeprefix("Bearer ")


def sign_in(page: Page, client: httpx.Client) -> None:
    """Sign in as the owner of a client's key does, on the page for it."""
    page.get_by_label("API key").fill(key_of(client))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()


def check_accessibility(page: Page) -> None:
    """Check that axe-core, with all of its rules, finds nothing on a page."""
    violations = Axe().run(page).response["violations"]
    assert [(one["id"], one["help"], [node["html"] for node in one["nodes"]]) for one in violations] == []


def check_layout(page: Page) -> None:
    """Check that nothing on a page moved as it was loaded, and that it needs no scrolling to the side."""
    shift = page.evaluate(
        """() => new Promise(resolve => {
            let sum = 0;
            new PerformanceObserver(list => { for (const one of list.getEntries()) sum += one.value; })
                .observe({type: "layout-shift", buffered: true});
            requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
        })"""
    )
    assert shift == 0, page.url
    beyond = page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("main *")]
            .filter(one => one.getBoundingClientRect().right > innerWidth).map(one => one.outerHTML.slice(0, 200))"""
    )
    assert beyond == [], page.url
