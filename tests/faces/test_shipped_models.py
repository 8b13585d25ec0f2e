"""Model files of another package are used only if their checksums are the published ones."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from core.errors import ConfigError
from faces import shipped_models
from faces.detect import FaceDetector
from faces.shipped_models import DESCRIPTOR, DETECTOR, LANDMARKS, SHA256, find_model


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of model files of a package that stands for the installed one; it has the smallest of its files."""
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(find_model(DETECTOR), folder)
    spec = ModuleSpec(shipped_models.PACKAGE, None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    find_model.cache_clear()
    yield folder
    find_model.cache_clear()


@pytest.mark.parametrize("name", SHA256)
def test_the_installed_files_are_the_published_ones(name: str) -> None:
    assert find_model(name).name == name


def test_a_changed_file_is_refused(models: Path) -> None:
    assert find_model(DETECTOR) == models / DETECTOR
    find_model.cache_clear()
    content = bytearray((models / DETECTOR).read_bytes())
    content[-1] ^= 1
    (models / DETECTOR).write_bytes(content)
    with pytest.raises(ConfigError, match=SHA256[DETECTOR]):
        find_model(DETECTOR)


def test_changed_landmarks_are_never_loaded(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GESTALTGEN_LANDMARK_MODEL", raising=False)
    (models / LANDMARKS).write_bytes(b"another model")
    with pytest.raises(ConfigError, match=SHA256[LANDMARKS]):
        FaceDetector()


def test_a_missing_file_is_reported(models: Path) -> None:
    with pytest.raises(ConfigError, match=DESCRIPTOR):
        find_model(DESCRIPTOR)
