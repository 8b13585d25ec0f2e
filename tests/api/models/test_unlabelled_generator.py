"""A generator without labels, which has a file of its own because a process holds one service."""

from __future__ import annotations

from pathlib import Path

import httpx

from api.app import create_app
from api.settings import Settings
from gen import checkpoint
from gen.config import GeneratorConfig
from gen.networks import Generator
from tests.api.serving import serving


def test_a_generator_without_labels_is_served_and_makes_no_image_sets(tmp_path: Path) -> None:
    path = tmp_path / "ffhq.safetensors"
    checkpoint.save(path, Generator(GeneratorConfig(32, 16, 16, 2, channel_base=512, channel_max=16)))
    settings = Settings(state=tmp_path / "state", weights=path, threads=1, without_keys=True)
    with serving(create_app(settings)) as url:
        assert httpx.get(f"{url}/readyz").status_code == 200
        found = httpx.get(f"{url}/v1/conditions").json()
        assert (found["model"], found["conditions"], found["ages"]) == ("ffhq", [], [])
        refused = httpx.post(f"{url}/v1/image-sets", json={"kind": "average"})
        assert refused.status_code == 422
        assert "makes no image sets" in refused.text
