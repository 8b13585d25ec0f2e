"""Certificate and private key that sign C2PA manifests: they are checked before anything is signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from core.errors import ConfigError

CERTIFICATE: Final = "GESTALTGEN_C2PA_CERTIFICATE"
KEY: Final = "GESTALTGEN_C2PA_KEY"
ANCHORS: Final = "GESTALTGEN_C2PA_ANCHORS"

USAGES: Final[Mapping[str, str]] = {
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.36": "documentSigning",
    "1.3.6.1.4.1.62558.2.1": "C2PA claim signing",
}
"""Extended key usages that a signer's certificate may have (C2PA 2.x, X.509 certificates), one of them at least."""

_CURVES: Final[Mapping[str, str]] = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_LEAST_RSA_BITS: Final = 2048
_PEM: Final = "-----BEGIN "
_T = TypeVar("_T", bound=x509.ExtensionType)


@dataclass(frozen=True)
class Identity:
    """Identity of the signer.

    Args:
        algorithm: es256, es384, es512, ps256 or ed25519, which follows from the key.
        certificates: PEM of each, the signer's own first, each issued by the next.
        key: PEM, PKCS#8, not encrypted.
        name: the subject of the signer's certificate.
        ends: when that certificate does.
    """

    algorithm: str
    certificates: tuple[str, ...]
    key: bytes = field(repr=False)
    name: str
    ends: datetime


def read_identity(certificate: str, key: str) -> Identity:
    """Read the signer's certificate and key, each PEM text or the path of a PEM file.

    Raises:
        ConfigError: one cannot be read, they do not belong together, or C2PA allows no signature by them today.
    """
    chain = certificates_in(CERTIFICATE, certificate)
    own = chain[0]
    _check_order(chain)
    _check_allowed(own)
    private = _key_in(key)
    if own.public_key() != private.public_key():
        raise ConfigError(
            f"{CERTIFICATE}, {_describe(own)}, is of another key than {KEY}; expected a pair: put the signer's own "
            "certificate first, and take the key that it was asked for with"
        )
    return Identity(
        algorithm=_algorithm(private),
        certificates=tuple(map(to_pem, chain)),
        key=private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        name=_describe(own),
        ends=own.not_valid_after_utc,
    )


def make_rules(anchors: Sequence[str]) -> dict[str, Any]:
    """Return settings of the library: the authorities whose signatures are trusted, as PEM; nothing is downloaded."""
    trust = {"trust_config": "\n".join(USAGES)} | ({"trust_anchors": "".join(anchors)} if anchors else {})
    verify = {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False}
    return {"trust": trust, "verify": verify}


def to_pem(one: x509.Certificate) -> str:
    """Return a certificate as PEM text."""
    return one.public_bytes(serialization.Encoding.PEM).decode()


def certificates_in(setting: str, value: str) -> list[x509.Certificate]:
    """Return the certificates of a setting, PEM text or the path of a PEM file.

    Raises:
        ConfigError: there are none.
    """
    try:
        return x509.load_pem_x509_certificates(_pem(value))
    except OSError as error:
        raise ConfigError(f"{setting} is {value!r}, which cannot be read ({error.strerror}); expected PEM") from error
    except ValueError as error:
        raise ConfigError(
            f"{setting} holds no certificates that can be read ({error}); expected PEM, -----BEGIN CERTIFICATE-----: "
            "convert others with `openssl x509 -inform DER`"
        ) from error


def _key_in(value: str) -> EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey:
    """Read the private key. Errors never quote the value: it may be the key."""
    remedy = "expected a private key in PEM, or its file, without a passphrase: `openssl pkey` converts others"
    try:
        key = serialization.load_pem_private_key(_pem(value), password=None)
    except OSError as error:
        raise ConfigError(f"{KEY} names no file that can be read ({error.strerror}); {remedy}") from None
    except TypeError:
        raise ConfigError(f"{KEY} is encrypted; {remedy}") from None
    except ValueError:
        raise ConfigError(f"{KEY} holds no key that can be read; {remedy}") from None
    if not isinstance(key, EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey):
        raise ConfigError(f"{KEY} is a {type(key).__name__}; expected one of P-256, P-384, P-521, Ed25519 or RSA")
    return key


def _pem(value: str) -> bytes:
    return value.encode() if _PEM in value else Path(value).read_bytes()


def _algorithm(key: EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey) -> str:
    if isinstance(key, Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, RSAPrivateKey):
        if key.key_size < _LEAST_RSA_BITS:
            raise ConfigError(
                f"{KEY} is of {key.key_size} bits; C2PA wants {_LEAST_RSA_BITS} of an RSA key: make another"
            )
        return "ps256"
    if key.curve.name not in _CURVES:
        raise ConfigError(f"{KEY} is on the curve {key.curve.name}; expected one of {', '.join(_CURVES)}: make another")
    return _CURVES[key.curve.name]


def _check_order(chain: Sequence[x509.Certificate]) -> None:
    for one, issuer in pairwise(chain):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise ConfigError(
                f"{CERTIFICATE}: {_describe(one)} was not issued by {_describe(issuer)}, which follows it; expected "
                "the signer's own first, then its issuer, and so on"
            ) from error


def _check_allowed(own: x509.Certificate) -> None:
    """Check for the most frequent faults; api.provenance.c2pa_signing lets the library itself check the rest."""
    now = datetime.now(UTC)
    if not own.not_valid_before_utc <= now < own.not_valid_after_utc:
        raise ConfigError(
            f"{CERTIFICATE}: {_describe(own)} is good from {own.not_valid_before_utc:%Y-%m-%d} until "
            f"{own.not_valid_after_utc:%Y-%m-%d}, and today is {now:%Y-%m-%d}: have it renewed"
        )
    authority = _extension(own, x509.BasicConstraints)
    if authority is not None and authority.ca:
        raise ConfigError(
            f"{CERTIFICATE}: {_describe(own)} is of an authority; C2PA allows no signatures by one: have it issue a "
            "certificate for this service"
        )
    usage, extended = _extension(own, x509.KeyUsage), _extension(own, x509.ExtendedKeyUsage)
    if usage is None or not usage.digital_signature:
        raise ConfigError(
            f"{CERTIFICATE}: {_describe(own)} is not for signatures; expected the key usage digitalSignature"
        )
    found = [one.dotted_string for one in extended or ()]
    if not USAGES.keys() & set(found):
        wanted = ", ".join(f"{name} ({oid})" for oid, name in USAGES.items())
        raise ConfigError(
            f"{CERTIFICATE}: {_describe(own)} has the extended key usages {', '.join(found) or 'none'}; C2PA wants one "
            f"of {wanted}: ask for a certificate with it"
        )


def _extension(one: x509.Certificate, kind: type[_T]) -> _T | None:
    try:
        return one.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _describe(one: x509.Certificate) -> str:
    return one.subject.rfc4514_string() or f"the certificate {one.serial_number:x}"
