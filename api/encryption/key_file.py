"""File with one key, in hexadecimal digits, that only its owner can read."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Final

from api.encryption.key_store import KEY_BYTES
from core.atomic_files import create_private_file
from core.errors import ConfigError

_HEX_KEY: Final = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}")


def read_key(path: Path) -> bytes:
    """Read the key in a file.

    Raises:
        ConfigError: the file cannot be read, or holds something else than one key.
    """
    try:
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the key file {path} cannot be read ({error}); restore it from your copy") from None
    if not _HEX_KEY.fullmatch(text):
        raise ConfigError(
            f"the key file {path} holds no key; expected {2 * KEY_BYTES} hexadecimal digits, as `openssl rand -hex "
            f"{KEY_BYTES}` prints them"
        )
    return bytes.fromhex(text)


def read_or_create_key(path: Path) -> bytes:
    """Read the key in a file; one with a random key, which only its owner can read, is created if there is none.

    Raises:
        ConfigError: see `read_key`; or the file cannot be created.
    """
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            create_private_file(path, f"{secrets.token_hex(KEY_BYTES)}\n".encode())
        except OSError as error:
            raise ConfigError(f"the key file {path} cannot be created ({error}); name another place") from None
    return read_key(path)
