from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import DatasetError
from faces.datasets.dataset import Dataset
from faces.labels import AGE_GROUPS, CONDITIONS, find_age_group
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.person import attributes
from faces.phantoms.phantom_dataset import TRUTH, nth_phantom, synthesise


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("phantoms") / "a"
    synthesise(path, count=40, size=32, seed=5)
    return path


def test_set_is_balanced_and_its_truth_is_known(made: Path) -> None:
    dataset = Dataset.open(made)
    assert (len(dataset), dataset.size) == (40, 32)
    assert {number for row in dataset.counts().values() for number in row.values()} == {2}
    points = dataset.landmarks()
    assert points is not None
    with (made / TRUTH).open(newline="") as file:
        truth = list(csv.DictReader(file))
    for index in (0, 7, 39):
        phantom, record = nth_phantom(5, index), dataset.record(index)
        rendered = draw_phantom(phantom, 32)
        np.testing.assert_array_equal(dataset.image(index), rendered.image)
        np.testing.assert_allclose(points[index], rendered.landmarks, rtol=1e-5)
        assert (record.condition, record.age_years, record.expression) == (
            phantom.condition,
            phantom.age_years,
            phantom.smile,
        )
        assert truth[index]["file"] == record.file
        assert int(truth[index]["identity"]) == phantom.identity
        for name, value in attributes(phantom).items():
            assert float(truth[index][name]) == pytest.approx(value, abs=1e-6)


def test_everyone_is_another_person(made: Path) -> None:
    persons = {record.person for record in Dataset.open(made).records}
    assert len(persons) == 40
    assert nth_phantom(6, 0).identity not in {nth_phantom(5, index).identity for index in range(40)}


def test_bytes_do_not_depend_on_the_workers(tmp_path: Path) -> None:
    for workers in (1, 2):
        synthesise(tmp_path / f"{workers}.zip", count=40, size=16, seed=1, workers=workers)
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_ages_and_smiles_cover_their_ranges() -> None:
    phantoms = [nth_phantom(0, index) for index in range(400)]
    groups = Counter((p.condition, find_age_group(p.age_years).name) for p in phantoms)
    assert set(groups.values()) == {400 // len(CONDITIONS) // len(AGE_GROUPS)}
    smiles = [p.smile for p in phantoms]
    assert min(smiles) < 0.05
    assert max(smiles) > 0.95
    assert 85 < max(p.age_years for p in phantoms) <= 90


@pytest.mark.parametrize("wrong", [{"count": 0}, {"size": 4}, {"workers": 0}, {"seed": -1}])
def test_numbers_out_of_range(wrong: dict[str, int], tmp_path: Path) -> None:
    (name,) = wrong
    arguments: dict[str, Any] = {"count": 1, "size": 16, "seed": 0, "workers": 1} | wrong
    with pytest.raises(DatasetError, match=f"{name} is {wrong[name]}; expected"):
        synthesise(tmp_path / "a", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_drawing_reports_its_progress(tmp_path: Path) -> None:
    told: list[int] = []
    synthesise(tmp_path / "a.zip", count=3, size=16, seed=0, on_progress=told.append)
    assert told == [1, 2, 3]
