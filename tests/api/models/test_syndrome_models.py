"""Models of syndromes that the service finds in their folder."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from api.models.syndrome_models import SyndromeModels
from core.errors import CheckpointError
from recognition.syndromes.assessment.model_files import FILE, StoredModel
from tests.recognition.syndromes.assessment.cards import CARD


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stored = StoredModel(CARD, {"patients": np.zeros(1)}, {"features": "another network"})
    stored.write(tmp_path / "first", "")
    return tmp_path


def test_of_two_models_of_a_syndrome_one_is_served_and_the_other_named_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(folder / "first", folder / "second")
    models = SyndromeModels(folder, 1)
    with caplog.at_level(logging.WARNING):
        assert [models.find(CARD.syndrome).file for _ in range(2)] == [folder / "second" / FILE] * 2
    assert sum(str(folder / "first" / FILE) in line for line in caplog.messages) == 1


def test_a_descriptor_beside_the_models_describes_faces(folder: Path) -> None:
    models = SyndromeModels(folder, 1)
    with pytest.raises(CheckpointError, match="another network"):  # which dlib's is not
        models.use(CARD.syndrome)
    (folder / "descriptor.onnx").write_bytes(b"no network")
    with pytest.raises(CheckpointError, match="descriptor"):
        models.use(CARD.syndrome)
