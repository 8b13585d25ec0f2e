"""Files that appear whole or not at all: they are written beside their place under another name, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_partial_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; its file replaces `path` if the block ends without an error."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole_file(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    with write_partial_file(path) as partial:
        partial.write_bytes(data)
