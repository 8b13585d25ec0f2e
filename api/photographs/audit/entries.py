"""Entries of the audit record: who did what with which photograph, when, for what purpose, and with which outcome.

Each entry is chained to the one before:

    hash = SHA-256(hash of the entry before, in hexadecimal + line feed + the entry as JSON)

with the entry's eight fields as the JSON object that `Entry.canonical` returns.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quoted
from typing import Final, Literal, NewType, Self, get_args

from core.errors import ConfigError

Outcome = Literal["begun", "done", "refused", "failed"]
"""Outcome of an action. `begun` precedes whatever stores, makes or erases; another follows unless the service died."""

OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)

Purpose = NewType("Purpose", str)
"""Purpose of a photograph, as far as the record may hold it; `redact_purpose` makes it."""

GENESIS: Final = hashlib.sha256(b"gestaltgen audit record, version 1").hexdigest()
"""Hash that the first entry is chained to."""

_HEAD: Final = re.compile(r"(\d{1,15}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Entry:
    """Entry as it is stored.

    Attributes:
        seq: number of the entry, from 1, without gaps.
        at: time in UTC with microseconds, as 2026-02-03T04:05:06.000007Z.
        owner, key: owner and id of the API key, never the key; `service` and `-` for the service itself.
        action: method and route of the request, or the kind of erasure.
        photo: random id of the photograph.
        previous: hash of the entry before.
        hash: hash of this entry.
    """

    seq: int
    at: str
    owner: str
    key: str
    action: str
    photo: str
    purpose: Purpose
    outcome: Outcome
    previous: str
    hash: str

    def canonical(self) -> str:
        """Return the text that is hashed: all fields but the hashes as JSON in ASCII, keys sorted, without spaces."""
        who = (
            f'"key":{_encode_text(self.key)},"outcome":{_encode_text(self.outcome)},"owner":{_encode_text(self.owner)}'
        )
        what = f'"photo":{_encode_text(self.photo)},"purpose":{_encode_text(self.purpose)},"seq":{self.seq}'
        return f'{{"action":{_encode_text(self.action)},"at":{_encode_text(self.at)},{who},{what}}}'

    def compute_hash(self) -> str:
        """Return the hash that the entry should have, given the hash of the entry before that it holds."""
        return hashlib.sha256(f"{self.previous}\n{self.canonical()}".encode()).hexdigest()

    def with_hash(self) -> Self:
        """Return a copy with the hash that it should have."""
        return replace(self, hash=self.compute_hash())


@dataclass(frozen=True)
class Head:
    """Number and hash of the last entry. Note it where those who can change the record cannot write."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` returned.

        Raises:
            ConfigError: the text is not a head.
        """
        match = _HEAD.fullmatch(text.strip())
        if match is None:
            raise ConfigError(f"head {text!r}; expected SEQ:HASH as `gestaltgen audit head` prints it")
        return cls(int(match[1]), match[2])


def redact_purpose(text: str, named: Collection[str], secret: bytes) -> Purpose:
    """Convert a photograph's purpose, which is free text and might name somebody, to what the record may hold.

    Args:
        text: the purpose as it was sent.
        named: purposes that name nobody; one of these is recorded in words, whatever its case.
        secret: the service's secret.

    Returns:
        The named purpose; or `other:` and 16 digits of a keyed digest, which are equal for equal texts and reveal none.
    """
    plain = " ".join(text.split()).casefold()
    for name in named:
        if plain == name.casefold():
            return Purpose(name)
    digest = hmac.new(secret, f"audit purpose\n{plain}".encode(), hashlib.sha256).hexdigest()
    return Purpose(f"other:{digest[:16]}")


def format_time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _encode_text(value: object) -> str:
    """Encode a JSON string, three times as fast as `json.dumps`; other types, which a forged row may hold, too."""
    return quoted(str(value))
