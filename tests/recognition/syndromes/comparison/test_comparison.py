"""Comparison of models on drawn descriptors: the plan, the scores, what is kept, and the report."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError, DatasetError
from recognition.syndromes.cohorts.person import Cohort
from recognition.syndromes.comparison import tasks
from recognition.syndromes.comparison.comparison import Comparison, compare_features, plan_comparison
from recognition.syndromes.comparison.page import write_report
from recognition.syndromes.comparison.settings import ComparisonSettings
from recognition.syndromes.comparison.tables import tabulate_results
from recognition.syndromes.comparison.tasks import ImportanceTask
from recognition.syndromes.features.layout import Layout
from tests.recognition.syndromes.comparison.people import draw_cohort, draw_faces

SETTINGS = ComparisonSettings(("neighbours",), runs=2, permutations=199)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("comparison")


COHORT, FEATURES = draw_cohort({"clear": 12, "hidden": 8, "rare": 4}, 60)


LONELY = [one.person for one in COHORT.patients("hidden")[:5]]


@pytest.fixture(scope="module")
def comparison(folder: Path) -> Comparison:
    return compare_features(COHORT, FEATURES, folder, SETTINGS)


def test_a_clear_syndrome_is_recognised_and_a_hidden_one_is_not(comparison: Comparison) -> None:
    against_controls = {one.syndrome: one for one in comparison.results if not one.opponent and one.scheme == "folds"}
    clear, hidden = against_controls["clear"], against_controls["hidden"]
    assert clear.summary.auc.mean > 0.9
    assert (clear.summary.p or 1) < 0.05 < (hidden.summary.p or 0)


def test_the_main_table_has_intervals_and_corrected_p_values_of_the_area_that_is_tested(comparison: Comparison) -> None:
    header, *rows = tabulate_results(comparison, "folds")
    results = [one for one in comparison.results if not one.opponent and one.scheme == "folds"]
    for row, result in zip(rows, results, strict=True):
        cells = dict(zip(header, row, strict=True))
        assert f"{result.summary.auc.low:.2f}" in row[header.index("95 %")]
        assert float(cells["p (Holm)"]) >= float(cells["p"])
        assert 0 < float(cells["tested AUC"]) <= 1
    (clear, _) = rows
    assert clear[header.index("p (Holm)")] == f"{2 * float(clear[header.index('p')]):.3f}"


def test_syndromes_of_few_patients_are_left_out_with_the_reason(comparison: Comparison) -> None:
    (left_out,) = comparison.left_out
    assert (left_out.syndrome, left_out.patients) == ("rare", 4)
    assert {one.syndrome for one in comparison.results} == {"clear", "hidden"}


def test_controls_are_redrawn_and_used_once_in_a_run(comparison: Comparison) -> None:
    runs = [one.matching for one in comparison.matched if one.syndrome == "clear" and not one.opponent]
    used = [{control.person for _, control in run.pairs} for run in runs]
    assert all(len(names) == len(run.pairs) for names, run in zip(used, runs, strict=True))
    assert used[0] != used[1]


def test_syndromes_are_compared_with_each_other(comparison: Comparison) -> None:
    versus = [(one.syndrome, one.opponent, one.scheme) for one in comparison.results if one.opponent]
    assert sorted(versus) == [("clear", "hidden", "folds"), ("hidden", "clear", "folds")]


def test_the_order_of_the_files_does_not_matter(comparison: Comparison, tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(len(FEATURES))
    shuffled = compare_features(COHORT, FEATURES.take(order), tmp_path, SETTINGS)
    for one, other in zip(comparison.results, shuffled.results, strict=True):
        for run, again in zip(one.runs, other.runs, strict=True):
            assert run.scores == again.scores


def test_answers_are_kept(comparison: Comparison, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "predict_unseen", None)
    again = compare_features(COHORT, FEATURES, folder, SETTINGS)
    assert [one.runs[0].scores for one in again.results] == [one.runs[0].scores for one in comparison.results]


def test_processes_answer_as_one_does(comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = tasks.ProcessPoolExecutor  # of one process, since each takes seconds to start
    monkeypatch.setattr(tasks, "ProcessPoolExecutor", lambda _, *arguments, **named: pool(1, *arguments, **named))
    settings = replace(SETTINGS, models=("neighbours",), runs=1, opponents=False, schemes=("folds",))
    alone, together = (
        compare_features(COHORT, FEATURES, tmp_path / str(workers), settings, workers=workers) for workers in (1, 2)
    )
    assert [one.runs[0].scores for one in alone.results] == [one.runs[0].scores for one in together.results]


def test_people_whose_features_a_model_cannot_take_are_not_matched(comparison: Comparison) -> None:
    lost = next(row for row, file in enumerate(FEATURES.files) if file.startswith("clear"))
    X = FEATURES.X.copy()
    X[lost] = np.nan
    matched, _ = plan_comparison(COHORT, replace(FEATURES, X=X), SETTINGS)
    assert lost not in {row for one in matched for row in one.rows}


def test_a_syndrome_of_few_pairs_is_left_out_and_the_others_are_compared(tmp_path: Path) -> None:
    cohort = Cohort(tuple(replace(one, age=90.0) if one.person in LONELY else one for one in COHORT.persons))
    settings = replace(SETTINGS, runs=1, schemes=("leave_one_out",))
    few = compare_features(cohort, FEATURES, tmp_path, settings)
    assert {one.syndrome for one in few.left_out} == {"hidden", "rare"}
    assert {one.syndrome for one in few.results} == {"clear"}


@pytest.mark.parametrize("lost", [3, 12])
def test_a_syndrome_that_some_models_cannot_take_is_left_out_there(lost: int) -> None:
    X = FEATURES.X.copy()
    patients = [row for row, file in enumerate(FEATURES.files) if file.startswith("clear")]
    X[patients[: 12 - lost] if lost == 3 else patients] = np.nan
    faces = draw_faces(COHORT)
    rows = [faces.files.index(file) for file in FEATURES.files]
    layout = Layout((*FEATURES.layout.blocks, *faces.layout.blocks))
    both = replace(FEATURES, X=np.concatenate([X, faces.X[rows]], axis=1), layout=layout)
    matched, left_out = plan_comparison(COHORT, both, replace(SETTINGS, models=("neighbours", "distances")))
    assert ("clear", ("neighbours",)) in [(one.syndrome, one.models) for one in left_out]
    assert {one.model for one in matched if one.syndrome == "clear"} == {"distances"}


def test_a_syndrome_of_which_no_record_can_be_used_is_left_out() -> None:
    _, left_out = plan_comparison(replace(COHORT, absent=("lost",)), FEATURES, SETTINGS)
    assert ("lost", 0) in [(one.syndrome, one.patients) for one in left_out]


def test_a_cohort_without_controls_is_refused(comparison: Comparison, tmp_path: Path) -> None:
    patients = tuple(one for one in COHORT.persons if one.syndrome)
    with pytest.raises(DatasetError):
        compare_features(Cohort(patients), FEATURES, tmp_path, replace(SETTINGS, opponents=False))


def test_unknown_models_are_refused() -> None:
    with pytest.raises(ConfigError):
        ComparisonSettings(("oracle",))


@pytest.mark.parametrize(
    ("models", "tested"), [((), "ensemble"), (("hybrid",), "neighbours"), ((), "pointnet_tuned"), ((), "oracle")]
)
def test_models_that_are_not_compared_cannot_be_tested(models: tuple[str, ...], tested: str) -> None:
    with pytest.raises(ConfigError):
        ComparisonSettings(models, tested=(tested,))


def test_the_report_has_the_scores_and_everybody_left_out(comparison: Comparison, tmp_path: Path) -> None:
    (tmp_path / "report.html").touch(0o644)
    write_report(tmp_path, comparison)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    about = json.loads((tmp_path / "results.json").read_text())
    assert [one["syndrome"] for one in about["left_out"]] == ["rare"]
    assert about["results"][0]["runs"][0]["auc"]["value"] == comparison.results[0].runs[0].scores.auc.value
    page = (tmp_path / "report.html").read_text()
    assert "rare" in page
    predictions = (tmp_path / "predictions.csv").read_text()
    unmatched = (tmp_path / "unmatched.csv").read_text()
    patients = [one.person for one in COHORT.patients("clear")]
    assert all(name in predictions or name in unmatched for name in patients)


def test_the_most_important_distances_are_those_that_differ(comparison: Comparison, tmp_path: Path) -> None:
    faces = draw_faces(COHORT)
    matched = next(one for one in comparison.matched if one.syndrome == "clear")
    rows = [faces.files.index(one.file) for one in matched.matching.people]
    answer = ImportanceTask("distances", tuple(rows), 0).answer(faces.X[rows], faces.layout)
    most = answer["distances"][0]
    assert all(max(pair) >= 48 for pair in most["points"])  # a point of the mouth
    write_report(tmp_path, replace(comparison, important={"clear": answer}))
    assert most["name"] in (tmp_path / "distances.csv").read_text("utf-8")


def test_the_report_shows_unevenly_described_people_and_terms_that_do_not_count(tmp_path: Path) -> None:
    cohort, features = draw_cohort({"clear": 8}, 30)
    seizures = ["HP:0001250", "HP:0001629"]
    terms = [seizures if person.syndrome else seizures[:1] for person in cohort.persons]
    terms[0] = [*terms[0], "HP:0000007"]  # an inheritance
    settings = replace(SETTINGS, models=("face_and_own_terms",), runs=1, schemes=("folds",), tested=())
    rows = {file: row for row, file in enumerate(features.files)}
    features = features.take([rows[person.file] for person in cohort.persons]).with_terms(terms)
    about = write_report(tmp_path, compare_features(cohort, features, tmp_path, settings))
    counts = about["terms"]["clear"]
    assert (counts["patients"], counts["controls"], counts["auc"]["value"]) == (2, 1, 1)
    assert "HP:0000007" in (tmp_path / "problems.csv").read_text()
