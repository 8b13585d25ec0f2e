"""Metadata of data sets in formats of the field: they say what the set holds, and come back without loss."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from core.errors import DatasetError
from faces.conditions.catalogue import load_catalogue
from faces.datasets.dataset import Dataset, DatasetWriter
from faces.datasets.exports.dataset_files import (
    CARD,
    CROISSANT,
    GESTALTMATCHER,
    PHENOPACKETS,
    Individuals,
    describe_dataset,
    write_dataset_files,
)
from faces.datasets.patients.reading import read_patients
from faces.datasets.records import PHANTOMS, Record

CONDITIONS = ("WS", "Kabuki", "unaffected")
RECORDS = (
    Record(condition="WS", age_years=7.25, age_group="child", person="s1", sex="female", present=("HP:0000286",)),
    Record(condition="Kabuki", age_group="infant", person="s2", licence="CC0-1.0", others={"hospital": "Bonn"}),
    Record(condition="unaffected", age_years=30, age_group="young_adult", age_source="estimated", person="s3"),
)


def write_set(path: Path, records: tuple[Record, ...] = RECORDS) -> Path:
    picture = np.zeros((8, 8, 3), np.uint8)
    with DatasetWriter(path, conditions=CONDITIONS) as writer:
        for record in records:
            writer.add(picture, record)
    return path


def export(path: Path, individuals: Individuals | None = None) -> dict[str, str]:
    with Dataset.open(path) as data:
        return write_dataset_files(data, describe_dataset(data, load_catalogue()), path.name, individuals)


def import_again(tmp_path: Path, name: str, text: str) -> tuple[Record, ...]:
    """Read a table or phenopackets, and write and read them as a data set."""
    (tmp_path / name).write_text(text)
    pictures = [f"{number}_aligned.jpg" for number in range(9)]
    table = read_patients(tmp_path / name, load_catalogue(), conditions=CONDITIONS, pictures=pictures)
    assert [notice for notice in table.notices if notice.refused] == []
    write_set(tmp_path / f"{name}.zip", table.records)
    return table.records


def packet(number: int, when: dict[str, Any], disease: str, **features: bool) -> dict[str, Any]:
    return {
        "id": f"p{number}",
        "subject": {"id": f"s{number}", "timeAtLastEncounter": when, "sex": "MALE"},
        "phenotypicFeatures": [
            {"type": {"id": "HP:0000286", "label": "Epicanthus"}},
            {"type": {"id": "HP:0000508", "label": "Ptosis"}, "excluded": True},
        ],
        "diseases": [{"term": {"id": disease, "label": f"disease {number}"}}],
        "files": [{"uri": f"file://{number}.png", "fileAttributes": {"mimeType": "image/png"}}],
    }


def test_phenopackets_come_back_without_loss(tmp_path: Path) -> None:
    period = {"start": {"iso8601duration": "P3Y"}, "end": {"iso8601duration": "P5Y6M"}}
    packets = [
        packet(1, {"age": {"iso8601duration": "P7Y3M11D"}}, "OMIM:194050"),
        packet(2, {"ageRange": period}, "ORPHA:2322"),
        packet(3, {"age": {"iso8601duration": "P5M"}}, "OMIM:136140"),
    ]
    import_again(tmp_path, "p.jsonl", "\n".join(map(json.dumps, packets)))
    lines = export(tmp_path / "p.jsonl.zip", "real")[PHENOPACKETS].splitlines()
    for before, line in zip(packets, lines, strict=True):
        after = json.loads(line)
        assert after["metaData"]["phenopacketSchemaVersion"] == "2.0"
        assert "externalReferences" not in after["metaData"]
        for part in ("id", "subject", "phenotypicFeatures", "diseases"):
            assert after[part] == before[part]


def test_a_table_of_gestaltmatcher_comes_back_without_loss(tmp_path: Path) -> None:
    header = """image_id patient_id internal_syndrome_id internal_syndrome_name gender age_year age_month
        ethnicity_category ethnicity_sub_category gene_names present_features absent_features""".split()  # noqa: SIM905
    rows = [
        [
            "3",
            "1",
            "9",
            "Kabuki syndrome",
            "female",
            "4",
            "7",
            "European",
            "German",
            "KMT2D",
            "HP:0000286;HP:0000508",
            "",
        ],
        ["4", "1", "9", "Kabuki syndrome", "female", "", "", "", "", "", "", "HP:0000154"],
        ["5", "2", "8", "Stickler syndrome", "male", "0", "1", "", "", "COL2A1", "", ""],
    ]
    import_again(tmp_path, "m.tsv", "".join("\t".join(row) + "\n" for row in [header, *rows]))
    text = export(tmp_path / "m.tsv.zip")[GESTALTMATCHER]
    after = [*csv.DictReader(text.splitlines(), delimiter="\t")]
    assert [[row[name] for name in header] for row in after] == rows


def test_phenopackets_are_written_only_on_request_and_synthetic_ones_are_marked(tmp_path: Path) -> None:
    path = write_set(tmp_path / "faces.zip")
    assert set(export(path)) == {CROISSANT, CARD, GESTALTMATCHER}
    packets = [json.loads(line) for line in export(path, "synthetic")[PHENOPACKETS].splitlines()]
    for one in packets:
        assert one["id"].startswith("synthetic:")
        assert one["subject"]["id"].startswith("synthetic:")
        assert one["metaData"]["externalReferences"][0]["description"]
    assert packets[1]["subject"]["timeAtLastEncounter"]["ageRange"]["start"] == {"iso8601duration": "P0D"}
    assert "timeAtLastEncounter" not in packets[2]["subject"]  # an estimate is no age of a person
    assert packets[2]["diseases"] == []


def test_phantoms_are_no_real_people(tmp_path: Path) -> None:
    path = write_set(tmp_path / "drawn", (Record(condition="WS", source=PHANTOMS),))
    with pytest.raises(DatasetError):
        export(path, "real")


@pytest.mark.parametrize("name", ["faces", "faces.zip"])
def test_croissant_describes_files_columns_and_conditions(tmp_path: Path, name: str) -> None:
    path = write_set(tmp_path / name)
    metadata = json.loads(export(path)[CROISSANT])
    assert metadata["conformsTo"].endswith("/croissant/1.1")
    container, table, _ = metadata["distribution"]
    faces, _, conditions = metadata["recordSet"]
    if path.is_file():
        assert container["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    else:
        assert table["sha256"] == hashlib.sha256((path / "labels.csv").read_bytes()).hexdigest()
    names = [field["name"] for field in faces["field"]]
    assert names[0] == "file"
    assert {"age_source", "present", "sex", "hospital"} <= set(names)
    assert conditions["data"][1] == {
        "conditions/name": "Kabuki",
        "conditions/label": "Kabuki syndrome",
        "conditions/OMIM": "OMIM:147920",
        "conditions/ORPHA": "ORPHA:2322",
        "conditions/MONDO": "",
    }


@pytest.mark.parametrize("name", ["faces", "faces.zip"])
@pytest.mark.filterwarnings("ignore")
def test_mlcroissant_reads_the_metadata(tmp_path: Path, name: str) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    path = write_set(tmp_path / name)
    (tmp_path / CROISSANT).write_text(export(path)[CROISSANT])
    data = mlcroissant.Dataset(jsonld=str(tmp_path / CROISSANT))
    assert data.metadata.ctx.issues.errors == set()
    assert [record["conditions/name"] for record in data.records("conditions")] == [*CONDITIONS]


@pytest.mark.filterwarnings("ignore")
def test_phenopackets_are_valid(tmp_path: Path) -> None:
    schema = pytest.importorskip("phenopackets")
    from google.protobuf.json_format import Parse

    for line in export(write_set(tmp_path / "faces"), "synthetic")[PHENOPACKETS].splitlines():
        assert Parse(line, schema.Phenopacket()).id.startswith("synthetic:")


def test_the_card_begins_with_metadata_and_counts_the_pictures(tmp_path: Path) -> None:
    card = export(write_set(tmp_path / "faces"))[CARD]
    _, front, body = card.split("---\n", 2)
    metadata = yaml.safe_load(front)
    assert (metadata["license"], metadata["size_categories"]) == ("cc0-1.0", ["n<1K"])
    assert "| Kabuki | Kabuki syndrome | OMIM:147920, ORPHA:2322 | KDM6A, KMT2D |" in body
    assert "| WS | 1 | 0 | 0 |" in body
