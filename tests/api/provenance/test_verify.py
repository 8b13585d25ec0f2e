"""Is it ours? Pictures as they were made, changed, stripped, foreign and hostile."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from api.photographs.decoding import PROCESSES_AT_ONCE
from api.provenance.claims import Claim
from api.provenance.marks import Marker, encode
from faces.images import Pixels, encode_png, read_image
from tests.api.lab import WAIT, Json, Lab, good, phantom, refused, saved

SET = {"kind": "unrelated", "conditions": ["WS"], "ages": ["child"], "count": 2, "seed": 9}


@pytest.fixture(scope="module")
def image(lab: Lab) -> str:
    asked = good(lab.http.post("/v1/image-sets", json=SET, headers=WAIT))
    return f"/v1/image-sets/{asked['id']}/images/1"


@pytest.fixture(scope="module")
def png(lab: Lab, image: str) -> bytes:
    return lab.http.get(image).content


@pytest.fixture(scope="module")
def edited(lab: Lab) -> bytes:
    """The picture of an edit of a photograph."""
    return lab.http.get(good(lab.edit(lab.photo(0), strength=1.0))["links"]["image"]).content


def verify(lab: Lab, picture: bytes) -> Json:
    return good(lab.http.post("/v1/verify", content=picture))


def resaved(picture: bytes, change: int = 0, pillow_format: str = "PNG", **options: object) -> bytes:
    """The same pixels, or with one changed, in a new file with the XMP of the old one."""
    with Image.open(io.BytesIO(picture)) as old:
        xmp = old.info.get("xmp") or old.info["XML:com.adobe.xmp"].encode()
    pixels = read_image(picture).copy()
    pixels[5, 5, 0] ^= change
    if pillow_format == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        return saved(pixels, pillow_format, pnginfo=info, **options)
    return saved(pixels, pillow_format, xmp=xmp, **options)


def test_many_pictures_of_one_owner_hold_up_nobody_else(lab: Lab, png: bytes) -> None:
    free = lab.service.decoder.free_processes
    with ThreadPoolExecutor(50) as pool:
        for _ in range(PROCESSES_AT_ONCE):
            assert free.acquire(timeout=30)
        try:
            sent = [pool.submit(lab.http.post, "/v1/verify", content=png) for _ in range(50)]
            lab.until(lambda: sum(one.done() for one in sent) >= 42)
            good(lab.other.get("/v1/models"))
        finally:
            free.release(PROCESSES_AT_ONCE)
        statuses = Counter(one.result().status_code for one in sent)
    assert statuses == {200: 8, 429: 42}


@pytest.mark.parametrize("form", ["png", "webp", "jpeg"])
def test_an_image_of_a_set_is_known_in_every_format(lab: Lab, image: str, form: str) -> None:
    found = verify(lab, lab.http.get(image, params={"format": form}).content)
    assert (found["verdict"], found["source"]) == ("made here", "synthetic")
    expected = {"png": "its file is one", "webp": "its pixels are those", "jpeg": "its signature is this service's"}
    assert expected[form] in found["how"]
    assert found["claim"]["source"] == "synthetic"
    assert "person who does not exist" in found["claim"]["notice"]


@pytest.mark.parametrize("pillow_format", ["PNG", "WEBP"])
def test_pixels_of_a_picture_are_known_without_any_metadata(lab: Lab, png: bytes, pillow_format: str) -> None:
    options = {"lossless": True, "exact": True} if pillow_format == "WEBP" else {}
    found = verify(lab, saved(read_image(png), pillow_format, **options))
    assert (found["verdict"], found["source"], found["claim"]) == ("made here", "synthetic", None)
    assert "its pixels are those" in found["how"]


def test_an_edit_is_known_by_its_signature(lab: Lab, edited: bytes) -> None:
    found = verify(lab, edited)
    assert (found["verdict"], found["source"]) == ("made here", "edited")
    assert "signature" in found["how"]
    assert found["claim"]["what"]["edit"]["direction"] == "smile"
    assert found["credentials"] is None
    assert verify(lab, resaved(edited))["verdict"] == "made here"


@pytest.mark.parametrize("pillow_format", ["PNG", "WEBP", "JPEG"])
def test_changed_pixels_are_seen(lab: Lab, edited: bytes, pillow_format: str) -> None:
    found = verify(lab, resaved(edited, 1, pillow_format))
    assert (found["verdict"], found["source"]) == ("made here, changed since", "edited")
    assert "not those that were signed" in found["how"]


def test_an_edit_without_its_metadata_is_not_recognised(lab: Lab, edited: bytes) -> None:
    found = verify(lab, encode_png(read_image(edited)))
    assert (found["verdict"], found["source"], found["claim"]) == ("not recognised", None, None)


def test_edited_faces_of_nobody_are_known_as_synthetic(lab: Lab, image: str) -> None:
    made = good(lab.http.post(f"{image}/edits", json={"strength": 1.0}, headers=WAIT))["links"]
    for name in ("image", "before"):
        picture = lab.http.get(made[name]).content
        found = verify(lab, picture)
        assert (found["verdict"], found["source"]) == ("made here", "synthetic")
        assert "its file is one" in found["how"]
        assert found["claim"]["what"]["edit"]["strength"] == 1.0
        assert "its pixels" in verify(lab, encode_png(read_image(picture)))["how"]


def test_a_crop_is_a_photograph_and_a_reconstruction_is_none(lab: Lab) -> None:
    links = good(lab.send(phantom(4)))["links"]
    assert verify(lab, lab.http.get(links["crop"]).content)["verdict"] == "not recognised"
    found = verify(lab, lab.http.get(links["reconstruction"]).content)
    assert (found["verdict"], found["source"]) == ("made here", "reconstructed")


def test_foreign_pictures_are_not_recognised(lab: Lab, astronaut: Pixels) -> None:
    for form in ("PNG", "WEBP", "JPEG"):
        found = verify(lab, saved(astronaut[:64, :64], form))
        assert found["verdict"] == "not recognised"
        assert found["claim"] is None


def test_what_another_service_or_nobody_signed_is_hearsay(lab: Lab, astronaut: Pixels, png: bytes) -> None:
    claim = Claim("synthetic", "ab" * 32, {"seed": 1})
    for picture in (Marker(b"x" * 32).encode(astronaut, claim), encode(astronaut, claim)):
        found = verify(lab, picture)
        assert (found["verdict"], found["source"]) == ("not recognised", None)
        assert found["claim"]["what"] == {"seed": 1}
    changed = resaved(png, 1)  # images of sets are not signed
    assert verify(lab, changed)["verdict"] == "not recognised"


def test_every_key_may_ask_and_nobody_without(lab: Lab, png: bytes) -> None:
    for http in (lab.sets_only, lab.other):
        assert good(http.post("/v1/verify", content=png))["verdict"] == "made here"
    assert refused(lab.http.post("/v1/verify", content=png, headers={"Authorization": ""}), 401)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_claim(claim: str) -> bytes:
    """A picture that says something of itself."""
    png = encode_png(np.zeros((8, 8, 3), np.uint8))
    return png[:33] + chunk(b"iTXt", b"Claim\0\0\0\0\0" + claim.encode()) + png[33:]


def bomb(width: int, height: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def animated() -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("picture", "status"),
    [
        (b"", 400),
        (b"hello, is this a picture?", 415),
        (b"GIF89a" + bytes(50), 415),
        (b"\xff\xd8\xff", 422),
        (b"\x89PNG\r\n\x1a\n", 422),
        (b"RIFF\x04\0\0\0WEBP", 422),
        (phantom(0)[:2000], 422),
        (phantom(0) + b"%PDF-1.7 trailing", 422),
        (saved(np.zeros((64, 64, 3), np.uint8), "JPEG")[:-200], 422),
        (bomb(50_000, 50_000), 422),
        (bomb(2**31 - 1, 2**31 - 1), 422),
        (bomb(6_000, 6_000), 422),
        (animated(), 422),
    ],
    ids=lambda value: None if isinstance(value, int) else f"{len(value)} bytes",
)
def test_what_cannot_be_read_is_refused(lab: Lab, picture: bytes, status: int) -> None:
    refused(lab.http.post("/v1/verify", content=picture), status)


def test_too_large_a_body_is_refused(lab: Lab) -> None:
    with lab.http.stream("POST", "/v1/verify", content=bytes(20_000_001)) as answer:
        assert answer.status_code == 413


@pytest.mark.parametrize(
    "what",
    [
        '{"a": "\\ud800"}',
        '{"\\udfff": 1}',
        '{"a": NaN}',
        '{"a": 1e999}',
        f'{{"a": {"9" * 4000}}}',
        f'{{"a": {"9" * 5000}}}',
        f'{{"a": {"[" * 300}{"]" * 300}}}',
        f'{{"a": {"[" * 900}{"]" * 900}}}',
        f'{{"a": {"[" * 9000}{"]" * 9000}}}',
        '{"a": "\\u0000"}',
        "[]",
        '"text"',
    ],
    ids=lambda what: what[:24].replace("\\", "%"),
)
def test_hostile_claims_are_no_failure(lab: Lab, what: str) -> None:
    claim = f'{{"source":"synthetic","weights_sha256":"a","software":"b","what":{what}}}'
    found = verify(lab, with_claim(claim))
    assert found["verdict"] == "not recognised"


@pytest.mark.parametrize(
    "claim",
    ["", "{", "null", "[1]", '{"source":"synthetic"}', '{"source":1,"weights_sha256":[],"software":{},"what":{}}'],
)
def test_claims_that_are_none_are_not_repeated(lab: Lab, claim: str) -> None:
    assert verify(lab, with_claim(claim))["claim"] is None


def test_damaged_bytes_never_fail_the_service(lab: Lab, edited: bytes, png: bytes) -> None:
    rng = np.random.default_rng(0)
    originals = (edited, resaved(edited, 0, "WEBP"), resaved(edited, 0, "JPEG"), png)
    for at in range(24):
        data = bytearray(originals[at % 4])
        for place in rng.integers(0, len(data), 3):
            data[place] = int(rng.integers(0, 256))
        answer = lab.http.post("/v1/verify", content=bytes(data))
        assert answer.status_code in (200, 415, 422), answer.text
        if answer.status_code == 200:
            assert json.loads(answer.text)["verdict"] in ("made here", "made here, changed since", "not recognised")
    assert good(lab.http.get("/v1/photos?limit=1"))
