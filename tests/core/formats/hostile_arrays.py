"""Files of arrays whose headers NumPy would read with a guess, for tests of what reads files of others."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np


def write_guessed_array(path: Path) -> Path:
    """Write a .npy file whose shape is written as in Python 2, which NumPy repairs."""
    file = io.BytesIO()
    np.save(file, np.ones((2, 3)))
    path.write_bytes(file.getvalue().replace(b"(2, 3)", b"(2L,3)"))
    return path


def write_guessed_archive(path: Path, name: str) -> Path:
    """Write a .npz file with such an array of this name."""
    array = write_guessed_array(path.with_suffix(".npy"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(array, f"{name}.npy")
    array.unlink()
    return path
