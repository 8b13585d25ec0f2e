"""Idempotency-Key: which request a key was first used for.

The same request gives the same image set anyway; the key guards a caller against sending two different ones
by mistake.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api.problems import Problem


class Keys:
    """The keys seen so far, one small file for each."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "idempotency"
        self._folder.mkdir(parents=True, exist_ok=True)

    def claim(self, key: str, asked: Mapping[str, Any]) -> None:
        """Bind a key to a request.

        Raises:
            Problem: 400 if the key is empty, long or not printable ASCII; 422 if another request has it.
        """
        if not 1 <= len(key) <= 255 or not (key.isascii() and key.isprintable()):
            raise Problem(400, f"Idempotency-Key {key[:40]!r}: expected 1 to 255 printable ASCII characters.")
        body = json.dumps(dict(asked), sort_keys=True).encode()
        path = self._folder / hashlib.sha256(key.encode()).hexdigest()
        if not _create(path, body) and path.read_bytes() != body:
            raise Problem(
                422,
                f"Idempotency-Key {key[:40]!r} was used for another request; a new request needs a new key.",
            )


def _create(path: Path, data: bytes) -> bool:
    """Write a file that is not there yet, whole or not at all; False if it is there."""
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.link(aside, path)
        return True
    except FileExistsError:
        return False
    finally:
        os.unlink(aside)
