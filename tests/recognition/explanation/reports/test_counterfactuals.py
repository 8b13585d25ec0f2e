"""Counterfactuals of faces that a running service made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import DatasetError
from faces.images import encode_png, read_image
from gestaltgen.cli.main import app
from gestaltgen_client import Client
from recognition.explanation.reports.counterfactuals import make_counterfactuals
from tests.api.lab import Lab, phantom
from tests.client.conftest import lab
from tests.recognition.explanation.classifiers import build_classifier

__all__ = ["lab"]


@pytest.fixture(scope="module")
def client(lab: Lab) -> Iterator[Client]:
    key = lab.http.headers["Authorization"].removeprefix("Bearer ")
    with Client(str(lab.http.base_url), key=key) as client:
        yield client


@pytest.fixture(scope="module")
def face(client: Client) -> bytes:
    """The file of a step of a progression."""
    made = client.create(kind="age_progression", conditions=["WS"], ages=["child"], seeds=[5], wait_s=30).wait()
    return made.item(0).image


def test_a_face_is_changed_and_its_unchanged_part_is_the_same_person(client: Client, face: bytes) -> None:
    made = make_counterfactuals([build_classifier(size=128)], client, face, "WS")
    assert made.left_out == {}
    assert [one.to for one in made.changes[:3]] == ["22q11DS", "other", "unaffected"]
    edits = made.changes[3:]
    assert [one.change for one in edits] == ["age", "age", "smile", "smile"]
    assert all(one.verdict for one in edits)
    for one in made.changes:
        assert one.image.shape == (128, 128, 3)
        assert (one.image != read_image(face)).any()
        assert one.logit_change != 0
        assert -1 < one.probability_change < one.probability <= 1


def test_faces_that_the_service_did_not_make_or_cannot_make_again_are_refused(client: Client, face: bytes) -> None:
    for picture in (phantom(0), encode_png(read_image(face))):  # the second says no more how it was made
        with pytest.raises(DatasetError):
            make_counterfactuals([build_classifier()], client, picture, "WS")


def test_the_report_shows_them_beside_the_maps(
    lab: Lab, client: Client, face: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "a.png").write_bytes(face)
    (tmp_path / "faces" / "b.png").write_bytes(phantom(0))
    build_classifier(size=128).save(tmp_path / "classifier.safetensors")
    monkeypatch.setenv("GESTALTGEN_KEY", lab.http.headers["Authorization"].removeprefix("Bearer "))
    command = ["explain", "faces", str(tmp_path / "classifier.safetensors"), str(tmp_path / "faces")]
    command += ["--method", "gradient", "--out", str(tmp_path / "out"), "--service", str(lab.http.base_url)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    changed, unknown = report["faces"]
    assert len(changed["counterfactuals"]) == 7
    assert all((tmp_path / "out" / one["picture"]).exists() for one in changed["counterfactuals"])
    assert unknown["counterfactuals"] == []
    assert list(unknown["no_counterfactuals"]) == ["all"]
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count("as 22q11DS") == 2  # text of the picture, and caption
    assert len((tmp_path / "out" / "changes.csv").read_text().splitlines()) == 8
