from __future__ import annotations

import numpy as np
import pytest

from core.errors import DatasetError
from faces.datasets.records import Record, Table, decode_label, encode_label, read_table, write_table
from faces.labels import AgeGroup


def read(text: str, **options: object) -> Table:
    return read_table(text.encode(), "people.csv", **options)  # type: ignore[arg-type]


def test_table_comes_back_as_written() -> None:
    records = (
        Record("a.png", "WS", 1.5, "infant", 0.25, "p1", 'a "quoted", source', "CC0"),
        Record("b.png"),
        Record("c.png", age_group="child"),
    )
    assert read(write_table(records)) == Table(records, ())


def test_a_phenotype_comes_back_as_written_with_columns_that_nobody_knows() -> None:
    records = (
        Record("a.png", sex="female", present=("HP:0000343", "HP:0000154"), absent=("HP:0000508",), age_source="range"),
        Record(
            "b.png", disease="OMIM:136140 Floating-Harbor syndrome", ancestry="South Asian", others={"camera": "x, y"}
        ),
    )
    text = write_table(records)
    assert read(text) == Table(records, ("camera",))
    assert text.splitlines()[0].endswith("licence,sex,ancestry,present,absent,disease,age_source,camera")
    assert write_table([Record("a.png")]).splitlines()[0].endswith("source,licence")  # as before phenotypes were known


def test_cells_may_be_empty_and_the_age_group_follows_from_the_age() -> None:
    table = read("file,age_years,mood\na.png,35,glad\nb.png,,\n\nc.png,1.99,\n")
    assert [record.age_group for record in table.records] == ["older_adult", None, "infant"]
    assert table.other_columns == ("mood",)


def test_columns_are_renamed_and_excel_is_understood() -> None:
    (record,) = read("\ufefffile, years \r\na.png,12\r\n", columns={"years": "age_years"}).records
    assert record.age_years == 12
    assert record.age_group == "adolescent"


def test_conditions_of_another_vocabulary_are_read() -> None:
    (record,) = read("file,condition,age_years\na,KS,3\n", conditions=("KS",), ages=(AgeGroup("all", 0, 99),)).records
    assert (record.condition, record.age_group) == ("KS", "all")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file,condition\na.png,WS\nb.png,Ws\n",
            r"row 3, column condition: 'Ws' is unknown; expected one of WS, ",
        ),
        ("file,age_group\na.png,old\n", "row 2, column age_group: 'old' is unknown; expected one of infant"),
        (
            "file,age_years\na.png,abc\n",
            "row 2, column age_years: 'abc' does not fit; expected an age in years",
        ),
        ("file,age_years\na.png,-1\n", "'-1' does not fit; expected an age in years, 0 or more"),
        ("file,age_years\na.png,nan\n", "'nan' does not fit"),
        (
            "file,expression\na.png,1.2\n",
            "row 2, column expression: '1.2' does not fit; expected a smile, 0 to 1",
        ),
        (
            "file,age_years,age_group\na.png,30,child\n",
            "row 2, column age_group: 'child' contradicts age_years 30; expected young_adult, or empty",
        ),
        ("file\na.png\nb.png\na.png\n", "row 4, column file: 'a.png' is listed twice; keep one"),
        ("file,person\n,p1\n", "row 2, column file: '' is empty"),
        ("file,sex\na.png,unknown\n", "row 2, column sex: 'unknown' is unknown; expected one of female"),
        ("file,person\na.png,b,c\n", "row 2 has more cells than columns"),
        ("file;condition\na.png;WS\n", "has the columns file;condition; expected a comma-separated table"),
        ("", r"has the columns \(none\)"),
        ("file,file\na,b\n", "'file' more than once"),
        ('file\n"a.png\n', "row .*: unexpected end of data"),
    ],
)
def test_errors_name_row_column_value_and_remedy(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=f"people.csv.*{message}"):
        read(text)


def test_age_between_the_groups() -> None:
    with pytest.raises(DatasetError, match=r"'50' is in no age group; .*young"):
        read("file,age_years\na.png,50\n", ages=(AgeGroup("young", 0, 20),))


def test_renaming_a_column_that_is_not_there() -> None:
    with pytest.raises(DatasetError, match="no column 'jahre' to rename; it has file"):
        read("file\na.png\n", columns={"jahre": "age_years"})


def test_table_that_is_not_text() -> None:
    with pytest.raises(DatasetError, match="not UTF-8"):
        read_table(b"file\n\xff\xfe\n", "people.csv")


def test_label_is_one_hot_where_known_and_uniform_where_not() -> None:
    both = encode_label(Record(condition="22q11DS", age_group="child"))
    assert both.dtype == np.float32
    assert both.tolist() == [0, 1, 0, 0, 0, 1, 0, 0, 0]
    np.testing.assert_allclose(encode_label(Record()), [0.25] * 4 + [0.2] * 5)


def test_record_is_read_back_from_a_label() -> None:
    for record in (Record("a", "WS", age_group="infant"), Record("a", "WS"), Record("a")):
        assert decode_label("a", encode_label(record)) == record
    assert decode_label("a", np.ones(3, np.float32)) == Record("a")


@pytest.mark.parametrize(
    ("column", "meant"), [("conditon", "condition"), ("Age_Years", "age_years"), ("age group", "age_group")]
)
def test_a_misspelt_column_is_refused_with_the_name_that_is_meant(column: str, meant: str) -> None:
    table = f"file,{column}\na.png,\n".encode()
    with pytest.raises(DatasetError, match=f"did you mean '{meant}'.*--column {column}={meant}"):
        read_table(table, "table.csv")
    assert read_table(table, "table.csv", columns={column: meant}).other_columns == ()


def test_columns_unlike_any_known_one_are_ignored() -> None:
    table = b"file,condition,camera,conditions_of_light\na.png,WS,x,y\n"
    assert read_table(table, "table.csv").other_columns == ("camera", "conditions_of_light")
