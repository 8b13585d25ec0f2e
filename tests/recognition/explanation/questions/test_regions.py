from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.errors import DatasetError
from faces.datasets.records import Record
from recognition.explanation import METHODS
from recognition.explanation.questions.affected_or_not import (
    choose_test,
    compare_conditions,
    compare_with_unaffected,
    count_significant,
)
from recognition.explanation.questions.condition_terms import compare_terms
from recognition.explanation.questions.hpo_terms import (
    TermCorrelation,
    correlate_terms,
    read_rater_sheet,
    score_records,
)
from recognition.explanation.questions.published import find_correlation, find_count
from recognition.explanation.questions.region_report import FILES, answer_questions, write_region_report
from recognition.explanation.questions.relevance_table import RelevanceTable, read_relevance
from recognition.statistics import Sampling

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


def test_a_region_that_differs_is_found_and_others_as_rarely_as_the_level_says() -> None:
    sampling = Sampling(resamples=100)
    moved, others, held = [], [], []
    for seed in range(20):
        for test in compare_with_unaffected(make_table(seed=seed), sampling=sampling):
            if (test.region, test.method) == ("mouth", "gradcam"):
                moved.append(test)
                held.append(test.difference.low < 4 < test.difference.high)
            else:
                others.append(test)
    assert all(test.holm < 0.01 for test in moved)
    assert count_significant(moved) == {("WS", "mouth"): 20}
    assert {test.affected for test in moved} == {12}
    assert all(test.bonferroni == pytest.approx(min(1, 2 * test.p)) for test in others)
    assert np.mean([test.p < 0.05 for test in others]) < 0.15
    assert np.mean(held) > 0.7
    differing = [test.method for test in compare_conditions(make_table()) if test.holm < 1e-3]
    assert differing == ["gradcam"]


def test_the_test_follows_the_distributions() -> None:
    generator = np.random.default_rng(2)

    def choose(second: Callable[[np.ndarray], np.ndarray], size: int = 30) -> Counter[str]:
        draws = generator.normal(size=(60, 2, 30))
        return Counter(choose_test(first, second(other[:size]))[0] for first, other in draws)

    # Each of three assumptions is rejected in one of twenty normal samples.
    assert choose(lambda values: values)["Student"] > 40
    assert choose(lambda values: values, size=20)["Welch"] > 40
    assert choose(lambda values: 6 * values)["Mann-Whitney"] == 60
    assert choose(lambda values: np.exp(2 * values))["Mann-Whitney"] == 60


def test_relevance_goes_with_the_terms_of_its_region() -> None:
    found: dict[tuple[str, str], list[TermCorrelation]] = {}
    for seed in range(10):
        table = make_table(seed=seed)
        for one in correlate_terms(table, score_records(table.faces), resamples=100):
            found.setdefault((one.region, one.method), []).append(one)
    with_terms, without = found["mouth", "gradcam"], found["eyes", "gradcam"]
    assert all(one.mean > 0.7 and one.low > 0.4 and one.deviation < 0.2 for one in with_terms)
    assert abs(np.mean([one.mean for one in without])) < 0.25
    assert {one.persons for one in without} == {24}


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


def test_published_figures_stand_beside_our_own(tmp_path: Path) -> None:
    table = make_table(persons=6)
    write_region_report(tmp_path, table, "unaffected", answer_questions(table, "unaffected"))
    written = json.loads((tmp_path / "regions.json").read_text())
    assert {(one["region"], one["published"]) for one in written["significant"]} == {("eyes", 9), ("mouth", 11)}
    rows = list(csv.DictReader((tmp_path / "correlations.csv").read_text().splitlines()))
    found = {(row["region"], row["method"]): row["published_mean"] for row in rows}
    assert found["mouth", "gradcam"] == "0.53"
    assert found["eyes", "occlusion"] == "0.111"


def test_every_method_has_published_correlations_and_kabuki_syndrome_no_counts() -> None:
    assert all(find_correlation(region, method) for method in METHODS for region in ("eyes", "nose", "mouth"))
    assert find_correlation("chin", "gradcam") is None
    assert find_count("Kabuki", "eyes") is None
