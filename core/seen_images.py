"""Keys of the images that a network was trained on, stored with its weights, so that nobody tests it on them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.errors import DatasetError

KEY_DIGITS: Final = 16
"""Hex digits kept of a key (`faces.images.pixels_key`): that two of a million images share them has a chance of one in
forty million."""

_BYTES: Final = KEY_DIGITS // 2
_DIGITS: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class SeenImages:
    """Images that something has learnt from.

    Args:
        keys: the first KEY_DIGITS hex digits of each image's key.
        complete: these are all; False where a part, or everything, is not known.

    Raises:
        DatasetError: keys of another form.
    """

    keys: frozenset[str] = frozenset()
    complete: bool = True

    def __post_init__(self) -> None:
        if _DIGITS.issuperset("".join(self.keys)) and all(len(key) == KEY_DIGITS for key in self.keys):
            return
        wrong = next(key for key in self.keys if len(key) != KEY_DIGITS or not _DIGITS.issuperset(key))
        raise DatasetError(f"{wrong!r} is no key of an image; expected its first {KEY_DIGITS} hex digits")

    @classmethod
    def of(cls, keys: Iterable[str], *, complete: bool = True) -> SeenImages:
        """Make it from whole or shortened keys."""
        return cls(frozenset(key[:KEY_DIGITS] for key in keys), complete)

    @property
    def known(self) -> bool:
        """True if at least one image is known, or if it is known that there is none."""
        return self.complete or bool(self.keys)

    def __or__(self, other: SeenImages) -> SeenImages:
        """Return the union of both; it is complete only if both are."""
        return SeenImages(self.keys | other.keys, self.complete and other.complete)

    def to_json(self) -> dict[str, Any]:
        """Return a value for JSON, with 11 characters for each image; the same images give the same text."""
        packed = b"".join(bytes.fromhex(key) for key in sorted(self.keys))
        return {"keys": base64.b64encode(packed).decode(), "complete": self.complete}

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> SeenImages:
        """Read the value that `to_json` returns. None, from files without keys, gives UNKNOWN.

        Raises:
            DatasetError: something else.
        """
        if value is None:
            return UNKNOWN
        try:
            packed = base64.b64decode(value["keys"], validate=True)
            complete = value["complete"]
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise DatasetError(f"keys of training images are not in their form ({error!r}); write them again") from None
        if len(packed) % _BYTES or not isinstance(complete, bool):
            raise DatasetError(
                f"keys of training images are {len(packed)} bytes and complete is {complete!r}; expected a multiple of "
                f"{_BYTES} and a boolean: write them again"
            )
        digits = packed.hex()
        keys = (digits[start : start + KEY_DIGITS] for start in range(0, len(digits), KEY_DIGITS))
        return cls(frozenset(keys), complete)


NOTHING: Final = SeenImages()
"""Value for a network that was not trained yet."""

UNKNOWN: Final = SeenImages(complete=False)
"""Value for a network whose training images are not known."""
