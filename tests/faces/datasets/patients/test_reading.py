"""Tables and phenopackets about patients become records; bad rows are reported and the rest goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import DatasetError
from faces.conditions.catalogue import load_catalogue
from faces.datasets.patients.ages import format_age, parse_age
from faces.datasets.patients.reading import PatientTable, read_patients
from faces.datasets.records import Record

VOCABULARY = ("WS", "22q11DS", "Kabuki", "unaffected")


def read(path: Path, **options: Any) -> PatientTable:
    return read_patients(path, load_catalogue(), conditions=VOCABULARY, **options)


def read_text(tmp_path: Path, name: str, text: str, **options: Any) -> PatientTable:
    (tmp_path / name).write_text(text)
    return read(tmp_path / name, **options)


def packet(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"p{number}",
        "subject": {
            "id": f"s{number}",
            "timeAtLastEncounter": {"age": {"iso8601duration": "P7Y3M"}},
            "sex": "FEMALE",
        },
        "phenotypicFeatures": [
            {"type": {"id": "HP:0000286", "label": "Epicanthus"}},
            {"type": {"id": "HP:0000508", "label": "Ptosis"}, "excluded": True},
        ],
        "diseases": [{"term": {"id": "OMIM:194050", "label": "Williams-Beuren syndrome"}}],
        "files": [{"uri": f"file://{number}.png", "fileAttributes": {"mimeType": "image/png"}}],
        "metaData": {},
    } | changes


def aged(when: dict[str, Any]) -> dict[str, Any]:
    return {"id": "s", "timeAtLastEncounter": when}


def named(*identifiers: str, **more: Any) -> list[dict[str, Any]]:
    return [{"term": {"id": identifier, "label": "a disease"}} | more for identifier in identifiers]


def write_lines(path: Path, packets: list[Any]) -> Path:
    path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in packets))
    return path


def reasons(table: PatientTable) -> list[tuple[int, str, bool]]:
    return [(notice.line, notice.reason, notice.refused) for notice in table.notices]


def test_a_phenopacket_becomes_a_record(tmp_path: Path) -> None:
    table = read(write_lines(tmp_path / "p.jsonl", [packet(1)]))
    assert table.format == "phenopackets"
    assert table.notices == ()
    assert table.records == (
        Record(
            "1.png",
            condition="WS",
            age_years=7.25,
            age_group="child",
            person="s1",
            sex="female",
            present=("HP:0000286",),
            absent=("HP:0000508",),
            disease="OMIM:194050 Williams-Beuren syndrome",
            others={"phenopacket_id": "p1"},
        ),
    )


def test_a_folder_of_phenopackets_is_read_and_the_names_of_protobuf_are_understood(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.json").write_text(json.dumps(packet(1)))
    snake = {
        "id": "p2",
        "subject": {
            "id": "s2",
            "time_at_last_encounter": {
                "age_range": {"start": {"iso8601duration": "P3Y"}, "end": {"iso8601duration": "P5Y"}}
            },
        },
        "phenotypic_features": [{"type": {"id": "HP:0000154"}}],
        "interpretations": [{"diagnosis": {"disease": {"id": "ORPHA:2322", "label": "Kabuki syndrome"}}}],
        "files": [{"uri": "file:///b.png"}, {"uri": "sub/b.PNG"}, {"uri": "scan.dcm"}],
    }
    (tmp_path / "sub" / "b.json").write_text(json.dumps(snake))
    table = read(tmp_path)
    assert [(r.file, r.condition, r.age_years, r.age_source) for r in table.records] == [
        ("1.png", "WS", 7.25, None),
        ("sub/b.PNG", "Kabuki", 4.0, "range"),
    ]
    assert table.records[1].others["age_range"] == "P3Y/P5Y"
    assert table.records[1].present == ("HP:0000154",)
    assert [notice.reason for notice in table.notices] == ["bad row"]  # file:///b.png is outside the folder


def test_bad_phenopackets_are_reported_by_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    features = [{"type": {"id": "HP:0000368"}}, {"type": {"id": "HP:9999999"}}, {"type": {"id": "HP:0000358"}}]
    packets = [
        packet(1),
        '{"id": "p2",',
        packet(3, phenotypicFeatures=features),
        packet(4, diseases=named("OMIM:194050", "ORPHA:2322")),
        packet(5, subject={"id": "s5"}),
        packet(6, subject=aged({"age": {"iso8601duration": "P140Y"}})),
        packet(7, files=[{"uri": "file://../7.png"}]),
        packet(8, diseases=named("OMIM:136140")),
        packet(9, files=[]),
        packet(10, subject=aged({"age": {"iso8601duration": "seven"}})),
        packet(11, subject=aged({"ageRange": {
            "start": {"iso8601duration": "P1Y"}, "end": {"iso8601duration": "P12Y"}}})),
        [1, 2],
        packet(13, diseases=[*named("OMIM:194050"), *named("ORPHA:2322", excluded=True)]),
        packet(1, id="again"),
        packet(15, files=[{"uri": "https://example.org/15.png"}]),
        packet(16, files=[{"uri": "file:///etc/passwd.png"}]),
    ]  # fmt: skip
    table = read(write_lines(tmp_path / "p.jsonl", packets))
    assert reasons(table) == [
        (2, "bad row", True),
        (3, "obsolete HPO term", False),
        (3, "unknown HPO term", False),
        (4, "bad row", True),
        (5, "no age", False),
        (6, "bad row", True),
        (7, "bad row", True),
        (8, "condition not in the vocabulary", False),
        (9, "bad row", True),
        (10, "bad row", True),
        (11, "wide range of ages", False),
        (12, "bad row", True),
        (14, "bad row", True),
        (15, "bad row", True),
        (16, "bad row", True),
    ]
    assert [record.file for record in table.records] == ["1.png", "3.png", "5.png", "8.png", "11.png", "13.png"]
    assert table.records[1].present == ("HP:0000358",)
    stickler = table.records[3]
    assert (stickler.condition, stickler.disease) == (None, "OMIM:136140 a disease")


def test_a_plain_table_in_csv_tsv_and_excel(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    rows = [
        ["file", "condition", "age_years", "sex", "present", "hospital"],
        ["a.png", "Williams syndrome", "P1Y6M", "F", "HP:0000343; Wide mouth", "Bonn, 2"],
        ["b.png", "22q11", 12, "male", "", None],
        ["c.png", None, 140, None, None, None],
        ["../d.png", None, 1, None, None, None],
        ["e.png", "unaffected", None, "?", None, None],
    ]
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    (tmp_path / "t.tsv").write_text("".join("\t".join(row) + "\n" for row in cells))
    (tmp_path / "t.csv").write_text("".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in cells))
    tables = [read(tmp_path / f"t.{suffix}") for suffix in ("csv", "tsv", "xlsx")]
    for table in tables:
        assert table.format == "table"
        assert reasons(table) == [
            (4, "bad row", True),
            (5, "bad row", True),
            (6, "no age", False),
            (6, "unknown sex", False),
        ]
        assert table.records == tables[0].records
    first, second, last = tables[0].records
    assert (first.condition, first.disease, first.age_years, first.sex) == ("WS", "Williams syndrome", 1.5, "female")
    assert first.present == ("HP:0000343", "HP:0000154")
    assert first.others == {"hospital": "Bonn, 2"}
    assert (second.condition, second.age_group) == ("22q11DS", "adolescent")
    assert last.condition == "unaffected"


def test_metadata_of_gestaltmatcher_are_read(tmp_path: Path) -> None:
    header = (
        "image_id\tpatient_id\tinternal_syndrome_id\tinternal_syndrome_name\tgender\tage_year\tage_month\t"
        "ethnicity_category\tethnicity_sub_category\tgene_names\tpresent_features\tabsent_features\n"
    )
    rows = (
        "17\t3\t9\tKabuki syndrome\tfemale\t4\t6\tEuropean\tGerman\tKMT2D\tHP:0000286,HP:0000508\tHP:0000154\n"
        "18\t3\t9\tKabuki syndrome\tfemale\t\t\t\t\t\t\t\n"
        "19\t4\t8\tStickler syndrome\tmale\tfour\t\t\t\t\t\t\n"
        "20\t5\t7\tStickler syndrome\tmale\t4\t\t\t\t\t\t\n"
    )
    table = read_text(tmp_path, "m.tsv", header + rows, pictures=("17_aligned.jpg", "sub/18.png", "x.png"))
    assert table.format == "gestaltmatcher"
    assert [(r.file, r.condition, r.age_years) for r in table.records] == [
        ("17_aligned.jpg", "Kabuki", 4.5),
        ("sub/18.png", "Kabuki", None),
        ("20_aligned.jpg", None, 4.0),
    ]
    first = table.records[0]
    assert (first.person, first.sex, first.ancestry) == ("3", "female", "European")
    assert (first.present, first.absent) == (("HP:0000286", "HP:0000508"), ("HP:0000154",))
    assert first.others == {
        "image_id": "17",
        "internal_syndrome_id": "9",
        "ethnicity_sub_category": "German",
        "gene_names": "KMT2D",
    }
    assert reasons(table) == [
        (3, "no age", False),
        (4, "bad row", True),
        (5, "condition not in the vocabulary", False),
    ]
    old = read_text(tmp_path, "old.csv", "image_id,subject,label\n5,1,Williams-Beuren Syndrome\n")
    assert (old.format, old.records[0].condition, old.records[0].person) == ("gestaltmatcher", "WS", "1")


def test_a_table_of_phenoscore(tmp_path: Path) -> None:
    text = (
        "path_to_file,hpo_all,y_label\n"
        "a.jpg,\"['HP:0000343', 'HP:0000154']\",1\n"
        "b.jpg,[],0\n"
        "c.jpg,\"__import__('os')\",1\n"
        "d.jpg,[],KS\n"
    )
    table = read_text(tmp_path, "p.csv", text)
    assert table.format == "phenoscore"
    assert [(r.file, r.condition, r.disease, r.present) for r in table.records] == [
        ("a.jpg", None, None, ("HP:0000343", "HP:0000154")),
        ("b.jpg", None, "control of PhenoScore", ()),
        ("d.jpg", "Kabuki", "KS", ()),
    ]
    assert (4, "bad row", True) in reasons(table)


def test_annotations_of_facial_features(tmp_path: Path) -> None:
    (tmp_path / "KS.csv").write_text(
        "image_num,image_name,Epicanthus,Up-slanted palpebral fissure,Long philtrum,Ptosis,Other\n"
        "1,a.png,3X,2X,1X,,long lashes\n"
    )
    (tmp_path / "partitions.csv").write_text("image_name,score,fold-1\na.png,0.98,train\n")
    table = read(tmp_path)
    assert table.format == "annotations"
    [record] = table.records
    assert (record.file, record.condition) == ("a.png", "Kabuki")
    assert record.present == ("HP:0000286", "HP:0000582")
    assert record.absent == ("HP:0000508",)
    assert record.others["Long philtrum"] == "1X"
    assert record.others["fold-1"] == "train"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("none.csv", None),
        ("empty.csv", ""),
        ("other.csv", "years,mood\n3,glad\n"),
        ("misspelt.csv", "file,conditon\na.png,WS\n"),
        ("quote.csv", 'file\n"a.png\n'),
        ("bad.xlsx", "no zip"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str, text: str | None) -> None:
    if name.endswith(".xlsx"):
        pytest.importorskip("openpyxl")
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DatasetError):
        read(tmp_path / name)


def test_a_folder_without_phenopackets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        read(tmp_path)


def test_a_row_with_too_many_cells_is_bad(tmp_path: Path) -> None:
    table = read_text(tmp_path, "t.csv", "file,age_group\na.png,child,x\nb.png,child\n")
    assert reasons(table) == [(2, "bad row", True)]
    assert [record.file for record in table.records] == ["b.png"]


def test_a_row_that_names_two_conditions_is_bad(tmp_path: Path) -> None:
    text = "file,condition,disease\na.png,WS,ORPHA:2322\nb.png,WS,OMIM:194050 Williams\n"
    table = read_text(tmp_path, "t.csv", text)
    assert reasons(table) == [(2, "bad row", True)]
    assert [record.disease for record in table.records] == ["OMIM:194050 Williams"]


@pytest.mark.parametrize(
    ("text", "years"),
    [("P7Y3M", 7.25), ("P3W", 21 / 365.25), ("P1YT5H", 1), ("0.5", 0.5), ("P10M2D", 10 / 12 + 2 / 365.25)],
)
def test_ages_in_iso_8601_become_years_and_come_back(text: str, years: float) -> None:
    assert parse_age(text) == pytest.approx(years, abs=1e-5)
    assert parse_age(format_age(years)) == pytest.approx(years, abs=1e-5)


def test_every_day_of_a_childhood_comes_back() -> None:
    ages = [f"P{years}Y{months}M{days}D" for years in (1, 7, 17) for months in range(1, 12) for days in range(1, 30)]
    assert [format_age(parse_age(age)) for age in ages] == ages


@pytest.mark.parametrize("text", ["", "P", "PT5H", "-1", "nan", "1e9", "7 years", "P7Y/P3Y"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(DatasetError):
        parse_age(text)
