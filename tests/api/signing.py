"""Certificates and keys to sign manifests with, made for a test; and what the library itself reads of a signed file."""

from __future__ import annotations

import io
import json
import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import c2pa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from api.provenance.c2pa_certificate import make_rules, to_pem
from api.provenance.trial_authority import Authority
from faces.image_containers import FORMATS, sniff

NAME = "A laboratory of tests"


@dataclass(frozen=True)
class Signing:
    """PEM texts of a signer: its certificate, its key, and the certificate of the authority that issued it."""

    certificate: str
    key: str
    authority: str

    @property
    def settings(self) -> dict[str, Any]:
        """Of a service that signs, and trusts no others."""
        return {"c2pa_certificate": self.certificate, "c2pa_key": self.key, "c2pa_anchors": self.authority}


def signing(key: Any = None, *, days: float = 30, **options: Any) -> Signing:
    """A new authority and a signer; `options` as `Authority.issue`."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    authority = Authority(NAME, 60)
    certificate = authority.issue("gestaltgen", key.public_key(), datetime.now(UTC) + timedelta(days=days), **options)
    return Signing(to_pem(certificate), key_text(key), to_pem(authority.certificate))


def key_text(key: PrivateKeyTypes, passphrase: bytes | None = None) -> str:
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how).decode()


def store_of(data: bytes, *anchors: str, detailed: bool = False) -> dict[str, Any]:
    """The manifest store of a file, as c2pa.Reader has it.

    Args:
        anchors: PEM of those who are trusted.
    """
    form = sniff(data[:12])
    assert form is not None
    with (
        c2pa.Context.from_dict(make_rules(anchors)) as rules,
        c2pa.Reader(FORMATS[form], io.BytesIO(data), context=rules) as reader,
    ):
        found: dict[str, Any] = json.loads(reader.detailed_json() if detailed else reader.json())
    return found


def failures(store: dict[str, Any]) -> list[str]:
    """What does not hold."""
    return [one["code"] for one in store.get("validation_status", [])]


def manifest_in(png: bytes) -> bytes:
    """The chunk of a PNG that holds its manifest store."""
    [found] = [chunk for kind, chunk in chunks(png) if kind == b"caBX"]
    return found


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Type and whole of each chunk."""
    found, at = [], 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        found.append((png[at + 4 : at + 8], png[at : at + 12 + length]))
        at += 12 + length
    return found


def with_manifest(png: bytes, body: bytes) -> bytes:
    """A PNG without a manifest, with these bytes as one."""
    chunk = struct.pack(">I", len(body)) + b"caBX" + body + struct.pack(">I", zlib.crc32(b"caBX" + body))
    return png[:33] + chunk + png[33:]
