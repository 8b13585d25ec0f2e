from __future__ import annotations

import pytest

from core.errors import DatasetError, LabelError
from faces.datasets.records import Record
from recognition.syndromes.cohorts.person import Person, find_controls, read_cohort

RECORDS = [
    Record("a.png", "WS", 7.0, person="p1", sex="male", ancestry="A"),
    Record("b.png", "other", 5.0, person="p2", sex="male", ancestry="A"),
    Record("c.png", "WS", 4.0, person="p1", sex="male", ancestry="A"),
    Record("d.png", "WS", 4.0, person="p3", ancestry="A"),
    Record("e.png", "WS", None, person="p4", sex="female", ancestry="A"),
    Record("f.png", None, 4.0, person="p5", sex="female", ancestry="A"),
    Record("g.png", "WS", 4.0, person="p6", sex="female", ancestry="A"),
    Record("h.png", "unaffected", 4.0, person="p6", sex="female", ancestry="A"),
    Record("i.png", "22q11DS", 0.0, sex="female", ancestry="A"),
    Record("j.png", "WS", 4.0, person="p7", sex="female"),
]


def test_everybody_is_read_once_and_every_problem_is_reported() -> None:
    cohort = read_cohort(RECORDS)
    assert cohort.persons == (
        Person("i.png", "i.png", "22q11DS", "female", "A", 0.0),
        Person("p1", "c.png", "WS", "male", "A", 4.0),
        Person("p2", "b.png", None, "male", "A", 5.0),
    )
    assert [one.file for one in cohort.problems if not one.used] == [f"{name}.png" for name in "adefghj"]
    assert [one.file for one in cohort.problems if one.used] == ["i.png"]
    assert cohort.syndromes == ("22q11DS", "WS")
    assert [one.person for one in cohort.controls] == ["p2"]
    assert [one.person for one in cohort.patients("WS")] == ["p1"]
    with pytest.raises(DatasetError):
        cohort.patients("NS")


def test_ancestry_is_not_needed_where_it_is_not_compared() -> None:
    cohort = read_cohort(RECORDS, ancestry=False)
    assert "p7" in [one.person for one in cohort.persons]
    assert {one.ancestry for one in cohort.persons} == {""}


def test_of_several_pictures_one_whose_face_is_found_is_taken() -> None:
    cohort = read_cohort(RECORDS, failures={"c.png": "no face", "i.png": "no face"})
    assert [one.file for one in cohort.patients("WS")] == ["a.png"]
    assert {one.file: one.reason for one in cohort.problems}["c.png"] == "no face"
    assert "a.png" not in [one.file for one in cohort.problems]
    assert cohort.absent == ("22q11DS",)


def test_controls_are_found_by_the_names_of_the_catalogue() -> None:
    assert find_controls(["williams SYNDROME", "other"], RECORDS) == ("WS", "other")
    with pytest.raises(LabelError):
        find_controls(["Kabuki"], RECORDS)


def test_the_order_of_files_does_not_matter() -> None:
    assert read_cohort(RECORDS[::-1]) == read_cohort(RECORDS)
