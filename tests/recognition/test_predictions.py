"""What is saved comes back, what cannot be a prediction is refused, and runs on other images are told apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import DatasetError
from recognition.predictions import Predictions, align_predictions, pool_predictions


def predictions() -> Predictions:
    return Predictions(
        classes=("WS", "unaffected"),
        keys=("a" * 64, "b" * 64, "c" * 64),
        persons=("p, 1", "p, 1", "p2"),
        truths=np.array([0, 0, 1], dtype=np.int64),
        age_groups=("child", None, "infant"),
        probabilities=np.array([[0.7, 0.3], [0.1, 0.9], [1 / 3, 2 / 3]]),
        undecided=np.array([False, False, True]),
    )


def test_a_saved_file_gives_the_same_back(tmp_path: Path) -> None:
    first = predictions()
    first.save(tmp_path / "out" / "predictions.csv")
    second = Predictions.load(tmp_path / "out" / "predictions.csv")
    for name in ("classes", "keys", "persons", "age_groups"):
        assert getattr(second, name) == getattr(first, name)
    for name in ("truths", "probabilities", "undecided"):
        ours, theirs = getattr(second, name), getattr(first, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["predictions.csv"]


def test_undecided_images_are_not_correct() -> None:
    assert predictions().chosen.tolist() == [0, 1, -1]
    assert predictions().correct.tolist() == [True, False, False]
    assert predictions().conditions == ("WS", "WS", "unaffected")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keys": ("a", "b", "a")}, "in the test set twice"),
        ({"keys": ("a", "b")}, "expected 2 rows"),
        ({"truths": np.array([0, 0, 2])}, "truths are 0 to 2; expected 0 to 1"),
        ({"probabilities": np.array([[0.7, 0.3], [0.1, 0.9], [0.3, 0.3]])}, "sum to 1"),
        ({"probabilities": np.array([[0.7, 0.3], [np.nan, 0.9], [0.5, 0.5]])}, "nan.*sum to 1"),
        ({"probabilities": np.ones((3, 1))}, r"expected 3 rows each and probabilities of \(3, 2\)"),
        ({"classes": ("WS", "WS")}, "'WS' is there twice"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        replace(predictions(), **change)  # type: ignore[arg-type]


def _cut(text: str) -> str:
    return text[: text.rindex(",")]


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda text: text.replace("truth", "label"), "has the columns key, person, label"),
        (lambda text: "", r"has the columns \(none\)"),
        (lambda text: text.splitlines()[0] + "\n", "predictions of 0 images"),
        (lambda text: text.replace("WS,child", "XY,child"), "row 2, column truth: 'XY' is unknown"),
        (lambda text: text.replace("0.7", "much"), "row 2: .*much"),
        (lambda text: text.replace("child,0", "child,no"), "row 2, column undecided: 'no'"),
        (_cut, "row 4 has 6 cells; expected 7"),
    ],
)
def test_a_damaged_file_is_told_by_row_and_column(break_it: Callable[[str], str], message: str, tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    predictions().save(path)
    path.write_text(break_it(path.read_text()))
    with pytest.raises(DatasetError, match=message):
        Predictions.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.csv cannot be read"):
        Predictions.load(tmp_path / "none.csv")


def test_another_order_is_put_in_order() -> None:
    first = predictions()
    second = align_predictions(first, first.select([2, 0, 1]), "one", "two")
    assert second.keys == first.keys
    np.testing.assert_array_equal(second.probabilities, first.probabilities)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keys": ("a" * 64, "b" * 64, "d" * 64)}, "one and two were measured on different images: 1 of 3 are only"),
        ({"classes": ("unaffected", "WS")}, "same classes in the same order"),
        ({"truths": np.array([0, 1, 1], dtype=np.int64)}, "truth 'WS' in one and 'unaffected' in two"),
        ({"persons": ("p, 1", "p, 1", "p3")}, "person 'p2' in one and 'p3' in two"),
        ({"age_groups": ("child", "child", "infant")}, "age group None in one and 'child' in two"),
    ],
)
def test_runs_on_other_images_are_not_compared(change: dict[str, object], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        align_predictions(predictions(), replace(predictions(), **change), "one", "two")  # type: ignore[arg-type]


def test_pooled_runs_count_each_image_once_a_run() -> None:
    first = predictions()
    other = replace(first, probabilities=first.probabilities[:, ::-1].copy(), undecided=np.zeros(3, dtype=bool))
    both = pool_predictions([first, other.select([1, 2, 0])])
    assert len(both) == 6
    assert len(set(both.keys)) == 6
    assert both.persons == first.persons * 2
    assert both.correct.mean() == (first.correct.mean() + other.correct.mean()) / 2
    with pytest.raises(DatasetError, match="run 0 and run 1 were measured on different images"):
        pool_predictions([first, first.select([0, 1])])
