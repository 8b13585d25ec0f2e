"""Sealed bytes: encrypted and authenticated in blocks, so that a part can be read, and none changed or cut off unseen.

AES-256-GCM in the STREAM construction (Hoang et al. 2015): the nonce of a block says which it is and whether it is the
last, and its name is authenticated with it, so that blocks cannot be left out, exchanged, or moved to another object.

A sealed object is MAGIC, a random prefix, and blocks of BLOCK bytes, the last one shorter, each followed by its tag.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import StorageError

KEY_BYTES: Final = 32
BLOCK: Final = 65_536
MAGIC: Final = b"gg-seal1"

_PREFIX: Final = 7
_TAG: Final = 16
_HEAD: Final = len(MAGIC) + _PREFIX
_SEALED_BLOCK: Final = BLOCK + _TAG


def seal(key: bytes, name: str, data: bytes) -> bytes:
    """An object of this name under a key of KEY_BYTES; it is larger by some bytes for each block."""
    cipher, prefix = AESGCM(key), os.urandom(_PREFIX)
    starts = range(0, len(data), BLOCK)
    blocks = (
        cipher.encrypt(_nonce(prefix, number, start == starts[-1]), data[start : start + BLOCK], name.encode())
        for number, start in enumerate(starts)
    )
    return b"".join((MAGIC, prefix, *blocks))


def plain_size(sealed: int) -> int:
    """Bytes that are in a sealed object of so many."""
    return sealed - _HEAD - _TAG * -(-(sealed - _HEAD) // _SEALED_BLOCK)


def unseal(key: bytes, name: str, data: bytes) -> bytes:
    """What was sealed.

    Raises:
        StorageError: under another key or name, changed, or cut off.
    """
    return unseal_part(key, name, len(data), lambda start, stop: data[start:stop])


def unseal_part(
    key: bytes, name: str, size: int, read: Callable[[int, int], bytes], start: int = 0, stop: int | None = None
) -> bytes:
    """Bytes [start, stop) of what was sealed; only the blocks that they are in are read.

    Args:
        size: of the sealed object.
        read: bytes [start, stop) of it.

    Raises:
        StorageError: as `unseal`.
    """
    whole = plain_size(size)
    if whole < 1:
        raise _harmed(name)
    stop = whole if stop is None else min(stop, whole)
    if start >= stop:
        return b""
    first, last = start // BLOCK, (stop - 1) // BLOCK
    prefix = read(0, _HEAD)[len(MAGIC) :]
    sealed = read(_HEAD + first * _SEALED_BLOCK, min(_HEAD + (last + 1) * _SEALED_BLOCK, size))
    end = (whole - 1) // BLOCK
    cipher = AESGCM(key)

    def blocks() -> Iterator[bytes]:
        for number in range(first, last + 1):
            at = (number - first) * _SEALED_BLOCK
            nonce = _nonce(prefix, number, number == end)
            yield cipher.decrypt(nonce, sealed[at : at + _SEALED_BLOCK], name.encode())

    try:
        data = b"".join(blocks())
    except (InvalidTag, ValueError) as error:
        raise _harmed(name) from error
    return data[start - first * BLOCK : stop - first * BLOCK]


def _harmed(name: str) -> StorageError:
    return StorageError(
        f"{name} in the store is not what was sealed there, or was sealed under another key; restore it, or delete the "
        "photograph"
    )


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([last])
