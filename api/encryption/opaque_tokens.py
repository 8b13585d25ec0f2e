"""Opaque tokens: a small value that a client keeps for the service, and can neither read nor change."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

_LONGEST: Final = 8_000


class OpaqueTokens:
    """Tokens for one purpose, encrypted and authenticated by AES-SIV (RFC 5297); the same value gives the same token.

    Args:
        secret: of the service.
        purpose: tokens of another purpose are not accepted.
    """

    def __init__(self, secret: bytes, purpose: str) -> None:
        self._cipher = AESSIV(hmac.digest(secret, f"opaque tokens: {purpose}".encode(), "sha512"))

    def seal(self, value: Any) -> str:
        """Return a value of JSON as text for an address."""
        sealed = self._cipher.encrypt(json.dumps(value, separators=(",", ":")).encode(), None)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, token: str) -> Any:
        """Return the value of a token; None if this service did not make it for this purpose."""
        if len(token) > _LONGEST:
            return None
        try:
            sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            return json.loads(self._cipher.decrypt(sealed, None))
        except (InvalidTag, ValueError):
            return None
