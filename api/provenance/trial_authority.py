"""Certificate authority for trying C2PA signatures. Nobody else knows it, and so nobody trusts it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LONGEST_NAME: Final = 64
"""Characters of a name in a certificate (RFC 5280, ub-common-name)."""

_EARLIER: Final = timedelta(hours=1)
"""Difference between clocks that is tolerated."""


class Authority:
    """Certificate authority of a laboratory. Its key is stored nowhere, so it ends with this object.

    Args:
        name: of the lab; at most LONGEST_NAME characters.
        days: for how long the authority's own certificate is good.
    """

    def __init__(self, name: str, days: int) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._organisation = name
        self._name = self._build_name("Test authority, trusted by nobody")
        self._ends = datetime.now(UTC) + timedelta(days=days)
        self.certificate: Final = self.issue(None, self._key.public_key(), self._ends)

    def issue(
        self,
        title: str | None,
        key: CertificatePublicKeyTypes,
        ends: datetime,
        usages: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
    ) -> x509.Certificate:
        """Issue a certificate for signing manifests.

        Args:
            title: common name of the subject; None is the authority itself.
            key: public key of the subject.
            ends: end of the certificate.
            usages: extended key usages.
        """
        authority = title is None
        ours, begins = self._key.public_key(), min(datetime.now(UTC), ends) - _EARLIER
        certificate = (
            x509.CertificateBuilder()
            .issuer_name(self._name)
            .subject_name(self._name if title is None else self._build_name(title))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(_key_usage(authority=authority), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False)
        )
        if not authority:
            certificate = certificate.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return certificate.sign(self._key, hashes.SHA256())

    def _build_name(self, title: str) -> x509.Name:
        parts = {NameOID.ORGANIZATION_NAME: self._organisation, NameOID.COMMON_NAME: title}
        return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts.items()])


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
