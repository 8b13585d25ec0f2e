from __future__ import annotations

import gc
from pathlib import Path

import pytest

from api.models.editing_networks import EditingNetworks
from editing.face_editor import FaceEditor
from tests.api.tiny import tiny_checkpoint


def test_garbage_collections_leave_out_loaded_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = [FaceEditor]
    monkeypatch.setattr(FaceEditor, "open", lambda *_, **__: loaded)
    path = tiny_checkpoint(tmp_path / "tiny.safetensors")
    editor = EditingNetworks(path, {}, "cpu", lambda: None, None, None).face_editor  # type: ignore[arg-type, return-value]
    assert editor is loaded
    assert not any(tracked is loaded for tracked in gc.get_objects())
