"""Photographs and what follows from them as they are stored: sealed, each with its own key."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from api.encryption.key_store import SubjectKeys
from api.encryption.sealing import MAGIC, plain_size, seal, unseal, unseal_part
from api.operations.file_stores import Files

SEALED: Final = ("photos", "stimuli")
"""Folders with a folder for each subject; what lies elsewhere shows nobody, and stays as it is."""


class SealedFiles(Files):
    """The objects of another store; those of photographs and survey packs are sealed, each subject's with its own key.

    To delete a subject's folder destroys its key first, so that copies, backups and old versions of its objects are
    unreadable too. What an earlier version stored without a key is read as it is.

    Args:
        files: where they are.
        vault: with the keys.
    """

    def __init__(self, files: Files, vault: SubjectKeys) -> None:
        self._files = files
        self._vault = vault

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        key = self._key_of(name)
        if key is None:
            return self._files.read(name, start, stop)
        if start == 0 and stop is None:
            return unseal(key, name, self._files.read(name))
        return unseal_part(key, name, self._files.size(name), partial(self._files.read, name), start, stop)

    def write(self, name: str, data: bytes) -> None:
        self._files.write(name, self._sealed(name, data))

    def write_each(self, objects: Mapping[str, bytes]) -> None:
        self._files.write_each({name: self._sealed(name, data) for name, data in objects.items()})

    def exists(self, name: str) -> bool:
        return self._files.exists(name)

    def size(self, name: str) -> int:
        size = self._files.size(name)
        return size if self._key_of(name) is None else plain_size(size)

    def names(self, folder: str) -> list[str]:
        return self._files.names(folder)

    def delete(self, name: str) -> None:
        self._files.delete(name)

    def delete_tree(self, folder: str) -> None:
        if folder == _subject(folder):
            self._vault.destroy(folder)
        self._files.delete_tree(folder)

    def keep_private(self, folder: str) -> None:
        self._files.keep_private(folder)

    def tidy(self, folder: str) -> None:
        self._files.tidy(folder)

    def _sealed(self, name: str, data: bytes) -> bytes:
        subject = _subject(name)
        return data if subject is None else seal(self._vault.made_for(subject), name, data)

    def _key_of(self, name: str) -> bytes | None:
        """The key of an object; None where it was stored without.

        Raises:
            FileNotFoundError: it was stored with one, which is destroyed.
        """
        subject = _subject(name)
        key = None if subject is None else self._vault.key_of(subject)
        if subject is not None and key is None and self._files.read(name, 0, len(MAGIC)) == MAGIC:
            raise FileNotFoundError(f"{name} was erased: its key is destroyed")
        return key


def _subject(name: str) -> str | None:
    """The folder that has a key for all that is in it."""
    parts = name.split("/")
    return "/".join(parts[:2]) if parts[0] in SEALED and len(parts) > 1 else None
