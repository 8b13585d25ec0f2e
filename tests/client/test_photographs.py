"""The client with keys, photographs, edits and survey packs, against the shipped models."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from faces.images import Pixels
from gestaltgen_client import Client, JobError, Photo, ServiceError
from tests.api.lab import Lab, phantom


@pytest.fixture(scope="module")
def theirs(lab: Lab) -> Iterator[Client]:
    """The client of a lab with a key, of the service with the shipped models."""
    with Client(str(lab.http.base_url), key=key_of(lab)) as client:
        yield client


@pytest.fixture(scope="module")
def photo(theirs: Client) -> Photo:
    return send(theirs, phantom(0)).wait(timeout_s=60)


def key_of(lab: Lab) -> str:
    return lab.http.headers["Authorization"].removeprefix("Bearer ")


def send(client: Client, picture: bytes | Path) -> Photo:
    return client.send_photo(picture, consent="study-7/form-12", purpose="tests", aligned=True)


def pixels(png: bytes) -> Pixels:
    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        return np.asarray(picture.convert("RGB"))


def test_without_a_key_the_remedy_is_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GESTALTGEN_KEY", raising=False)
    with (
        Client(str(lab.http.base_url)) as client,
        pytest.raises(ServiceError, match=r"401 .* GESTALTGEN_KEY") as caught,
    ):
        client.models()
    assert caught.value.status == 401
    monkeypatch.setenv("GESTALTGEN_KEY", key_of(lab))
    with Client(str(lab.http.base_url)) as client:
        assert [model["name"] for model in client.models()] == ["phantom128", "portraits128"]


def test_a_photograph_is_sent_edited_and_erased(theirs: Client, tmp_path: Path) -> None:
    (tmp_path / "face.png").write_bytes(phantom(1))
    seen: list[Photo] = []
    photo = send(theirs, tmp_path / "face.png").wait(seen.append, timeout_s=60)
    assert (seen[-1], photo.state, photo.model) == (photo, "done", "phantom128")
    assert photo.quality is not None
    assert photo.quality["verdict"] == "good"
    assert theirs.photo(photo.id) == photo
    difference = pixels(photo.reconstruction()) - pixels(photo.crop()).astype(float)
    assert 0 < abs(difference).mean() < 10
    edit = photo.edit(direction="age", strength=1.5, hold=False).wait(timeout_s=60)
    assert edit.request == {"direction": "age", "strength": 1.5, "hold": False, "local": True}
    assert edit.result is not None
    assert edit.result["strength"] == 1.5
    assert pixels(edit.before()).shape == pixels(edit.image()).shape == (128, 128, 3)
    assert (pixels(edit.before()) != pixels(edit.image())).any()
    assert len(photo.landmarks()["landmarks"]) == 68
    receipt = photo.erase()
    assert theirs.receipt(photo.id) == receipt
    assert (receipt["photo"], receipt["because"]) == (photo.id, "it was asked for")
    with pytest.raises(ServiceError, match=r"404 .* may have been erased"):
        photo.refresh()


def test_an_edit_that_cannot_be_is_refused(photo: Photo) -> None:
    with pytest.raises(ServiceError, match="give either smile or strength"):
        photo.edit()
    with pytest.raises(ServiceError, match=r"has no direction 'wit'; expected one of .*smile of WS"):
        photo.edit(direction="wit", strength=1)


def test_a_photograph_has_the_senders_reference(theirs: Client) -> None:
    photo = theirs.send_photo(phantom(0), consent="form-12", purpose="tests", reference="photo 3", aligned=True)
    assert photo.refresh().reference == "photo 3"


def test_waiting_for_a_picture_without_a_face_says_so(theirs: Client) -> None:
    grey = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(grey, "PNG")
    sent = theirs.send_photo(grey.getvalue(), consent="none is shown", purpose="tests")
    with pytest.raises(JobError, match=rf"photograph {sent.id} failed: .*no face"):
        sent.wait(timeout_s=60)


def test_a_reference_that_cannot_be_a_header_is_not_sent(theirs: Client) -> None:
    for consent in ("Einverständnis", "two\nlines"):
        with pytest.raises(ValueError, match="printable ASCII"):
            theirs.send_photo(b"", consent=consent, purpose="tests")


def test_a_photograph_whose_answer_is_lost_is_stored_once(lab: Lab, theirs: Client) -> None:
    before = len(lab.http.get("/v1/photos?limit=100").json()["items"])
    lost: list[str] = []

    class LosesTheFirstAnswer(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = super().handle_request(request)
            if not lost:
                answer.read()
                lost.append(answer.json()["id"])
                raise httpx.ReadError("connection reset", request=request)
            return answer

    with Client(str(lab.http.base_url), key=key_of(lab), transport=LosesTheFirstAnswer()) as client:
        assert send(client, phantom(2)).id == lost[0]
    assert len(lab.http.get("/v1/photos?limit=100").json()["items"]) == before + 1
    theirs.photo(lost[0]).erase()


def test_a_face_of_a_set_is_edited(theirs: Client) -> None:
    made = theirs.create(kind="unrelated", conditions=["WS"], ages=["child"], seeds=[5], wait_s=30).wait(timeout_s=60)
    [smile] = [known for known in theirs.directions("phantom128") if known["name"] == "smile"]
    edit = theirs.edit_image(made, 0, strength=smile["spread"], hold=False).wait(timeout_s=60)
    assert edit.result is not None
    assert edit.result["smile_after"] > edit.result["smile_before"]
    assert (pixels(edit.before()) == made.item(0).array()).all()
    assert theirs.verify(edit.image())["verdict"] == "made here"
    assert theirs.verify(phantom(3))["verdict"] == "not recognised"


def test_items_of_another_model_have_its_class_index(theirs: Client) -> None:
    fields = {"kind": "unrelated", "conditions": ["unaffected"], "ages": ["child"], "seeds": [5]}
    made = theirs.create(**fields, model="portraits128", wait_s=30).wait(timeout_s=60)
    [item] = made
    assert made.item(0) == item


@pytest.mark.slow
def test_a_survey_pack_is_downloaded_whole(theirs: Client, photo: Photo, tmp_path: Path) -> None:
    other = send(theirs, phantom(1)).wait(timeout_s=60)
    groups = {photo.id: "one", other.id: "one"}
    pack = theirs.stimuli([photo, other.id], smile=0.5, groups=groups, seed=7, doubtful=True).wait(timeout_s=120)
    assert (pack.people, pack.total, pack.left_out) == (2, 2, [])
    assert pack.picture("A", 1).startswith(b"\x89PNG")
    path = pack.download(tmp_path / "survey" / "pack.zip")
    assert os.listdir(path.parent) == ["pack.zip"]
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {name.partition("/")[0] for name in archive.namelist()} == {"A", "B", "areas.csv", "key"}
    pack.erase()
    with pytest.raises(ServiceError, match="404"):
        pack.download(tmp_path / "again.zip")
    assert os.listdir(tmp_path) == ["survey"]
    other.erase()
