"""Signing of C2PA manifests, which repeat a picture's mark in the form that viewers know.

A manifest names no ingredient and holds no thumbnail: nothing in it depends on the photograph behind a picture, not
even a hash. It is bound to the bytes of the file, and costs about two milliseconds and 3.5 kB.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import c2pa
import numpy as np

from api.problem_types import ProblemType
from api.problems import Problem
from api.provenance.c2pa_certificate import CERTIFICATE, Identity, make_rules
from api.provenance.claims import Claim, Source, this_software
from api.provenance.marks import encode, read_claim
from core.errors import ConfigError, GestaltError
from faces.image_containers import FORMATS, sniff

_RULES: Final[Mapping[str, Any]] = make_rules(()) | {"builder": {"thumbnail": {"enabled": False}}}

_NOT_FOR: Final = ("cawg.ai_generative_training", "cawg.ai_inference", "cawg.ai_training", "cawg.data_mining")
"""Uses that are not allowed for pictures of real people (CAWG Training and Data Mining Assertion)."""

_ACTIONS: Final[Mapping[Source, tuple[str, ...]]] = {"edited": ("c2pa.edited",), "annotated": ("c2pa.drawing",)}
"""What was done to a picture after it was created."""

_ACTIVE: Final = "activeManifest"
_UNTRUSTED: Final = "signingCredential.untrusted"


class Signer:
    """Signer of pictures, which adds C2PA manifests to them. Safe to use from threads.

    Args:
        identity: who signs.

    Raises:
        ConfigError: C2PA does not accept what it signs.
    """

    def __init__(self, identity: Identity) -> None:
        info = c2pa.C2paSignerInfo(identity.algorithm, "".join(identity.certificates).encode(), identity.key, None)
        self._ends = identity.ends
        try:
            context = c2pa.Context.from_dict(_RULES, signer=c2pa.Signer.from_info(info))
            self._builder = partial(c2pa.Builder, context=context)
            grey = np.full((8, 8, 3), 128, np.uint8)
            picture = io.BytesIO(self.sign(encode(grey, Claim("synthetic", "", {}))))
            with c2pa.Context.from_dict(_RULES) as rules, c2pa.Reader("image/png", picture, context=rules) as reader:
                wrong = {one["code"]: one["explanation"] for one in reader.get_validation_results()[_ACTIVE]["failure"]}
        except (c2pa.C2paError, GestaltError) as error:
            raise _rejection_error(str(error)) from error
        wrong.pop(_UNTRUSTED, None)  # by whom it is trusted, each viewer decides
        if wrong:
            raise _rejection_error("; ".join(f"{code}: {explanation}" for code, explanation in wrong.items()))

    def sign(self, data: bytes) -> bytes:
        """Return a picture's file with a manifest. Each call makes another manifest: it has an id, and is salted.

        Args:
            data: PNG, WebP or JPEG with its mark; see api.provenance.marks.

        Raises:
            Problem: 503, the certificate has ended.
            GestaltError: the picture has no mark, or cannot be signed.
        """
        if datetime.now(UTC) >= self._ends:
            raise Problem(
                ProblemType.CERTIFICATE_EXPIRED,
                f"The certificate that pictures are signed with ended on {self._ends:%Y-%m-%d}, and none leave "
                f"unsigned: whoever runs the service has to renew it ({CERTIFICATE}).",
            )
        claim, form, signed = read_claim(data), sniff(data[:12]), io.BytesIO()
        if claim is None or form is None:
            raise GestaltError("a picture without a mark is not signed; expected a PNG, WebP or JPEG of this service")
        try:
            self._builder(make_manifest(claim)).sign(FORMATS[form], io.BytesIO(data), signed)
        except c2pa.C2paError as error:
            raise GestaltError(f"a picture cannot be signed: {error}") from error
        return signed.getvalue()


def make_manifest(claim: Claim) -> dict[str, Any]:
    """Return a manifest for c2pa.Builder.

    For pictures that come from a photograph, the specification suggests `c2pa.opened` with the photograph as an
    ingredient. This manifest says instead that the picture was created, by a network or with marks that were drawn.
    """
    made = {
        "digitalSourceType": claim.digital_source_type,
        "softwareAgent": _software(claim.software),
        "description": claim.notice,
    }
    actions = ["c2pa.created", *_ACTIONS.get(claim.source, ())]
    assertions: list[dict[str, Any]] = [
        {
            "label": "c2pa.actions.v2",
            "data": {"actions": [{"action": name, **made} for name in actions]},
            "created": True,
        }
    ]
    if claim.source != "synthetic":
        entries = {use: {"use": "notAllowed"} for use in _NOT_FOR}
        assertions.append({"label": "cawg.training-mining", "data": {"entries": entries}})
    return {"title": claim.notice, "claim_generator_info": [_software(this_software())], "assertions": assertions}


def _software(name_and_version: str) -> dict[str, str]:
    name, _, number = name_and_version.partition(" ")
    return {"name": name, "version": number} if number else {"name": name}


def _rejection_error(why: str) -> ConfigError:
    return ConfigError(
        f"{CERTIFICATE} and its key sign nothing that C2PA accepts ({why}); expected a certificate by the C2PA "
        "specification, chapter Trust Model: `gestaltgen keys c2pa` makes one to try with"
    )
