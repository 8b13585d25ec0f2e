from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import DatasetError
from faces.datasets.records import Record
from recognition.explanation.questions.affected_or_not import (
    choose_test,
    compare_conditions,
    compare_with_unaffected,
    count_significant,
)
from recognition.explanation.questions.condition_terms import compare_terms
from recognition.explanation.questions.hpo_terms import correlate_terms, read_rater_sheet, score_records
from recognition.explanation.questions.region_report import FILES, answer_questions, write_region_report
from recognition.explanation.questions.relevance_table import RelevanceTable, read_relevance

LONG_PHILTRUM, EPICANTHUS = "HP:0000343", "HP:0000286"


def make_table(persons: int = 12, folds: int = 2, seed: int = 1) -> RelevanceTable:
    """Persons with two faces each: WS moves the mouth in the first method, and goes with a term of the mouth."""
    generator = np.random.default_rng(seed)
    faces = tuple(
        Record(
            file=f"{condition}-{person}-{face}.png",
            condition=condition,
            person=f"{condition}-{person}",
            present=((LONG_PHILTRUM,) if condition == "WS" else ()) + ((EPICANTHUS,) if person % 2 else ()),
        )
        for condition in ("WS", "unaffected")
        for person in range(persons)
        for face in range(2)
    )
    values = generator.normal(size=(folds, len(faces), 2, 2))
    values[:, : len(faces) // 2, 0, 1] += 4
    return RelevanceTable(faces, ("gradcam", "occlusion"), ("eyes", "mouth"), values)


def test_a_region_that_differs_is_found_and_no_other() -> None:
    tests = compare_with_unaffected(make_table())
    assert len(tests) == 4
    assert {test.affected for test in tests} == {12}
    assert count_significant(tests) == {("WS", "eyes"): 0, ("WS", "mouth"): 1}
    (moved,) = (test for test in tests if test.holm < 0.01)
    assert (moved.region, moved.method) == ("mouth", "gradcam")
    assert moved.difference.low < 4 < moved.difference.high
    assert moved.bonferroni == pytest.approx(2 * moved.p)
    assert [test.method for test in compare_conditions(make_table()) if test.holm < 0.01] == ["gradcam"]


def test_the_test_follows_the_distributions() -> None:
    normal = np.random.default_rng(2).normal(size=(2, 30))
    assert choose_test(normal[0], normal[1])[0] == "Student"
    assert choose_test(normal[0], normal[1, :20])[0] == "Welch"
    assert choose_test(normal[0], 6 * normal[1])[0] == "Mann-Whitney"
    assert choose_test(normal[0], np.exp(2 * normal[1]))[0] == "Mann-Whitney"


def test_relevance_goes_with_the_terms_of_its_region() -> None:
    results = {(c.region, c.method): c for c in correlate_terms(make_table(), score_records(make_table().faces))}
    assert results["mouth", "gradcam"].mean > 0.7
    assert results["mouth", "gradcam"].low > 0.5
    assert results["mouth", "gradcam"].deviation < 0.2
    assert abs(results["eyes", "gradcam"].mean) < 0.5
    assert results["eyes", "gradcam"].persons == 24


def test_the_term_that_tells_conditions_apart_comes_first() -> None:
    first, second = compare_terms(make_table().faces)
    assert (first.term, second.term) == (LONG_PHILTRUM, EPICANTHUS)
    assert first.holm < 0.001
    assert second.statistic == 0


def test_a_rater_sheet_is_read_as_shares_of_three_raters(tmp_path: Path) -> None:
    sheet = tmp_path / "WS.csv"
    sheet.write_text("image_num,image_name,Long philtrum,Ptosis,Other\n1,a.png,2X,,\n2,b.png,,3x,tired\n")
    assert read_rater_sheet(sheet) == {"a.png": {LONG_PHILTRUM: 2 / 3}, "b.png": {"HP:0000508": 1.0}}


@pytest.mark.parametrize(
    "text",
    ["image_name,Long philtrum\na,4X\n", "image_name,Long philtrum\na,yes\n", "image_name,Nonsense\na,1X\n", "x\n"],
)
def test_broken_rater_sheets_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "sheet.csv").write_text(text)
    with pytest.raises(DatasetError):
        read_rater_sheet(tmp_path / "sheet.csv")


def test_groups_of_four_persons_are_refused() -> None:
    for ask in (compare_with_unaffected, compare_conditions):
        with pytest.raises(DatasetError):
            ask(make_table(persons=4))
    with pytest.raises(DatasetError):
        compare_terms(make_table(persons=4).faces)


def write_relevance(path: Path, table: RelevanceTable) -> None:
    lines = ["file,fold,method,region,relevance"]
    for (fold, face, method, region), value in np.ndenumerate(table.values):
        names = table.faces[face].file, str(fold), table.methods[method], table.regions[region]
        lines.append(",".join([*names, repr(float(value))]))
    path.write_text("\n".join(lines))


def test_a_table_of_relevances_is_read(tmp_path: Path) -> None:
    table = make_table(persons=5)
    write_relevance(tmp_path / "relevance.csv", table)
    again = read_relevance(tmp_path / "relevance.csv", table.faces)
    assert again.faces == table.faces
    np.testing.assert_array_equal(again.values, table.values)
    with pytest.raises(DatasetError):
        read_relevance(tmp_path / "relevance.csv", table.faces[1:])


def test_the_report_has_its_files(tmp_path: Path) -> None:
    table = make_table(persons=6)
    write_region_report(tmp_path, table, "unaffected", answer_questions(table, "unaffected"))
    assert {file.name for file in tmp_path.iterdir()} == set(FILES)
    written = json.loads((tmp_path / "regions.json").read_text())
    assert len(written["affected"]) == 4
    assert written["terms"][0]["term"] == LONG_PHILTRUM
