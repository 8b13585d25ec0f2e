"""Arrays of strangers: read as they are, or refused with a ValueError whatever is wrong with them."""

from __future__ import annotations

import io

import numpy as np
import pytest

from core.formats.arrays import read_array


def written(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_an_array_is_read_as_it_was_written() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert (read_array(written(array)) == array).all()


@pytest.mark.parametrize(
    "damage",
    ["header of Python 2", "key that is a number", "no end", "nothing", "other bytes", "archive", "half an archive"],
)
def test_a_damaged_file_is_refused(damage: str) -> None:
    whole = written(np.zeros((2, 3)))
    archive = io.BytesIO()
    np.savez(archive, np.zeros((2, 3)))
    files = {
        "archive": archive.getvalue(),
        "half an archive": archive.getvalue()[:-30],
        "header of Python 2": whole.replace(b"(2, 3)", b"(2L,3)"),
        "key that is a number": whole.replace(b"'shape'", b"      0"),
        "no end": whole[:-1],
        "nothing": b"",
        "other bytes": b"\x93NUMPY and more",
    }
    with pytest.raises(ValueError, match=r"."):
        read_array(files[damage])
