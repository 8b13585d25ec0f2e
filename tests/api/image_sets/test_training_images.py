"""Which images a generator was trained on, as the service tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.app import create_app
from api.settings import Settings
from core.seen_images import SeenImages
from gestaltgen_client import Client, ServiceError
from tests.api.serving import serving
from tests.api.tiny import tiny_checkpoint


def test_training_images_are_told_by_generator(tmp_path: Path) -> None:
    models = tmp_path / "models"
    tiny_checkpoint(models / "older.safetensors")
    tiny_checkpoint(models / "part.safetensors", seed=1, seen=SeenImages.of(["ab" * 32], complete=False))
    tiny_checkpoint(models / "whole.safetensors", seed=2, seen=SeenImages.of(["cd" * 32, "ab" * 32]))
    (models / "older.md").write_text("# Older")
    default = models / "older.safetensors"
    settings = Settings(state=tmp_path / "state", weights=default, models=models, without_keys=True, threads=1)
    app = create_app(settings)
    with serving(app) as url, Client(url) as client:
        assert client.model_cards() == {"generator": "# Older"}
        assert client.training_images() == {"known": False, "complete": False, "keys": []}
        assert client.training_images("part") == {"known": True, "complete": False, "keys": ["ab" * 8]}
        assert client.training_images("whole") == {"known": True, "complete": True, "keys": ["ab" * 8, "cd" * 8]}
        with pytest.raises(
            ServiceError, match=r"404 .*There is no model 'another'; expected one of older, part, whole"
        ) as no:
            client.training_images("another")
    assert no.value.status == 404
