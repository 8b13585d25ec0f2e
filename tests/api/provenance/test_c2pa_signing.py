"""Manifests as the library itself reads them: what they say, what they do not, and by whom they are trusted."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any, Self, get_args

import numpy as np
import pytest

from api.problems import Problem
from api.provenance.c2pa_certificate import read_identity
from api.provenance.c2pa_signing import Signer
from api.provenance.claims import Claim, Source
from api.provenance.marks import ImageFormat, Marker, read_claim
from core.errors import ConfigError, GestaltError
from faces.images import Pixels, encode_png, read_image
from tests.api.provenance.test_c2pa_certificate import KEYS
from tests.api.signing import NAME, Signing, failures, manifest_in, signing, store_of

MARKER = Marker(b"x" * 32)
WEIGHTS = "ab" * 32
WHAT = {"edit": {"direction": "smile"}, "image_set": "cd" * 32, "seed": 271828}
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


@pytest.fixture(scope="module")
def made() -> Signing:
    return signing()


@pytest.fixture(scope="module")
def signer(made: Signing) -> Signer:
    return Signer(read_identity(made.certificate, made.key))


@pytest.fixture(scope="module")
def face(astronaut: Pixels) -> Pixels:
    return np.ascontiguousarray(astronaut[:64, 200:264])


def marked(face: Pixels, source: Source = "edited", form: ImageFormat = "png") -> bytes:
    return MARKER.encode(face, Claim(source, WEIGHTS, WHAT, software="gestaltgen 1.2"), form)


def active(store: dict[str, Any]) -> dict[str, Any]:
    assert [*store["manifests"]] == [store["active_manifest"]]
    manifest: dict[str, Any] = store["manifests"][store["active_manifest"]]
    return manifest


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_signature_is_trusted_by_whoever_trusts_the_authority(algorithm: str, face: Pixels) -> None:
    made = signing(KEYS[algorithm]())
    signed = Signer(read_identity(made.certificate, made.key)).sign(marked(face))
    assert store_of(signed, made.authority)["validation_state"] == "Trusted"
    for strangers in ((), (signing().authority,)):
        store = store_of(signed, *strangers)
        assert (store["validation_state"], failures(store)) == ("Valid", ["signingCredential.untrusted"])
    told = active(store_of(signed))["signature_info"]
    assert (told["common_name"], told["issuer"], told["alg"].lower()) == ("gestaltgen", NAME, algorithm)


@pytest.mark.parametrize("form", get_args(ImageFormat))
@pytest.mark.parametrize("source", get_args(Source))
def test_a_manifest_says_what_the_mark_says(
    signer: Signer, face: Pixels, made: Signing, source: Source, form: ImageFormat
) -> None:
    data = marked(face, source, form)
    signed = signer.sign(data)
    claim, store = read_claim(data), store_of(signed, made.authority)
    assert claim is not None
    manifest = active(store)
    assert (store["validation_state"], manifest["claim_version"]) == ("Trusted", 2)
    assert manifest["title"] == claim.notice
    [generator] = manifest["claim_generator_info"]
    assert generator["name"] == "gestaltgen"
    assertions = {one["label"]: one["data"] for one in manifest["assertions"]}
    media = {"synthetic": "trainedAlgorithmicMedia", "annotated": "composite"}.get(
        source, "compositeWithTrainedAlgorithmicMedia"
    )
    agent = {"name": "gestaltgen", "version": "1.2"}
    done = {"digitalSourceType": IPTC + media, "softwareAgent": agent, "description": claim.notice}
    actions = ["c2pa.created", *{"edited": ["c2pa.edited"], "annotated": ["c2pa.drawing"]}.get(source, [])]
    assert assertions.pop("c2pa.actions.v2") == {"actions": [{"action": name} | done for name in actions]}
    if source == "synthetic":
        assert not assertions
    else:
        entries = assertions.pop("cawg.training-mining")["entries"]
        assert entries["cawg.ai_generative_training"] == {"use": "notAllowed"}
        assert not assertions
    mark = MARKER.read(signed)
    assert mark is not None
    assert mark.genuine
    assert mark.intact
    assert np.array_equal(read_image(signed), read_image(data))
    assert 2_500 < len(signed) - len(data) < 4_500


@pytest.mark.parametrize("source", get_args(Source))
def test_a_manifest_has_no_thumbnail_no_ingredient_and_nothing_of_the_request(
    signer: Signer, face: Pixels, source: Source
) -> None:
    signed = signer.sign(marked(face, source))
    detailed = store_of(signed, detailed=True)
    assert not detailed["manifests"][detailed["active_manifest"]]["claim"].get("ingredients")
    [manifest] = detailed["manifests"].values()
    allowed = {"c2pa.actions.v2", "c2pa.hash.data", "cawg.training-mining"}
    assert {*manifest["assertion_store"]} <= allowed
    raw = manifest_in(signed)
    for text in ("thumbnail", "ingredient", "Exif", "smile", WEIGHTS, "cd" * 32, "271828"):
        assert text.encode() not in raw
        assert text not in json.dumps(detailed)
    assert b"\xff\xd8\xff" not in raw
    assert b"IHDR" not in raw


def test_each_signature_is_another_and_threads_may_sign(signer: Signer, face: Pixels, made: Signing) -> None:
    data = marked(face)
    with ThreadPoolExecutor(4) as threads:
        signed = [*threads.map(signer.sign, [data] * 12)]
    assert len({*signed}) == 12
    assert {store_of(one, made.authority)["validation_state"] for one in signed} == {"Trusted"}


def test_changed_pixels_and_changed_words_are_told(signer: Signer, face: Pixels, made: Signing) -> None:
    signed = signer.sign(marked(face))
    for place in (len(signed) - 100, signed.rindex(b"no basis for a diagnosis")):
        changed = bytearray(signed)
        changed[place] ^= 1
        store = store_of(bytes(changed), made.authority)
        assert store["validation_state"] == "Invalid"
        assert "assertion.dataHash.mismatch" in failures(store)


def test_a_certificate_that_ends_lets_nothing_leave(
    signer: Signer, face: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls(2999, 1, 1, tzinfo=tz)

    monkeypatch.setattr("api.provenance.c2pa_signing.datetime", Later)
    with pytest.raises(Problem, match=r"ended on 2\d{3}-\d\d-\d\d, and none leave unsigned: .* renew it") as refused:
        signer.sign(marked(face))
    assert (refused.value.status, refused.value.reason) == (503, "failure")


def test_what_is_not_marked_is_not_signed(signer: Signer, face: Pixels) -> None:
    for data in (encode_png(face), b"", b"hello"):
        with pytest.raises(GestaltError, match="without a mark"):
            signer.sign(data)


def test_what_the_library_would_refuse_is_refused_at_once(made: Signing) -> None:
    identity = read_identity(made.certificate, made.key)
    other = read_identity(*(lambda one: (one.certificate, one.key))(signing()))
    for broken in (replace(identity, algorithm="ps256"), replace(identity, key=other.key)):
        with pytest.raises(ConfigError, match="sign nothing that C2PA accepts") as refused:
            Signer(broken)
        assert "PRIVATE" not in str(refused.value)
