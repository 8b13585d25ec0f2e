"""Content credentials (C2PA): pictures are signed when they are delivered, if configured, and manifests are read.

Stored files are never signed: an image set stays the same bytes whoever serves it, and a certificate can be renewed.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal

from pydantic import TypeAdapter, ValidationError

from api.provenance import c2pa_reader
from api.settings import Settings
from core.errors import ConfigError
from faces.image_containers import FORMATS, sniff

if TYPE_CHECKING:
    from api.provenance.c2pa_signing import Signer

_log = logging.getLogger("gestaltgen.credentials")

_PROGRAM: Final = Path(c2pa_reader.__file__)
WALL_S: Final = 15
_SOON: Final = timedelta(days=30)
_AT_ONCE: Final = 2
"""Number of reading processes at a time; further files wait."""


@dataclass(frozen=True)
class ManifestReading:
    """Content of a file's C2PA manifest, and whether it is valid.

    Attributes:
        state: "trusted" if it holds and an authority that this service trusts vouches for the signer; "valid" if it
            holds; "invalid" if something in it does not hold.
        intact: the file, and so its pixels, is as it was signed, whoever signed it.
        signer: name in the signer's certificate.
        organisation: organisation in the signer's certificate.
        serial: serial number of the signer's certificate, in decimal.
        software: program that made the manifest, as the manifest says.
        failures: status codes of the specification for what does not hold.
        because: why the manifest is unreadable.
    """

    state: Literal["trusted", "valid", "invalid", "unreadable"]
    intact: bool = False
    signer: str | None = None
    organisation: str | None = None
    serial: str | None = None
    software: str | None = None
    failures: Sequence[str] = ()
    because: str | None = None


_readings: Final = TypeAdapter(ManifestReading)


class Credentials:
    """Signer and reader of C2PA manifests. Safe to use from threads.

    Args:
        signer: signs pictures; None leaves them unsigned.
        make_rules: returns the settings of the library that reads, as JSON in one line, when a manifest is read for the
            first time; None if the library is not installed.
    """

    def __init__(self, signer: Signer | None, make_rules: Callable[[], str] | None) -> None:
        self.signer = signer
        self._make_rules = None if make_rules is None else cache(make_rules)
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    @property
    def signs(self) -> bool:
        """Whether pictures are signed when they are delivered."""
        return self.signer is not None

    def sign(self, data: bytes) -> bytes:
        """Return a picture's file with a manifest, if this service signs; see api.provenance.c2pa_signing."""
        return data if self.signer is None else self.signer.sign(data)

    def read(self, data: bytes) -> ManifestReading | None:
        """Read a file's manifest; returns None if there is none. Blocks.

        Safe for any bytes: they are read in a confined process, and nothing that they refer to is fetched.

        Args:
            data: PNG, WebP or JPEG.
        """
        form = sniff(data[:12])
        if form is None or b"jumb" not in data or b"c2pa" not in data:  # how every embedded manifest begins
            return None
        if self._make_rules is None:
            return ManifestReading(state="unreadable", because="c2pa-python is not installed here")
        answer = self._run_reader(FORMATS[form], self._make_rules().encode() + b"\n" + data)
        try:
            found = _readings.validate_json(answer)
        except ValidationError:
            _log.warning("a manifest could not be read within the limits")
            return ManifestReading(state="unreadable", because="it could not be read within the limits")
        return None if found.because and found.because.startswith("ManifestNotFound") else found

    def _run_reader(self, media_type: str, question: bytes) -> bytes:
        command = [sys.executable, "-I", "-B", str(_PROGRAM), media_type]
        with self._turns, _open_memory_file(question) as asked, _open_memory_file() as answered:
            try:
                subprocess.run(  # noqa: S603
                    command,
                    stdin=asked,
                    stdout=answered,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env={},
                    start_new_session=True,
                    timeout=WALL_S,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return b""
            answered.seek(0)
            return answered.read(c2pa_reader.LONGEST_ANSWER)


def open_credentials(settings: Settings) -> Credentials:
    """Return the signer and reader that the settings ask for.

    Raises:
        ConfigError: a setting is missing or cannot be used, or c2pa-python is not installed.
    """
    certificate, key, anchors = settings.c2pa_certificate, settings.c2pa_key, settings.c2pa_anchors
    if (certificate is None) != (key is None):
        missing, there = ("CERTIFICATE", "KEY") if certificate is None else ("KEY", "CERTIFICATE")
        raise ConfigError(
            f"GESTALTGEN_C2PA_{there} is set, but not GESTALTGEN_C2PA_{missing}; expected both, to sign, or neither"
        )
    if find_spec("c2pa") is None:
        if certificate is None and anchors is None:
            return Credentials(None, None)
        raise ConfigError(
            "GESTALTGEN_C2PA_… is set, but c2pa-python is not installed; unset it, or run `pip install c2pa-python`"
        )
    if certificate is None and anchors is None:
        return Credentials(None, _make_plain_rules)
    from api.provenance.c2pa_certificate import ANCHORS, certificates_in, make_rules, read_identity, to_pem
    from api.provenance.c2pa_signing import Signer

    trusted = [] if anchors is None else [to_pem(one) for one in certificates_in(ANCHORS, anchors)]
    if certificate is None or key is None:
        return Credentials(None, partial(json.dumps, make_rules(trusted)))
    identity = read_identity(certificate, key.get_secret_value())
    soon = identity.ends - datetime.now(UTC) < _SOON
    _log.log(
        logging.WARNING if soon else logging.INFO,
        "pictures are signed (C2PA, %s) as %s, until %s",
        identity.algorithm,
        identity.name,
        f"{identity.ends:%Y-%m-%d}",
    )
    rules = make_rules([*identity.certificates[1:], *trusted])
    return Credentials(Signer(identity), partial(json.dumps, rules))


def _make_plain_rules() -> str:
    """Return the rules of a service that trusts no authority; the import takes a quarter of a second."""
    from api.provenance.c2pa_certificate import make_rules

    return json.dumps(make_rules([]))


@contextmanager
def _open_memory_file(data: bytes = b"") -> Iterator[IO[bytes]]:
    with os.fdopen(os.memfd_create("manifest"), "w+b", buffering=0) as file:
        file.write(data)
        file.seek(0)
        yield file
