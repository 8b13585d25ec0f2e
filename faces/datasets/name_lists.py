"""Lists of names in text files: photographs to hold out, people not to train on."""

from __future__ import annotations

from pathlib import Path

from core.errors import DatasetError


def read_names(path: Path) -> frozenset[str]:
    """The names of a list, one a line; empty lines and those that begin with # are passed over.

    Raises:
        DatasetError: the file cannot be read, or names nothing.
    """
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}); expected a text file with a name a line") from None
    names = frozenset(line for line in lines if line and not line.startswith("#"))
    if not names:
        raise DatasetError(f"{path} names nothing; expected a name a line")
    return names
