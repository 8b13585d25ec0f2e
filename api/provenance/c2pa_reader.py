"""Reader of the C2PA manifest of one file, run as a confined process of its own.

A program, started by path (`api.provenance.content_credentials.Credentials` does). On stdin comes a line of JSON, the
settings of the library, then the file; on stdout goes what `summarise` makes of its manifest, as JSON. It limits itself
before it loads the library: a manifest from a stranger is read by native code.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from collections.abc import Mapping
from typing import Any, Final

LONGEST_ANSWER: Final = 65_536
"""Most bytes on stdout."""

_LONGEST_TEXT: Final = 200
_MOST_CODES: Final = 20
_BINDINGS: Final = frozenset({"assertion.dataHash.match", "assertion.boxesHash.match", "assertion.bmffHash.match"})
_OF_SIGNERS: Final = ("signingCredential.", "timeStamp.")
"""Prefixes of failures that concern the signer and the time, not the file."""

_LIMITS: Final = {
    resource.RLIMIT_AS: 1_000_000_000,
    resource.RLIMIT_CPU: 10,
    resource.RLIMIT_NOFILE: 16,
    resource.RLIMIT_FSIZE: LONGEST_ANSWER,
    resource.RLIMIT_CORE: 0,
}
"""Address space in bytes, processor time in seconds, open files, bytes written to a file, bytes of a core dump."""


def confine() -> None:
    """Limit the resources of this process for good."""
    for kind, most in _LIMITS.items():
        _, ceiling = resource.getrlimit(kind)
        most = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
        resource.setrlimit(kind, (most, most))


def summarise(store: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of api.provenance.content_credentials.ManifestReading for a manifest store of `c2pa.Reader`."""
    manifest = store["manifests"][store["active_manifest"]]
    found = store["validation_results"]["activeManifest"]
    holds, fails = ([str(one["code"])[:_LONGEST_TEXT] for one in found[kind]] for kind in ("success", "failure"))
    signed = "claimSignature.validated" in holds and all(code.startswith(_OF_SIGNERS) for code in fails)
    signature, program = manifest.get("signature_info", {}), (manifest.get("claim_generator_info") or [{}])[0]
    return {
        "state": store["validation_state"].lower(),
        "intact": signed and not _BINDINGS.isdisjoint(holds),
        "signer": _short(signature.get("common_name")),
        "organisation": _short(signature.get("issuer")),
        "serial": _short(signature.get("cert_serial_number")),
        "software": _short(" ".join(str(program[part]) for part in ("name", "version") if part in program) or None),
        "failures": list(dict.fromkeys(fails))[:_MOST_CODES],
    }


def _short(text: Any) -> str | None:
    return None if text is None else str(text)[:_LONGEST_TEXT]


def main(media_type: str) -> None:
    """Read the file on stdin and print the result to stdout."""
    confine()
    import c2pa

    settings, _, data = sys.stdin.buffer.read().partition(b"\n")
    try:
        with (
            c2pa.Context.from_json(settings.decode()) as context,
            c2pa.Reader(media_type, io.BytesIO(data), context=context) as reader,
        ):
            answer = summarise(json.loads(reader.json()))
    except Exception as error:  # the library meets hostile bytes with errors of many kinds
        answer = {"state": "unreadable", "because": _short(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
