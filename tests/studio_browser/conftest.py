"""One service and one browser for all tests of the folder; each test has its own windows, with their own cookies.

They are closed after the folder's last test, because Playwright keeps an event loop in the thread of the tests.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Response,
    WebError,
    expect,
    sync_playwright,
)

from api.models import syndrome_models
from api.studio.quiz_runs import QuizRun
from experiments.studio.examples import fill_service
from gestaltgen_client import Client
from recognition.syndromes.assessment.model_files import StoredModel
from tests.api.lab import Lab, open_lab, phantom
from tests.api.photographs.test_assessments import QuickModel
from tests.recognition.explanation.classifiers import build_classifier
from tests.recognition.syndromes.assessment.cards import CARD

WIDE: Final = 1600
NARROW: Final = 360

_LONGEST_MS: Final = 120_000
"""Time after which a test gives up: the first photograph or assessment of a service takes long on a busy machine."""

_LARGEST_SHIFT: Final = 0.01
"""A tenth of the layout shift that counts as good. Chromium may show a page while it is still read, on a busy machine
with half a button, which then grows."""

expect.set_options(timeout=_LONGEST_MS)

Visit = Callable[..., Page]
"""Function that opens a window; see `visit`."""


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Lab]:
    """The service with the shipped phantoms, a classifier and the model of a syndrome, started only for a browser."""
    folder = tmp_path_factory.mktemp("models")
    build_classifier().save(folder / "classifiers" / "small.safetensors")
    StoredModel(CARD, {"a": np.zeros(3)}, {}).write(folder / "syndromes" / "kdvs", "# KdVS\n\nA card.\n")
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(syndrome_models, "load_model", QuickModel)
        with open_lab(
            tmp_path_factory.mktemp("studio"), classifiers=folder / "classifiers", syndromes=folder / "syndromes"
        ) as lab:
            yield lab


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Open the Chromium of the system; without one, the test is skipped."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=program) as browser:
        yield browser


@pytest.fixture(scope="package")
def addresses(lab: Lab) -> Mapping[str, str]:
    """An address of the first owner for each path of a page that has parameters."""
    with Client(str(lab.http.base_url), key=key_of(lab.http)) as client:
        pages = fill_service(client, [phantom(0), phantom(1)], sets=[])
    image_set = pages["/studio/image-sets/{set_id}"].rpartition("/")[2]
    run = QuizRun([image_set], 2, 0, after_each=False, confidence=True, answers=[(0, 5), (0, 1)])
    at = lab.service.quiz_tokens.seal(run.to_json())
    return {
        **pages,
        "/studio/teach/run": f"/studio/teach/run?at={at}",
        "/studio/teach/run/answers.csv": f"/studio/teach/run/answers.csv?at={at}",
        "/studio/teach/run/picture": f"/studio/teach/run/picture?of={lab.service.quiz_tokens.seal([image_set, 0])}",
    }


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

    def take(self) -> list[str]:
        """Return the messages since the last call."""
        messages, self.messages = self.messages, []
        return messages

    def _read_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.messages.append(message.text)

    def _read_script(self, error: WebError) -> None:
        self.messages.append(str(error.error))

    def _read_part(self, response: Response) -> None:
        if response.status >= 400 and response.request.resource_type != "document":
            self.messages.append(f"{response.url}: {response.status}")


@pytest.fixture(scope="package")
def window_errors() -> PageErrors:
    """Errors of `window`."""
    return PageErrors()


@pytest.fixture(scope="package")
def window(browser: Browser, lab: Lab, window_errors: PageErrors) -> Iterator[Page]:
    """A window of the first owner for many pages, because a new one takes a second of the processor."""
    with open_window(browser, lab, window_errors, lab.http, "/studio/static/icon.svg") as page:
        yield page


@pytest.fixture
def page_errors() -> PageErrors:
    """Errors of all windows of a test, which must have none at its end; a test that expects some takes them."""
    return PageErrors()


@pytest.fixture
def visit(browser: Browser, lab: Lab, page_errors: PageErrors) -> Iterator[Visit]:
    """Open windows, each with its own cookies: a function with the arguments of `open_window` after the first three."""
    with ExitStack() as windows:
        yield lambda *args, **options: windows.enter_context(open_window(browser, lab, page_errors, *args, **options))
    assert page_errors.messages == []


@contextmanager
def open_window(
    browser: Browser,
    lab: Lab,
    errors: PageErrors,
    whose: httpx.Client | None,
    path: str = "/studio",
    width: int = WIDE,
    **options: Any,
) -> Iterator[Page]:
    """Open a window of a browser.

    Args:
        errors: get what the browser reports.
        whose: `lab.http`, `lab.other` or `lab.sets_only`, whose owner is signed in; or None.
        path: page to open.
        width: of the window, in CSS pixels.
        options: of Playwright's `new_context`.
    """
    size = {"width": width, "height": 900}
    with browser.new_context(base_url=str(lab.http.base_url), viewport=size, **options) as context:
        context.set_default_timeout(_LONGEST_MS)
        errors.watch(context)
        if whose is not None:
            assert context.request.post("/studio/sign-in", form={"key": key_of(whose)}).ok
        page = context.new_page()
        page.goto(path)
        yield page


def key_of(client: httpx.Client) -> str:
    """Return the API key that a client sends."""
    return client.headers["Authorization"].removeprefix("Bearer ")


def sign_in(page: Page, client: httpx.Client) -> None:
    """Sign in as the owner of a client's key does, on the page for it."""
    page.get_by_label("API key").fill(key_of(client))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()


def check_accessibility(page: Page, *rules: str) -> None:
    """Check that axe-core finds nothing on a page: by all of its rules, or by the named ones."""
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    violations = Axe().run(page, options=options).response["violations"]
    assert [(one["id"], one["help"], [node["html"] for node in one["nodes"]]) for one in violations] == [], page.url


def check_layout(page: Page) -> None:
    """Check that hardly anything on a page moved as it was loaded, and that it needs no scrolling to the side."""
    shift = page.evaluate(
        """() => new Promise(resolve => {
            let sum = 0;
            new PerformanceObserver(list => { for (const one of list.getEntries()) sum += one.value; })
                .observe({type: "layout-shift", buffered: true});
            requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
        })"""
    )
    assert shift < _LARGEST_SHIFT, page.url
    beyond = page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("main *")]
            .filter(one => one.getBoundingClientRect().right > innerWidth).map(one => one.outerHTML.slice(0, 200))"""
    )
    assert beyond == [], page.url
