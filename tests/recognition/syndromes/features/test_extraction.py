from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faces.datasets.dataset import Dataset, DatasetWriter
from faces.images import Pixels
from faces.phantoms.phantom_dataset import synthesise
from recognition.syndromes.features.extraction import extract


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("phantoms") / "set"
    synthesise(path, count=3, size=128, seed=4)
    return Dataset.open(path)


def test_faces_of_a_data_set_are_represented_without_a_search_for_faces(
    phantoms: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faces.detect.FaceDetector.detect", None)
    features, failures = extract(phantoms, flat=True)
    assert features.files == tuple(record.file for record in phantoms.records)
    assert not failures
    assert np.isfinite(features.X).all()
    assert features.block("descriptor").shape == (3, 128)
    points = features.block("landmarks").reshape(3, 68, 2)
    eyes = points[:, 36:42].mean(axis=1), points[:, 42:48].mean(axis=1)
    np.testing.assert_allclose(eyes[1] - eyes[0], [[1, 0]] * 3, atol=1e-6)
    np.testing.assert_allclose(features.block("appearance").mean(axis=1), 0, atol=1e-5)


def test_points_of_heads_lie_where_the_landmarks_are(phantoms: Dataset) -> None:
    features, _ = extract(phantoms)
    assert features.block("points").shape == (3, 510 * 3)
    points, landmarks = features.block("points").reshape(3, 510, 3), features.block("landmarks").reshape(3, 68, 2)
    chins = [shape[:, 1].max() for shape in points]
    np.testing.assert_allclose(chins, landmarks[:, 8, 1], atol=0.25)
    assert np.ptp(points[:, :, 2]) > 0.3


def test_a_face_without_a_head_keeps_its_other_blocks_and_has_a_reason(
    phantoms: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("faces.heads.fit.LARGEST_RESIDUAL", 0.0)
    for _ in range(2):
        features, failures = extract(phantoms, cache=tmp_path)
        assert not failures
        assert [*features.gaps] == [*features.files]
        assert features.complete(["descriptor", "distances2d"]).all()
        assert not features.complete(["points"]).any()


def test_a_cache_gives_the_same_and_is_private(
    phantoms: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = extract(phantoms, flat=True, cache=tmp_path)
    monkeypatch.setattr("recognition.syndromes.features.descriptors.DlibDescriptor.__call__", None)
    again, _ = extract(phantoms, flat=True, cache=tmp_path)
    np.testing.assert_array_equal(first.X, again.X)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.rglob("*.npy")} == {0o600}


def test_pictures_that_cannot_be_used_are_listed_with_the_reason(tmp_path: Path) -> None:
    small = np.full((68, 2), 4.0) + np.arange(136).reshape(68, 2) % 7
    with DatasetWriter(tmp_path / "set") as writer:
        for landmarks in (small, np.full((68, 2), np.nan)):
            writer.add(np.zeros((64, 64, 3), np.uint8), landmarks=landmarks)
    features, failures = extract(Dataset.open(tmp_path / "set"), flat=True)
    assert len(features) == 0
    assert [*failures] == ["00000/img00000000.png", "00000/img00000001.png"]


def test_a_photograph_is_aligned_and_one_without_a_face_is_listed(astronaut: Pixels) -> None:
    photographs = {"a": astronaut, "b": np.full((80, 60, 3), 128, np.uint8)}
    features, failures = extract(photographs, flat=True)
    assert features.files == ("a",)
    assert [*failures] == ["b"]
