"""Pages of photographs: what is sent by a form is stored, shown, edited and erased as by the routes for programs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pytest

from api.representations import describe_photo
from api.schemas.photographs import AccessOut, QualityOut
from api.studio.photograph_words import group_accesses, list_measures
from api.studio.routes import photographs
from api.studio.routes.photographs import draw_lines
from faces.images import encode_png
from tests.api.lab import Lab, good, phantom
from tests.api.studio.conftest import csrf_of

PAGE: Final = "/studio/photographs"
TERMS: Final = {"consent-reference": "form 12", "purpose": "research", "aligned": "true"}


@pytest.fixture(scope="module")
def http(lab: Lab) -> Iterator[httpx.Client]:
    """Browser of somebody who has signed in with the lab's key; forms wait for their jobs."""
    with sign_in(lab.http) as browser, pytest.MonkeyPatch.context() as patch:
        patch.setitem(photographs.WAIT, "Prefer", "wait=60")
        yield browser


@contextmanager
def sign_in(program: httpx.Client) -> Iterator[httpx.Client]:
    """Open a browser and sign in with the key of a program."""
    secret = program.headers["Authorization"].removeprefix("Bearer ")
    with httpx.Client(base_url=program.base_url, timeout=90, follow_redirects=True) as browser:
        assert browser.post("/studio/sign-in", data={"key": secret}).status_code == 200
        yield browser


def send(http: httpx.Client, picture: bytes, name: str = "face.png", **fields: str) -> httpx.Response:
    """Send the form for a photograph."""
    csrf = csrf_of(http.get(f"{PAGE}/new").text)
    files = {"file": (name, picture, "image/png")}
    return http.post(PAGE, data={"csrf": csrf} | TERMS | fields, files=files)


def list_ids(lab: Lab) -> list[str]:
    """List the ids of the photographs that there are."""
    return [photo["id"] for photo in good(lab.http.get("/v1/photos?limit=100"))["items"]]


def id_of(page: httpx.Response) -> str:
    assert page.url.path.startswith(f"{PAGE}/"), page.text
    return page.url.path.split("/")[3]


@pytest.fixture(scope="module")
def photo(lab: Lab, http: httpx.Client) -> str:
    """Id of a photograph that was sent by the form, and is inverted."""
    sent = id_of(send(http, phantom(0), reference="S-17"))
    lab.finished(f"/v1/photos/{sent}")
    return sent


def test_without_photographs_the_page_says_what_to_do(lab: Lab) -> None:
    with sign_in(lab.other) as other:
        page = other.get(PAGE)
        assert f'href="{PAGE}/new"' in page.text
        assert "<table" not in page.text


def test_a_photograph_is_sent_with_its_terms_and_without_the_name_of_its_file(
    lab: Lab, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = send(
        http, phantom(1), "Anna Schmidt.png", **{"consent-scope": "cohort", "ttl_s": "3600", "purpose": "Prüfung"}
    )
    sent = good(lab.http.get(f"/v1/photos/{id_of(answer)}"))
    assert (sent["consent"], sent["consent_scope"], sent["purpose"]) == ("form 12", "cohort", "Prüfung")
    assert "Schmidt" not in answer.text + caplog.text
    for path in lab.state.rglob("*"):
        assert not path.is_file() or b"Schmidt" not in path.read_bytes()


def test_the_form_leaves_nothing_on_the_disk_unencrypted(
    http: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that does not fit into the memory of a spooled temporary file by default."""
    opened = []
    monkeypatch.setattr(tempfile, "_TemporaryFileWrapper", lambda *_: opened.append(1))
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", lambda _: opened.append(1))
    assert send(http, os.urandom(3_000_000)).status_code == 415
    assert opened == []


@pytest.mark.parametrize(
    ("picture", "fields", "status", "at_fault"),
    [
        (b"", {}, 400, "file"),
        (b"GIF89a" + bytes(100), {}, 415, "file"),
        (phantom(0)[:-200], {}, 422, "file"),
        (encode_png(np.full((64, 32, 3), 128, np.uint8)), {}, 422, "file"),
        (bytes(20_100_000), {}, 413, "file"),
        (phantom(0), {"consent-reference": ""}, 422, "consent-reference"),
        (phantom(0), {"purpose": "x" * 201}, 422, "purpose"),
        (phantom(0), {"purpose": "исследование"}, 422, "purpose"),
        (phantom(0), {"steps": "many", "method": "tuning"}, 422, "steps"),
        (phantom(0), {"left_eye_x": "<b>", "aligned": ""}, 422, "Landmarks"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    lab: Lab, http: httpx.Client, picture: bytes, fields: dict[str, str], status: int, at_fault: str
) -> None:
    known = list_ids(lab)
    answer = send(http, picture, **fields)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert f'id="{at_fault}-error"' in answer.text
    assert "<b>" not in answer.text
    assert "form 12" in answer.text or at_fault == "consent-reference" or status == 413
    assert list_ids(lab) == known


def test_the_page_shows_what_was_found_and_how_well_it_is_reproduced(lab: Lab, http: httpx.Client, photo: str) -> None:
    page = http.get(f"{PAGE}/{photo}").text
    for name in ("crop.png", "reconstruction.png"):
        assert f'src="/v1/photos/{photo}/{name}"' in page
        assert http.get(f"/v1/photos/{photo}/{name}").status_code == 200
    assert page.count("<polyline") == 9
    assert "The reconstruction is good" in page
    assert "S-17" in page
    assert "6 days" in page or "7 days" in page
    assert "S-17" in http.get(PAGE).text


def test_a_view_of_the_page_is_in_the_audit_record(lab: Lab, http: httpx.Client, photo: str) -> None:
    http.get(f"{PAGE}/{photo}")
    http.get(PAGE)
    actions = [access["action"] for access in good(lab.http.get(f"/v1/photos/{photo}/accesses"))["items"]]
    assert "POST /v1/photos" in actions
    assert actions[-2:] == [f"GET {PAGE}/{{photo_id}}", f"GET {PAGE}"]
    assert "POST /v1/photos" in http.get(f"{PAGE}/{photo}/accesses").text


def test_a_smile_is_changed_and_shown_beside_the_photograph(lab: Lab, http: httpx.Client, photo: str) -> None:
    csrf = csrf_of(http.get(f"{PAGE}/{photo}").text)
    answer = http.post(f"{PAGE}/{photo}/edits", data={"csrf": csrf, "smile": "0.8"})
    edit = answer.url.path.rpartition("/")[2]
    edited = lab.finished(f"/v1/photos/{photo}/edits/{edit}")
    assert edited["request"]["smile"] == 0.8
    page = http.get(f"{PAGE}/{photo}").text
    assert f'src="/v1/photos/{photo}/edits/{edit}/image.png"' in page
    assert f'src="/v1/photos/{photo}/edits/{edit}/before.png"' in page
    assert f"The edit is {edited['result']['verdict']}" in page
    assert "download=" in page


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [({"smile": "2"}, "smile"), ({"smile": "<b>"}, "smile"), ({"steps": "5", "smile": "0.1"}, "method")],
)
def test_an_edit_that_cannot_be_is_refused_beside_its_field(
    http: httpx.Client, photo: str, fields: dict[str, Any], at_fault: str
) -> None:
    csrf = csrf_of(http.get(f"{PAGE}/{photo}").text)
    answer = http.post(f"{PAGE}/{photo}/edits", data={"csrf": csrf} | fields)
    assert answer.status_code == 422
    assert f'id="{at_fault}-error"' in answer.text
    assert "<b>" not in answer.text


def test_what_people_write_is_no_markup(lab: Lab, http: httpx.Client) -> None:
    hostile = '"><script>alert(1)</script>'
    sent = id_of(send(http, phantom(2), hostile, purpose=hostile, reference=hostile, **{"consent-reference": hostile}))
    lab.finished(f"/v1/photos/{sent}")
    for page in (PAGE, f"{PAGE}/{sent}", f"{PAGE}/{sent}/accesses"):
        assert "<script>alert" not in http.get(page).text


def test_erased_it_leaves_a_receipt_for_its_owner_only(lab: Lab, http: httpx.Client) -> None:
    sent = id_of(send(http, phantom(3)))
    csrf = csrf_of(http.get(f"{PAGE}/{sent}").text)
    receipt = http.post(f"{PAGE}/{sent}/erase", data={"csrf": csrf})
    assert receipt.url.path == f"{PAGE}/{sent}/receipt"
    assert good(http.get(f"/v1/receipts/{sent}"))["id"] in receipt.text
    gone = http.get(f"{PAGE}/{sent}")
    assert gone.status_code == 404
    assert f'href="{PAGE}/{sent}/receipt"' in gone.text
    with sign_in(lab.other) as other:
        assert other.get(f"{PAGE}/{sent}/receipt").status_code == 404
        assert "/receipt" not in other.get(f"{PAGE}/{sent}").text


def test_a_reconstruction_that_is_not_to_be_used_says_so_above_the_folded_edit(
    http: httpx.Client, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(service: Any, record: Any) -> Any:
        described = describe_photo(service, record)
        verdict = {"verdict": "out of domain", "because": ["identity"], "identity": 0.5}
        return described.model_copy(update={"quality": described.quality.model_copy(update=verdict)})

    monkeypatch.setattr(photographs, "describe_photo", judge)
    page = http.get(f"{PAGE}/{photo}").text
    assert (
        page.index('id="quality-title"')
        < page.index("<details>\n  <summary>Edit all the same")
        < page.index('id="smile"')
    )
    assert "good from 0.92, unusable below 0.84</td><td>failed by far" in page


@pytest.mark.parametrize(
    ("fields", "name", "limit", "outcome"),
    [
        ({"verdict": "good"}, "landmarks", "good up to 0.06, unusable above 0.11", "passed"),
        ({"verdict": "doubtful", "because": ["landmarks"]}, "landmarks", "as other faces of this generator", "failed"),
        ({"verdict": "out of domain", "because": ["l2"]}, "l2", "as other faces of this generator", "failed"),
        ({"verdict": "out of domain", "because": ["smile"]}, "l2", "", "not judged"),
        ({"verdict": "doubtful", "because": ["age_years"], "age_years": 20.0}, "age_years", "good up to 15", "failed"),
    ],
)
def test_a_measure_shows_the_limit_that_explains_its_outcome(
    fields: dict[str, Any], name: str, limit: str, outcome: str
) -> None:
    known = {"l2": 0.1, "ms_ssim": None, "perceptual": None, "identity": 0.95, "landmarks": 0.03, "because": []}
    measure = list_measures(QualityOut(**known | {"judged": True} | fields))[name]
    assert (measure.limit, measure.outcome) == (limit, outcome)


def test_accesses_of_one_minute_stand_on_one_line_in_words() -> None:
    paths = (
        "GET /v1/photos/{photo_id}/crop.png",
        "GET /v1/photos/{photo_id}/crop.png",
        "erase original",
        "PUT /v1/else",
    )
    minute = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)
    accesses = [AccessOut(at=minute, owner="o", key="k", action=path, outcome="done") for path in paths]
    later = accesses[0].model_copy(update={"at": minute.replace(minute=6)})
    first, second = group_accesses([later, *accesses])
    assert (first.actions, len(first.routes)) == (["looked at the face"], 1)
    assert second.actions == ["looked at the face", "deleted the file that was sent", "other use"]


def test_no_lines_are_drawn_without_landmarks() -> None:
    assert draw_lines(None) == []
    assert len(draw_lines([(float(n), float(n)) for n in range(68)])) == 9
