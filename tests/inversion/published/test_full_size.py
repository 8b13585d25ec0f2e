"""The published networks at full size (HyperStyle for 1024 px) through commands and service, with time and memory.

It needs 3 GB of disk, 16 GB of memory and minutes: set GESTALTGEN_FULL_SIZE to a folder to run it. The files are in the
published layouts, filled by the rule of the parity fixtures, so that no face can be expected of them.
"""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
import skimage.data
from PIL import Image

from gestaltgen_client import Client
from tests.data.fill import filled
from tests.inversion.published.published_files import FULL, write_hyperstyle, write_w_encoder

ROOT = Path(__file__).parents[3]
MOST_GB = 16

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("GESTALTGEN_FULL_SIZE" not in os.environ, reason="GESTALTGEN_FULL_SIZE names no folder"),
]


def run(*arguments: object) -> str:
    """Run a command in a process of its own and return its output."""
    command = [sys.executable, "-m", "gestaltgen", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    assert peak < MOST_GB
    sys.stdout.write(f"{' '.join(map(str, arguments[:2]))}: {peak:.1f} GB at most so far\n{done.stdout}\n")
    return done.stdout


@contextmanager
def serve(models: Path, state: Path) -> Iterator[Client]:
    """Run a service with these models in a process of its own, and print the most memory that it took."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    options = ("--models", models, "--state", state, "--port", port, "--without-keys")
    command = [sys.executable, "-m", "gestaltgen", "serve", *map(str, options)]
    with subprocess.Popen(command, cwd=ROOT) as process:  # noqa: S603
        try:
            deadline = time.monotonic() + 300
            while ask_status(f"http://127.0.0.1:{port}/readyz") != HTTPStatus.OK:
                assert time.monotonic() < deadline, "the service was not ready in five minutes"
                time.sleep(1)
            with Client(f"http://127.0.0.1:{port}") as client:
                yield client
            peak = int(Path(f"/proc/{process.pid}/status").read_text().split("VmHWM:")[1].split()[0]) / 2**20
            sys.stdout.write(f"serve: {peak:.1f} GB at most\n")
            assert peak < MOST_GB
        finally:
            process.terminate()


def ask_status(url: str) -> int | None:
    """Return the status of an answer; None without one."""
    try:
        return httpx.get(url).status_code
    except httpx.TransportError:
        return None


def invert_and_edit_over_rest(client: Client, photograph: Path) -> None:
    """Send a photograph, edit it along the direction, fetch both pictures, and print how long each took."""
    began = time.monotonic()
    photo = client.send_photo(photograph, consent="none needed", purpose="test", model="ffhq").wait(timeout_s=1800)
    sys.stdout.write(f"POST /v1/photos: inverted after {time.monotonic() - began:.0f} s, {photo.quality}\n")
    assert photo.quality is not None
    began = time.monotonic()
    edit = photo.edit(strength=2).wait(timeout_s=1800)
    sys.stdout.write(f"POST /v1/photos/…/edits: edited after {time.monotonic() - began:.0f} s, {edit.result}\n")
    for picture in (photo.reconstruction(), edit.image()):
        with Image.open(BytesIO(picture)) as opened:
            assert opened.size == (1024, 1024)
    photo.erase()


def test_published_hyperstyle_and_a_direction_edit_a_photograph() -> None:
    folder = Path(os.environ["GESTALTGEN_FULL_SIZE"])
    checkpoint, encoder = folder / "hyperstyle_ffhq.pt", folder / "faces_w_encoder.pt"
    out, photograph, smile = folder / "models" / "ffhq.safetensors", folder / "astronaut.png", folder / "smile.npy"
    if not checkpoint.exists():
        write_hyperstyle(checkpoint, FULL)
        write_w_encoder(encoder, FULL)
    for path in out.parent.glob("ffhq*.safetensors"):
        path.unlink()
    Image.fromarray(skimage.data.astronaut()).resize((2048, 2048)).save(photograph)
    direction = filled("smile", (1, 512))
    np.save(smile, direction / np.linalg.norm(direction))
    licence = ("--licence", "test only")
    run("weights", "import", checkpoint, "--part", "inverter", "--w-encoder", encoder, "--out", out, *licence)
    common = ("--generator", out, "--space", "w", "--name", "smile", "--tried", 2)
    run("directions", "import", smile, *common, *licence)
    said = run("models", "check", out.parent, "--photograph", photograph)
    assert "hyperstyle" in said
    assert "unjudged" in said
    edits = folder / "edits"
    run("edit", photograph, "--generator", out, "--strength", 2, "--out", edits)
    with Image.open(edits / "astronaut-edited.png") as picture:
        assert picture.size == (1024, 1024)
    with serve(out.parent, folder / "state") as client:
        invert_and_edit_over_rest(client, photograph)
