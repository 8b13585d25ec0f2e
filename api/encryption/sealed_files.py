"""Sealed files: photographs and survey packs are stored encrypted, each subject with a key of its own.

Bytes are encrypted and authenticated in blocks, so that a part can be read alone, and no block can be changed, left
out or moved unnoticed. The scheme is AES-256-GCM in the STREAM construction (Hoang et al. 2015): the nonce of a block
holds its number and whether it is the last one, and the object's name is authenticated with each block.

A sealed object is MAGIC, a random prefix, and blocks of BLOCK bytes, the last one shorter; a tag follows each block.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api.encryption.key_store import SubjectKeys
from api.operations import state_folder
from api.operations.file_stores import Files
from core.errors import StorageError

BLOCK: Final = 65_536
MAGIC: Final = b"gg-seal1"

SEALED: Final = (state_folder.PHOTOS, state_folder.STIMULI)
"""Folders with one sub-folder and one key for each subject. Files elsewhere show no real person and stay plain."""

_PREFIX: Final = 7
_TAG: Final = 16
_HEAD: Final = len(MAGIC) + _PREFIX
_SEALED_BLOCK: Final = BLOCK + _TAG


class SealedFiles(Files):
    """File store that encrypts photographs and survey packs, and passes other objects on unchanged.

    Deleting a subject's folder destroys its key first, so that copies, backups and old versions of its objects become
    unreadable too. An object that was stored without a key is read unchanged.

    Args:
        files: store of the encrypted objects.
        keys: keys of the subjects.
    """

    def __init__(self, files: Files, keys: SubjectKeys) -> None:
        self._files = files
        self._keys = keys

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        key = self._find_key(name)
        if key is None:
            return self._files.read(name, start, stop)
        if start == 0 and stop is None:
            return unseal(key, name, self._files.read(name))
        return unseal_part(key, name, self._files.size(name), partial(self._files.read, name), start, stop)

    def write(self, name: str, data: bytes) -> None:
        self._files.write(name, self._seal(name, data))

    def write_each(self, objects: Mapping[str, bytes]) -> None:
        self._files.write_each({name: self._seal(name, data) for name, data in objects.items()})

    def exists(self, name: str) -> bool:
        return self._files.exists(name)

    def size(self, name: str) -> int:
        size = self._files.size(name)
        return size if self._find_key(name) is None else plain_size(size)

    def names(self, folder: str) -> list[str]:
        return self._files.names(folder)

    def delete(self, name: str) -> None:
        self._files.delete(name)

    def delete_tree(self, folder: str) -> None:
        if folder == _parse_subject(folder):
            self._keys.destroy(folder)
        self._files.delete_tree(folder)

    def keep_private(self, folder: str) -> None:
        self._files.keep_private(folder)

    def tidy(self, folder: str) -> None:
        self._files.tidy(folder)

    def _seal(self, name: str, data: bytes) -> bytes:
        subject = _parse_subject(name)
        return data if subject is None else seal(self._keys.find_or_create(subject), name, data)

    def _find_key(self, name: str) -> bytes | None:
        """Return the key of an object, or None if it was stored without one.

        Raises:
            FileNotFoundError: the object is sealed and its key is destroyed.
        """
        subject = _parse_subject(name)
        key = None if subject is None else self._keys.find(subject)
        if subject is not None and key is None and self._files.read(name, 0, len(MAGIC)) == MAGIC:
            raise FileNotFoundError(f"{name} was erased: its key is destroyed")
        return key


def _parse_subject(name: str) -> str | None:
    """Return the folder that has one key for all that is in it, or None for names that are not sealed."""
    parts = name.split("/")
    return "/".join(parts[:2]) if parts[0] in SEALED and len(parts) > 1 else None


def seal(key: bytes, name: str, data: bytes) -> bytes:
    """Encrypt an object under a key of KEY_BYTES; the result is larger by some bytes for each block."""
    cipher, prefix = AESGCM(key), os.urandom(_PREFIX)
    starts = range(0, len(data), BLOCK)
    blocks = (
        cipher.encrypt(_nonce(prefix, number, start == starts[-1]), data[start : start + BLOCK], name.encode())
        for number, start in enumerate(starts)
    )
    return b"".join((MAGIC, prefix, *blocks))


def unseal(key: bytes, name: str, data: bytes) -> bytes:
    """Decrypt an object.

    Raises:
        StorageError: it was sealed under another key or name, was changed, or is cut off.
    """
    return unseal_part(key, name, len(data), lambda start, stop: data[start:stop])


def unseal_part(
    key: bytes, name: str, size: int, read: Callable[[int, int], bytes], start: int = 0, stop: int | None = None
) -> bytes:
    """Decrypt bytes [start, stop) of an object; only the blocks that hold them are read.

    Args:
        size: bytes of the sealed object.
        read: reads bytes [start, stop) of the sealed object.

    Raises:
        StorageError: as `unseal`.
    """
    whole = plain_size(size)
    if whole < 1:
        raise _damage_error(name)
    stop = whole if stop is None else min(stop, whole)
    if start >= stop:
        return b""
    first, last = start // BLOCK, (stop - 1) // BLOCK
    prefix = read(0, _HEAD)[len(MAGIC) :]
    sealed = read(_HEAD + first * _SEALED_BLOCK, min(_HEAD + (last + 1) * _SEALED_BLOCK, size))
    end = (whole - 1) // BLOCK
    cipher = AESGCM(key)

    def decrypt_blocks() -> Iterator[bytes]:
        for number in range(first, last + 1):
            at = (number - first) * _SEALED_BLOCK
            nonce = _nonce(prefix, number, number == end)
            yield cipher.decrypt(nonce, sealed[at : at + _SEALED_BLOCK], name.encode())

    try:
        data = b"".join(decrypt_blocks())
    except (InvalidTag, ValueError) as error:
        raise _damage_error(name) from error
    return data[start - first * BLOCK : stop - first * BLOCK]


def plain_size(sealed: int) -> int:
    """Return the number of plain bytes in a sealed object of so many bytes."""
    return sealed - _HEAD - _TAG * -(-(sealed - _HEAD) // _SEALED_BLOCK)


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([last])


def _damage_error(name: str) -> StorageError:
    return StorageError(
        f"{name} in the store is not what was sealed there, or was sealed under another key; restore it, or delete the "
        "photograph"
    )
