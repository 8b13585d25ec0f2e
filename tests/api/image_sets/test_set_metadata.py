"""Metadata of an image set over REST: same bytes and ETag for the same set, and true of what it holds."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Final

import pytest
import yaml

from faces.conditions.catalogue import load_catalogue
from faces.datasets.patients.reading import read_patients
from tests.api.conftest import Running
from tests.api.image_sets.test_image_sets import PROGRESSION, made, path_of

METADATA: Final = ("croissant.json", "README.md", "image_metadata.tsv", "phenopackets.jsonl?individuals=synthetic")


@pytest.fixture(scope="module")
def image_set(running: Running) -> dict[str, object]:
    return made(running.http, PROGRESSION)


@pytest.mark.parametrize("name", METADATA)
def test_metadata_are_cacheable_files_of_the_set(running: Running, image_set: dict[str, object], name: str) -> None:
    path = path_of(image_set, name)
    answer = running.http.get(path)
    assert answer.status_code == 200
    assert answer.headers["ETag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    assert running.http.get(path, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert running.http.head(path).headers["Content-Length"] == str(len(answer.content))
    assert path in image_set["links"].values()  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore")  # of rdflib, which mlcroissant uses
def test_croissant_names_archive_and_manifest(running: Running, image_set: dict[str, object], tmp_path: Path) -> None:
    text = running.http.get(path_of(image_set, "croissant.json")).text
    for file in json.loads(text)["distribution"][:2]:
        data = running.http.get(path_of(image_set, file["contentUrl"])).content
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
        (tmp_path / file["contentUrl"]).write_bytes(data)
    mlcroissant = pytest.importorskip("mlcroissant")
    (tmp_path / "croissant.json").write_text(text)
    records = mlcroissant.Dataset(jsonld=str(tmp_path / "croissant.json")).records("faces")
    assert next(iter(records))["faces/condition"] == b"WS"


def test_the_card_says_what_made_the_set(running: Running, image_set: dict[str, object]) -> None:
    _, front, body = running.http.get(path_of(image_set, "README.md")).text.split("---\n", 2)
    assert "synthetic" in yaml.safe_load(front)["tags"]
    assert "f" * 64 in body


def test_the_table_lists_every_image(running: Running, image_set: dict[str, object]) -> None:
    text = running.http.get(path_of(image_set, "image_metadata.tsv")).text
    rows = [*csv.DictReader(text.splitlines(), delimiter="\t")]
    assert len(rows) == 100
    assert rows[0]["internal_syndrome_name"] == "Williams syndrome"


def test_phenopackets_are_for_those_who_ask_for_synthetic_people(
    running: Running, image_set: dict[str, object], tmp_path: Path
) -> None:
    for query in ("", "?individuals=real"):
        assert running.http.get(path_of(image_set, f"phenopackets.jsonl{query}")).status_code == 422
    text = running.http.get(path_of(image_set, METADATA[-1])).text
    assert all(json.loads(line)["subject"]["id"].startswith("synthetic:") for line in text.splitlines())
    (tmp_path / "p.jsonl").write_text(text)
    table = read_patients(tmp_path / "p.jsonl", load_catalogue())
    manifest = running.http.get(path_of(image_set, "manifest.jsonl")).text
    lines = {line["file"]: line for line in map(json.loads, manifest.splitlines())}
    assert {record.file: record.condition for record in table.records} == {
        name: line["condition"] for name, line in lines.items()
    }
