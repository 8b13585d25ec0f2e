"""Content Credentials through the service: which pictures leave signed, and what is told of files that come."""

from __future__ import annotations

import hashlib
import io
import logging
import socket
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import anyio
import c2pa
import numpy as np
import pytest

from api.app import create_app
from api.provenance import content_credentials
from api.provenance.c2pa_signing import make_manifest
from api.provenance.claims import Claim
from api.provenance.content_credentials import ManifestReading, open_credentials
from api.provenance.marks import Marker
from api.settings import Settings
from core.errors import ConfigError
from faces.images import encode_png, read_image
from tests.api.lab import CONSENT, WAIT, Json, Lab, all_files, good, open_lab, phantom
from tests.api.signing import NAME, Signing, failures, manifest_in, signing, store_of, with_manifest

SET = {"kind": "unrelated", "conditions": ["WS"], "ages": ["child"], "count": 2, "seed": 9}


@pytest.fixture(scope="module")
def made() -> Signing:
    return signing()


@pytest.fixture(scope="module")
def signing_lab(tmp_path_factory: pytest.TempPathFactory, made: Signing) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("signing"), **made.settings) as lab:
        yield lab


@pytest.fixture(scope="module")
def image_set(signing_lab: Lab) -> Json:
    return good(signing_lab.http.post("/v1/image-sets", json=SET, headers=WAIT))


@pytest.fixture(scope="module")
def photo(signing_lab: Lab) -> Json:
    return good(signing_lab.send(phantom(0)))


@pytest.fixture(scope="module")
def edit(signing_lab: Lab, photo: Json) -> Json:
    return good(signing_lab.edit(photo["id"], strength=1.0))


@pytest.fixture(scope="module")
def edited(signing_lab: Lab, edit: Json) -> bytes:
    return signing_lab.http.get(edit["links"]["image"]).content


def verify(lab: Lab, picture: bytes) -> Json:
    return good(lab.http.post("/v1/verify", content=picture))


def is_signed(data: bytes) -> bool:
    return b"jumb" in data


def test_pictures_of_somebody_leave_signed(
    signing_lab: Lab, photo: Json, edit: Json, made: Signing, tmp_path: Path
) -> None:
    paths = [photo["links"]["reconstruction"], edit["links"]["image"], edit["links"]["before"]]
    for path, source in zip(paths, ["reconstructed", "edited", "reconstructed"], strict=True):
        answer = signing_lab.http.get(path)
        assert answer.headers["Cache-Control"] == "private, no-store"
        store = store_of(answer.content, made.authority)
        assert (store["validation_state"], failures(store)) == ("Trusted", [])
        assert failures(store_of(answer.content)) == ["signingCredential.untrusted"]
        found = verify(signing_lab, answer.content)
        assert (found["verdict"], found["source"]) == ("made here", source)
        raw = manifest_in(answer.content)
        sent = hashlib.sha256(phantom(0))
        behind = [photo["id"], edit["id"], *CONSENT.values(), sent.hexdigest(), "thumbnail", "ingredient"]
        assert not [text for text in behind if text.encode() in raw]
        assert sent.digest() not in raw


def test_a_photograph_itself_does_not(signing_lab: Lab, photo: Json) -> None:
    assert not is_signed(signing_lab.http.get(photo["links"]["crop"]).content)


def test_pictures_of_nobody_that_are_for_looking_at_leave_signed(
    signing_lab: Lab, image_set: Json, made: Signing
) -> None:
    base = f"/v1/image-sets/{image_set['id']}"
    edit = good(signing_lab.http.post(f"{base}/images/1/edits", json={"strength": 1.0}, headers=WAIT))["links"]
    paths = [f"{base}/images/1?format=webp", f"{base}/images/1?format=jpeg", f"{base}/sheet.png"]
    for path in (*paths, f"{base}/sheet.png?tile=128", edit["image"], edit["before"]):
        answer = signing_lab.http.get(path)
        assert store_of(answer.content, made.authority)["validation_state"] == "Trusted"
        assert answer.headers["ETag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
        assert "immutable" in answer.headers["Cache-Control"]
        found = verify(signing_lab, answer.content)
        assert (found["credentials"]["state"], found["credentials"]["intact"]) == ("trusted", True)
        assert found["verdict"] == ("not recognised" if "sheet" in path else "made here")
        assert found["claim"]["source"] == "synthetic"


def test_an_image_set_is_the_same_bytes_whoever_serves_it(
    signing_lab: Lab, image_set: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = f"/v1/image-sets/{image_set['id']}"
    paths = [f"{base}/{name}" for name in ("manifest.jsonl", "images/1", "shards/0.tar", "archive.zip")]
    there = [signing_lab.http.get(path) for path in paths]
    assert not [answer.url for answer in there if is_signed(answer.content)]
    monkeypatch.setattr(signing_lab.service.credentials, "signer", None)
    for path, answer in zip(paths, there, strict=True):
        unsigned = signing_lab.http.get(path)
        assert (unsigned.content, unsigned.headers["ETag"]) == (answer.content, answer.headers["ETag"])
    assert not is_signed(signing_lab.http.get(f"{base}/sheet.png").content)


def test_nothing_that_is_stored_is_signed(signing_lab: Lab, edited: bytes, image_set: Json) -> None:
    signing_lab.http.get(f"/v1/image-sets/{image_set['id']}/sheet.png")
    files = all_files(signing_lab.state) | {str(p): p.read_bytes() for p in (signing_lab.state / "sets").rglob("*.png")}
    assert len(files) > 5
    assert not [name for name, data in files.items() if is_signed(data)]


def test_stimuli_are_not_signed(signing_lab: Lab) -> None:
    photos = [good(signing_lab.send(phantom(n)))["id"] for n in (1, 2)]
    pack = good(signing_lab.pack(*photos))
    with zipfile.ZipFile(io.BytesIO(signing_lab.http.get(pack["links"]["archive"]).content)) as archive:
        pictures = [name for name in archive.namelist() if name.endswith(".png")]
        assert pictures
        assert not [name for name in pictures if is_signed(archive.read(name))]


def test_who_signed_is_told(signing_lab: Lab, edited: bytes) -> None:
    found = verify(signing_lab, edited)["credentials"]
    assert (found["signer"], found["organisation"]) == ("gestaltgen", NAME)
    assert found["serial"].isdecimal()
    assert found["software"].startswith("gestaltgen")
    assert (found["state"], found["intact"], found["failures"], found["because"]) == ("trusted", True, [], None)
    elsewhere = open_credentials(Settings()).read(edited)
    assert elsewhere is not None
    assert asdict(elsewhere) == found | {"state": "valid", "failures": ["signingCredential.untrusted"]}


def test_changed_pixels_are_told(signing_lab: Lab, edited: bytes) -> None:
    pixels = read_image(edited).copy()
    pixels[5, 5, 0] ^= 1
    changed = with_manifest(encode_png(pixels), manifest_in(edited)[8:-4])
    found = verify(signing_lab, changed)
    assert found["verdict"] == "not recognised"
    assert (found["credentials"]["state"], found["credentials"]["intact"]) == ("invalid", False)
    assert found["credentials"]["failures"] == ["assertion.dataHash.mismatch"]


def test_a_stripped_file_has_none(signing_lab: Lab, edited: bytes) -> None:
    found = verify(signing_lab, encode_png(read_image(edited)))
    assert (found["verdict"], found["credentials"]) == ("not recognised", None)


def test_damaged_manifests_never_fail_the_service(signing_lab: Lab, edited: bytes) -> None:
    rng, body = np.random.default_rng(0), manifest_in(edited)[8:-4]
    bare = encode_png(read_image(edited))
    seen = set()
    for n in range(24):
        damaged = bytearray(body)
        for place in rng.integers(0, 900, 1 + n % 3):
            damaged[place] = int(rng.integers(0, 256))
        picture = with_manifest(bare, bytes(damaged))
        found = signing_lab.service.credentials.read(picture)
        if found is not None:
            assert not found.intact
            if found.state not in seen:  # a request decodes the picture too, which is the same each time
                assert verify(signing_lab, picture)["credentials"]["state"] == found.state
            seen.add(found.state)
    assert seen == {"invalid", "unreadable"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"jumb c2pa",
        b"\0\0\0\0jumb" * 20_000 + b"c2pa",
        b"\xff\xff\xff\xffjumb\0\0\0\x1ejumdc2pa\0\x11\0\x10\x80\0\0\xaa\x008\x9bq\x03c2pa\0",
        b"\0\0\0\x01jumb\xff\xff\xff\xff\xff\xff\xff\xffjumdc2pa",
        b"\0\0\x40\0jumb" * 2_000 + b"\0\0\0\x1ejumdc2pa\0\x11\0\x10\x80\0\0\xaa\x008\x9bq\x03c2pa\0",
        bytes(range(256)) * 4000 + b"jumbc2pa",
    ],
    ids=lambda body: f"{len(body)} bytes",
)
def test_garbage_is_no_failure(signing_lab: Lab, body: bytes) -> None:
    found = verify(signing_lab, with_manifest(phantom(0), body))
    assert found["verdict"] == "not recognised"
    assert found["credentials"] is None or found["credentials"]["state"] == "unreadable"


def test_what_takes_too_long_is_given_up(signing_lab: Lab, edited: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_credentials, "WALL_S", 0.001)
    found = verify(signing_lab, edited)
    assert found["verdict"] == "made here"
    assert found["credentials"]["state"] == "unreadable"
    assert "within the limits" in found["credentials"]["because"]


@pytest.mark.parametrize("embedded", [True, False])
def test_nothing_is_fetched(signing_lab: Lab, made: Signing, embedded: bool) -> None:
    info = c2pa.C2paSignerInfo("es256", made.certificate.encode(), made.key.encode(), None)
    signed = io.BytesIO()
    with socket.create_server(("127.0.0.1", 0)) as server, c2pa.Signer.from_info(info) as signer:
        server.settimeout(0.2)
        with c2pa.Builder(make_manifest(Claim("synthetic", "ab", {}))) as builder:
            builder.set_remote_url(f"http://127.0.0.1:{server.getsockname()[1]}/manifest.c2pa")
            if not embedded:
                builder.set_no_embed()
            builder.sign(signer, "image/png", io.BytesIO(phantom(0)), signed)
        assert b"/manifest.c2pa" in signed.getvalue()
        found = verify(signing_lab, signed.getvalue())["credentials"]
        assert (found is not None) == embedded
        with pytest.raises(TimeoutError):
            server.accept()


def test_the_certificate_is_checked_before_anything_is_opened(tmp_path: Path, made: Signing) -> None:
    app = create_app(Settings(state=tmp_path / "state", c2pa_certificate=signing().certificate, c2pa_key=made.key))

    async def start() -> None:
        async with app.router.lifespan_context(app):
            pass

    with pytest.raises(ConfigError, match="is of another key"):
        anyio.run(start)
    assert not (tmp_path / "state" / "service.sqlite").exists()


def test_one_setting_alone_is_refused(made: Signing) -> None:
    with pytest.raises(ConfigError, match="C2PA_CERTIFICATE is set, but not GESTALTGEN_C2PA_KEY; expected both"):
        open_credentials(Settings(c2pa_certificate=made.certificate))
    with pytest.raises(ConfigError, match="C2PA_KEY is set, but not GESTALTGEN_C2PA_CERTIFICATE; expected both"):
        open_credentials(Settings(c2pa_key=made.key))


def test_the_key_is_in_no_text(
    made: Signing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GESTALTGEN_C2PA_KEY", made.key)
    monkeypatch.setenv("GESTALTGEN_C2PA_CERTIFICATE", made.certificate)
    with caplog.at_level(logging.DEBUG):
        opened = open_credentials(Settings())
    assert f"(C2PA, es256) as CN=gestaltgen,O={NAME}" in caplog.text
    with pytest.raises(ValueError, match="without_keys") as wrong:
        Settings(without_keys=True, host="192.0.2.1")
    secret = made.key.splitlines()[1][8:40]
    for text in (repr(Settings()), str(Settings()), caplog.text, str(wrong.value), repr(opened.__dict__)):
        assert secret not in text
        assert "PRIVATE" not in text


def test_an_end_that_is_near_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    for days, level in ((29, logging.WARNING), (31, logging.INFO)):
        caplog.clear()
        made = signing(days=days)
        with caplog.at_level(logging.INFO):
            open_credentials(Settings(c2pa_certificate=made.certificate, c2pa_key=made.key))
        [record] = caplog.records
        assert record.levelno == level


def test_who_follows_the_certificate_is_trusted(made: Signing) -> None:
    opened = open_credentials(Settings(c2pa_certificate=made.certificate + made.authority, c2pa_key=made.key))
    picture = opened.sign(Marker(b"x" * 32).encode(read_image(phantom(0)), Claim("edited", "ab", {})))
    assert state(opened.read(picture)) == "trusted"
    only_anchors = open_credentials(Settings(c2pa_anchors=made.authority))
    assert not only_anchors.signs
    assert only_anchors.sign(picture) is picture
    assert state(only_anchors.read(picture)) == "trusted"
    assert state(open_credentials(Settings(c2pa_anchors=signing().authority)).read(picture)) == "valid"


def state(found: ManifestReading | None) -> str | None:
    return None if found is None else found.state


def test_without_the_library_files_are_served_and_settings_refused(
    made: Signing, edited: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_credentials, "find_spec", lambda name: None)
    opened = open_credentials(Settings())
    found = opened.read(edited)
    assert found is not None
    assert (found.state, found.because) == ("unreadable", "c2pa-python is not installed here")
    assert opened.read(phantom(0)) is None
    for settings in (made.settings, {"c2pa_anchors": made.authority}):
        with pytest.raises(ConfigError, match="pip install c2pa-python"):
            open_credentials(Settings(**settings))
