from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import DatasetError
from faces.datasets.dataset import Dataset, DatasetWriter
from faces.measures.identities import identities, standardise
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.person import identity_vector, phantom
from faces.phantoms.phantom_dataset import TRUTH, nth_phantom, synthesise


def test_phantoms_are_known(tmp_path: Path) -> None:
    synthesise(tmp_path / "set", count=3, size=32, seed=7)
    with Dataset.open(tmp_path / "set") as data:
        found = identities(data)
    np.testing.assert_allclose(found, [identity_vector(nth_phantom(7, index)) for index in range(3)], atol=1e-6)


def test_a_table_that_lacks_a_picture_is_refused(tmp_path: Path) -> None:
    synthesise(tmp_path / "set", count=2, size=32, seed=7)
    table = tmp_path / "set" / TRUTH
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:2]))
    with (
        Dataset.open(tmp_path / "set") as data,
        pytest.raises(DatasetError, match=r"lacks .*00001.*draw the set anew"),
    ):
        identities(data)


def test_other_pictures_are_described(tmp_path: Path) -> None:
    """One person is nearer to herself older than to others; a picture without a face is unknown."""
    people = [phantom("unaffected", age, 0.2, identity) for identity, age in ((3, 30), (3, 34), (8, 30), (12, 30))]
    with DatasetWriter(tmp_path / "set") as writer:
        for picture in [*(draw_phantom(person, 160).image for person in people), np.full((160, 160, 3), 128, np.uint8)]:
            writer.add(picture)
    done: list[int] = []
    with Dataset.open(tmp_path / "set") as data:
        found = identities(data, done.append)
    assert found.shape == (5, 128)
    assert done == [1] * 5
    assert np.isnan(found[4]).all()
    distances = np.linalg.norm(found[0] - found[1:4], axis=1)
    assert distances[0] < distances[1:].min()


def test_standardised_over_the_known() -> None:
    identity = np.random.default_rng(0).normal(5, 3, (50, 2)).astype(np.float32)
    identity = np.concatenate([identity, np.full((1, 2), np.nan, np.float32)])
    identity = np.concatenate([identity, np.ones((51, 1), np.float32)], axis=1)
    scaled = standardise(identity)
    np.testing.assert_allclose(scaled[:50].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[:50].std(axis=0), [1, 1, 0], atol=1e-5)
    assert np.isnan(scaled[50, :2]).all()
    with pytest.raises(DatasetError, match="no face is found on any of 2 pictures; train with identity_weight=0"):
        standardise(np.full((2, 3), np.nan, np.float32))
