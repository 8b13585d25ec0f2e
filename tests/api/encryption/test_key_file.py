from __future__ import annotations

from pathlib import Path

import pytest

from api.encryption.key_file import read_key, read_or_create_key
from core.errors import ConfigError


def test_a_key_is_created_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "people.key"
    key = read_or_create_key(path)
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_or_create_key(path) == read_key(path) == key


@pytest.mark.parametrize("text", ["", "ab" * 31, "ab" * 32 + "\n" + "ab" * 32, "zz" * 32, "é" * 64])
def test_what_is_no_key_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "people.key"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"people\.key"):
        read_or_create_key(path)
    assert path.read_text() == text


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gone"):
        read_key(tmp_path / "gone")
