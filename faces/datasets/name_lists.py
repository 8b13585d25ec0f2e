"""Lists of names in text files: photographs to hold out, people not to train on."""

from __future__ import annotations

from pathlib import Path

from core.errors import DatasetError


def read_names(path: Path) -> frozenset[str]:
    """Read the names of a list, one a line, without empty lines and lines that begin with #.

    Raises:
        DatasetError: the file cannot be read, or holds no name.
    """
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}); expected a text file with one name a line") from None
    names = frozenset(line for line in lines if line and not line.startswith("#"))
    if not names:
        raise DatasetError(f"{path} holds no name; expected one name a line")
    return names
