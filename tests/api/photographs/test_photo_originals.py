"""The file that was sent: how long it is kept, and that nobody else reads it meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from api.problem_types import ProblemType
from faces.images import encode_png, read_image
from tests.api.lab import (
    CONSENT,
    WAIT,
    Lab,
    all_files,
    files_of,
    good,
    phantom,
    problem_of,
    saved,
)


@pytest.fixture(scope="module")
def no_face() -> bytes:
    return encode_png(np.full((64, 64, 3), 128, np.uint8))


def test_the_original_is_deleted_when_it_is_inverted(lab: Lab) -> None:
    photo = lab.photo(3)
    assert files_of(lab.state, photo) == [
        f"photos/{photo}/crop.png",
        f"photos/{photo}/inversion.safetensors",
        f"photos/{photo}/landmarks.json",
        f"photos/{photo}/reconstruction.png",
    ]
    assert good(lab.http.get(f"/v1/photos/{photo}"))["links"]["original"] is None
    assert problem_of(lab.http.get(f"/v1/photos/{photo}/original")) is ProblemType.ORIGINAL_NOT_KEPT


def test_the_original_is_kept_where_that_is_asked_for(lab: Lab) -> None:
    jpeg = saved(read_image(phantom(3)), "JPEG", quality=95)
    sent = good(lab.send(jpeg, keep_original=True))
    answer = lab.http.get(sent["links"]["original"])
    assert answer.content == jpeg
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert good(lab.http.delete(sent["links"]["self"]))["erased"]["originals"] == 1
    assert files_of(lab.state, sent["id"]) == []


def test_the_original_is_deleted_when_there_is_no_face(lab: Lab, no_face: bytes) -> None:
    sent = good(lab.send(no_face, aligned=False))
    assert sent["state"] == "failed"
    assert "no face" in sent["error"]
    assert all_files(lab.state).keys().isdisjoint({f"photos/{sent['id']}/original"})
    assert problem_of(lab.http.get(sent["links"]["crop"])) is ProblemType.PHOTO_NOT_READY
    assert problem_of(lab.edit(sent["id"], smile=0.5)) is ProblemType.PHOTO_NOT_READY


def test_a_picture_that_cannot_be_decoded_is_deleted(lab: Lab) -> None:
    jpeg = bytearray(saved(read_image(phantom(3)), "JPEG"))
    at = jpeg.index(b"\xff\xc4")  # a Huffman table with more codes than there can be
    jpeg[at + 5 : at + 21] = b"\xff" * 16
    sent = good(lab.send(bytes(jpeg)))
    assert sent["state"] == "failed"
    assert "cannot be decoded" in sent["error"]
    assert not lab.service.photographs.has_original(sent["id"])


def test_while_it_is_sent_nobody_can_read_it_on_the_disk(lab: Lab) -> None:
    said = (b"a name in the file " * 4000)[:60_000]
    comment = b"\xff\xfe" + (2 + len(said)).to_bytes(2, "big") + said
    jpeg = saved(read_image(phantom(5)), "JPEG")
    seen: list[bytes] = []

    def send_slowly() -> Iterator[bytes]:
        yield jpeg[:2] + 6 * comment
        lab.until(lambda: any(map(len, read_unnamed_files(lab.state))))
        seen.extend(read_unnamed_files(lab.state))
        assert not any(b"a name" in path.read_bytes() for path in lab.state.rglob("*") if path.is_file())
        yield jpeg[2:]

    sent = good(lab.http.post("/v1/photos", params={"aligned": True}, content=send_slowly(), headers=CONSENT | WAIT))
    assert sent["state"] == "done"
    assert sum(map(len, seen)) > 262_144
    assert not any(b"a name" in data for data in seen)
    assert read_unnamed_files(lab.state) == []


def read_unnamed_files(state: Path) -> list[bytes]:
    """What is in files of a folder that have no name any more, and that this process holds."""
    found: list[bytes] = []
    for fd in list(Path("/proc/self/fd").iterdir()):
        with suppress(FileNotFoundError):  # closed since it was listed
            if (to := os.readlink(fd)).startswith(str(state)) and to.endswith("(deleted)"):
                found.append(fd.read_bytes())
    return found


@pytest.mark.parametrize("running", [True, False])
def test_the_original_is_deleted_when_the_job_is_cancelled(lab: Lab, running: bool) -> None:
    with lab.occupied():
        others = [] if running else [good(lab.send(phantom(n), {"Prefer": ""}), 202) for n in range(4)]
        sent = good(lab.send(phantom(4), {"Prefer": ""}), 202)
        lab.until_waiting(1 if running else 4)
        assert lab.service.photographs.has_original(sent["id"])
        assert good(lab.http.post(f"{sent['links']['job']}/cancel"))["state"] == "cancelled"
        assert not lab.service.photographs.has_original(sent["id"])
        assert good(lab.http.get(sent["links"]["self"]))["error"] == "the job was cancelled"
    lab.idle()
    for other in others:
        assert lab.finished(other["links"]["self"])["state"] == "done"
    seen = good(lab.http.get(sent["links"]["self"]))
    assert (seen["state"], seen["error"]) == (
        ("done", None) if seen["quality"] else ("cancelled", "the job was cancelled")
    )
    assert running or seen["quality"] is None
    assert not lab.service.photographs.has_original(sent["id"])
