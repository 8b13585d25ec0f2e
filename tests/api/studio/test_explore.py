"""The page to explore one person: its address is its state, and what it shows can be kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from api.photographs.edit_job import EditWork
from tests.api.lab import Lab, good
from tests.api.studio.conftest import csrf_of

SHOWN = "/studio/explore?condition=WS&years=6&seed=7&other=8"


def list_pictures(page: str) -> list[dict[str, list[str]]]:
    """Return the parameters of the pictures of a page."""
    return [parse_qs(urlsplit(unescape(src)).query) for src in re.findall(r'<img src="(/v1/face\?[^"]+)"', page)]


@pytest.fixture(scope="module")
def http(lab: Lab) -> Iterator[httpx.Client]:
    """A browser of the lab with the shipped phantoms."""
    with httpx.Client(base_url=lab.http.base_url, timeout=90, follow_redirects=True) as browser:
        browser.post("/studio/sign-in", data={"key": lab.http.headers["Authorization"].removeprefix("Bearer ")})
        yield browser


def test_an_address_without_a_person_leads_to_one_with_a_person(http: httpx.Client) -> None:
    page = http.get("/studio/explore")
    assert page.url.params["seed"].isdigit()
    assert http.get(str(page.url)).url == page.url
    assert 'href="/studio/explore"' in page.text
    drawn = http.get(f"{SHOWN}&draw=seed")
    assert drawn.url.params["seed"] != "7"
    assert (drawn.url.params["other"], drawn.url.params["condition"], drawn.url.params["years"]) == ("8", "WS", "6.0")


def test_the_address_says_which_faces_are_shown(http: httpx.Client) -> None:
    [one] = list_pictures(http.get(f"{SHOWN}&partner=unaffected&blend=0.7&truncation=0.5").text)
    assert one == {
        "condition": ["WS"],
        "years": ["6.0"],
        "seed": ["7"],
        "partner": ["unaffected"],
        "blend": ["0.7"],
        "truncation": ["0.5"],
        "strength": ["0.0"],
        "direction": ["smile"],
        "model": ["phantom128"],
        "format": ["jpeg"],
    }
    page = http.get(f"{SHOWN}&pair=on&without=on").text
    four = [(one["seed"], one["condition"]) for one in list_pictures(page)]
    assert four == [(["7"], ["WS"]), (["7"], ["unaffected"]), (["8"], ["WS"]), (["8"], ["unaffected"])]
    assert "Williams syndrome" in page
    assert "phantom128" in page


def test_what_a_generator_does_not_know_is_replaced_and_what_cannot_be_is_refused(http: httpx.Client) -> None:
    [one] = list_pictures(http.get("/studio/explore?condition=Noonan&seed=7&other=8").text)
    assert one["condition"] == ["WS"]
    for wrong in ("years=-1", "seed=<b>", "kept=../x", "model=none"):
        answer = http.get(f"{SHOWN}&{wrong}")
        assert answer.status_code == 422
        assert "<b>" not in answer.text
    assert http.post("/studio/explore/keep?seed=7").status_code == 403


def test_shown_faces_are_kept_as_image_sets_and_a_smile_as_edits(
    lab: Lab, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EditWork, "edit", lambda self, edit_id: 0)  # no network is needed to see what is asked for
    shown = http.get(f"{SHOWN}&blend=0.7&partner=unaffected&pair=on&without=on&strength=1.42")
    assert "a little more" in shown.text
    [action] = re.findall(r'action="(/studio/explore/keep[^"]+)"', shown.text)
    kept = http.post(unescape(action), data={"csrf": csrf_of(shown.text)})
    paths = kept.url.params.get_list("kept")
    assert all(f'href="/studio/image-sets/{path}"' in kept.text for path in paths)
    images, edits = zip(*(path.split("/edits/") for path in paths), strict=True)
    affected, unaffected = (image.removesuffix("/images/0") for image in images[:2])
    assert list(images) == [f"{one}/images/{n}" for n in range(2) for one in (affected, unaffected)]
    requests = [good(lab.http.get(f"/v1/image-sets/{set_id}"))["request"] for set_id in (affected, unaffected)]
    assert [(one["kind"], one["conditions"]) for one in requests] == [
        ("blended", ["WS"]),
        ("age_progression", ["unaffected"]),
    ]
    assert all((one["seeds"], one["years"]) == ([7, 8], [6.0]) for one in requests)
    for image, edit_id in zip(images, edits, strict=True):
        [edit] = good(lab.http.get(f"/v1/image-sets/{image}/edits"))["items"]
        assert (edit["id"], edit["request"]["strength"], edit["request"]["hold"]) == (edit_id, 1.42, False)
    lab.idle()


def test_a_kept_face_leads_to_its_image(http: httpx.Client) -> None:
    shown = http.get(SHOWN)
    [action] = re.findall(r'action="(/studio/explore/keep[^"]+)"', shown.text)
    kept = http.post(unescape(action), data={"csrf": csrf_of(shown.text)})
    [path] = kept.url.params.get_list("kept")
    assert path.endswith("/images/0")
    assert http.get(f"/studio/image-sets/{path}").status_code == 200
    first, second = list_pictures(kept.text)
    assert first == second
