"""The store that the tests of the service keep things in: its folder, or one like S3 in this process.

With GESTALTGEN_TEST_STORAGE=s3 in the environment it is the latter, for every service that is not told otherwise.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import boto3
import pytest
from moto.server import ThreadedMotoServer

from api.operations.file_stores import Files, open_files

BUCKET: Final = "tests"


@contextmanager
def in_use() -> Iterator[None]:
    """Services keep things there, those of each state folder apart from others'."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("api.stores.open_files", lambda url, state: open_files(url or url_of(state), state))
        yield


def url_of(state: Path) -> str | None:
    """Of the store for a state folder; None is that folder."""
    return bucket_url(str(state)) if os.environ.get("GESTALTGEN_TEST_STORAGE") == "s3" else None


def files_in(state: Path) -> Files:
    """The store for a state folder."""
    return open_files(url_of(state), state)


def environment(state: Path) -> dict[str, str]:
    """What a process of its own needs in its environment to keep things there."""
    url = url_of(state)
    return {**os.environ} if url is None else os.environ | {"GESTALTGEN_STORAGE": url}


def bucket_url(name: str) -> str:
    """A folder of its own in the bucket."""
    _serve_s3()
    return f"s3://{BUCKET}/{hashlib.sha256(name.encode()).hexdigest()[:16]}"


@cache
def _serve_s3() -> None:
    """A server like S3 on a free port, for as long as this process lives, known to it and its children."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not a line for each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    boto3.client("s3").create_bucket(Bucket=BUCKET)
