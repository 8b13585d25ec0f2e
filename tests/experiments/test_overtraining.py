from __future__ import annotations

from pathlib import Path

import pytest

from core.seen_images import KEY_DIGITS
from experiments import overtraining
from faces.datasets.dataset import Dataset
from gen import checkpoint
from gen.networks import Discriminator

pytestmark = pytest.mark.usefixtures("computed_by_layers")


def test_overtraining_writes_what_the_audit_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overtraining, "TRAINED", (24, 712))
    monkeypatch.setattr(overtraining, "UNSEEN", (3, 713))
    overtraining.overtrain(tmp_path, images=24)
    seen = checkpoint.read_info(tmp_path / "generator.safetensors").seen_images
    with Dataset.open(tmp_path / "trained.zip") as trained, Dataset.open(tmp_path / "unseen.zip") as unseen:
        assert {trained.key(index)[:KEY_DIGITS] for index in range(24)} == seen.keys
        assert len(unseen) == 3
    assert isinstance(checkpoint.load(tmp_path / "discriminator.safetensors"), Discriminator)
