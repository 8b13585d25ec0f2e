"""Whose certificate signs: what is read, and what is refused with a remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.x509 import ObjectIdentifier

from api.provenance.c2pa_certificate import KEY, certificates_in, read_identity
from core.errors import ConfigError
from tests.api.signing import NAME, Signing, key_text, signing

KEYS: dict[str, Callable[[], Any]] = {
    "es256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "es384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "es512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ps256": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.fixture(scope="module")
def good() -> Signing:
    return signing()


@pytest.mark.parametrize("algorithm", KEYS)
def test_the_algorithm_follows_from_the_key(algorithm: str) -> None:
    made = signing(KEYS[algorithm]())
    found = read_identity(made.certificate, made.key)
    assert (found.algorithm, found.name) == (algorithm, f"CN=gestaltgen,O={NAME}")
    assert found.certificates == (made.certificate,)
    assert found.key.decode() not in repr(found)
    assert "PRIVATE" not in repr(found)


def test_files_and_texts_are_the_same(tmp_path: Path, good: Signing) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_text(good.certificate + good.authority)
    key.write_text(good.key)
    found = read_identity(str(certificate), str(key))
    assert found == read_identity(good.certificate + good.authority, good.key)
    assert found.certificates == (good.certificate, good.authority)


@pytest.mark.parametrize(
    ("days", "usages", "says"),
    [
        (-1, ["1.3.6.1.5.5.7.3.4"], "is good from .* and today is .*: have it renewed"),
        (9, ["1.3.6.1.5.5.7.3.3"], "usages 1.3.6.1.5.5.7.3.3; C2PA wants one of emailProtection"),
    ],
)
def test_a_certificate_that_may_not_sign_is_refused(days: float, usages: list[str], says: str) -> None:
    made = signing(days=days, usages=[ObjectIdentifier(oid) for oid in usages])
    with pytest.raises(ConfigError, match=f"^GESTALTGEN_C2PA_CERTIFICATE: CN=gestaltgen,O={NAME} .*{says}"):
        read_identity(made.certificate, made.key)


def test_an_authority_is_no_signer(good: Signing) -> None:
    with pytest.raises(ConfigError, match=r"GESTALTGEN_C2PA_CERTIFICATE: .* is of an authority"):
        read_identity(good.authority, good.key)


def test_a_certificate_and_a_key_have_to_be_a_pair(good: Signing) -> None:
    with pytest.raises(ConfigError, match=rf"GESTALTGEN_C2PA_CERTIFICATE, .* is of another key than {KEY}"):
        read_identity(good.certificate, signing().key)


def test_issuers_follow_in_order(good: Signing) -> None:
    with pytest.raises(ConfigError, match=r"was not issued by .*; expected the signer's own first"):
        read_identity(good.certificate + signing().authority, good.key)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("/nowhere/certificate.pem", "'/nowhere/certificate.pem', which cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----\n", "holds no certificates that can be read"),
        ("-----BEGIN NOTHING-----", "holds no certificates that can be read"),
    ],
)
def test_what_is_no_certificate_is_refused(value: str, says: str, good: Signing) -> None:
    with pytest.raises(ConfigError, match=f"^GESTALTGEN_C2PA_CERTIFICATE .*{re.escape(says)}"):
        read_identity(value, good.key)
    with pytest.raises(ConfigError, match=r"^GESTALTGEN_C2PA_ANCHORS "):
        certificates_in("GESTALTGEN_C2PA_ANCHORS", value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("/nowhere/key.pem", "names no file that can be read"),
        ("MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg" * 9, "names no file that can be read"),
        ("secret\0", "holds no key that can be read"),
        ("-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n", "holds no key that can be read"),
        (key_text(KEYS["es256"](), b"passphrase"), "is encrypted"),
        (key_text(x25519.X25519PrivateKey.generate()), "expected one of P-256, P-384"),
    ],
    ids=lambda value: value[:12] if " " in value else "key",
)
def test_what_is_no_key_is_refused_and_not_told(value: str, says: str, good: Signing) -> None:
    with pytest.raises(ConfigError, match=f"^{KEY} .*{says}") as refused:
        read_identity(good.certificate, value)
    said = f"{refused.value}{refused.value.__cause__}"
    assert not any(line in said for line in value.splitlines())
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (rsa.generate_private_key(65537, 1024), "of 1024 bits"),  # noqa: S505
        (ec.generate_private_key(ec.SECP256K1()), "secp256k1"),
    ],
)
def test_keys_that_c2pa_does_not_know_are_refused(key: Any, says: str) -> None:
    made = signing(key)
    with pytest.raises(ConfigError, match=f"{KEY} is .*{says}"):
        read_identity(made.certificate, made.key)
