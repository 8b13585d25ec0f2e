from pathlib import Path

import pytest

from core.file_lock import lock_file


def test_a_second_holder_is_refused_or_waits(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = lock_file(path)
    first.__enter__()
    with pytest.raises(BlockingIOError), lock_file(path):
        pass
    waited = []

    def wait() -> None:
        waited.append(1)
        if len(waited) == 3:
            first.__exit__(None, None, None)

    with lock_file(path, wait):
        assert len(waited) == 3
