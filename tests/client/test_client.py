from __future__ import annotations

import ast
import gc
import hashlib
import io
import json
import os
import sys
import tarfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

import gestaltgen_client
from gestaltgen_client import ChecksumError, Client, ImageSet, Item, ServiceError
from tests.api.conftest import Running
from tests.api.stores import files_in


@pytest.fixture
def image_set(running: Running) -> ImageSet:
    return running.client.create(kind="age_progression", conditions=["WS", "other"], count=3).wait(timeout_s=60)


class _Flaky(httpx.HTTPTransport):
    def __init__(self, fail: Callable[[int, httpx.Request], httpx.Response | None]) -> None:
        super().__init__()
        self._fail = fail
        self._seen = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._seen += 1
        return self._fail(self._seen, request) or super().handle_request(request)


def flaky(running: Running, fail: Callable[[int, httpx.Request], httpx.Response | None]) -> Client:
    """A client whose n-th request fails as `fail` says."""
    return Client(running.url, transport=_Flaky(fail))


def test_a_set_is_iterated_with_its_labels(image_set: ImageSet) -> None:
    items = list(image_set)
    assert len(items) == len(image_set) == 30
    last: Item = items[-1]
    assert last.index == 29
    assert last.labels == {"person": "other-2", "condition": "other", "age_group": "older_adult", "step": 4}
    assert (last.class_index, last.soft_label) == (2, (0.0, 0.0, 1.0, 0.0))
    array = last.array()
    assert (array.shape, array.dtype, array[0, 0].tolist()) == ((8, 8, 3), np.uint8, [2, 200, 120])
    assert image_set.item(29) == last


def test_a_refusal_has_the_problems_text(running: Running) -> None:
    with pytest.raises(ServiceError, match=r"422 .*: conditions: unknown condition 'Noonan'") as caught:
        running.client.create(kind="unrelated", conditions=["Noonan"])
    assert caught.value.status == 422
    assert caught.value.problem["errors"][0]["field"] == "conditions"


def test_one_name_is_not_a_list_of_letters(running: Running) -> None:
    assert running.client.create(kind="unrelated", conditions="WS", count=1).request["conditions"] == ["WS"]


def test_a_small_set_that_is_waited_for_needs_no_job(running: Running) -> None:
    made = running.client.create(kind="age_progression", conditions=["WS"], count=1, seed=4711, wait_s=60)
    assert (made.state, made.links["job"]) == ("done", None)


def test_the_model_can_be_named(running: Running) -> None:
    assert running.client.create(kind="unrelated", conditions=["WS"], count=1, model="fake").total == 5
    with pytest.raises(ServiceError, match="unknown 'fakes'; expected one of fake"):
        running.client.create(kind="unrelated", model="fakes")


def test_waiting_reports_progress_and_gives_up_in_time(running: Running) -> None:
    running.model.chunk_s = 0.2
    try:
        asked = running.client.create(kind="age_progression", conditions=["WS"], count=50)
        with pytest.raises(TimeoutError, match=r"of 250 images after 0\.1 s; the service goes on"):
            asked.wait(timeout_s=0.1)
        seen: list[ImageSet] = []
        asked.wait(seen.append, timeout_s=60)
    finally:
        running.model.chunk_s = 0
    assert [s.done for s in seen] == sorted(s.done for s in seen)
    assert (seen[-1].state, seen[-1].done) == ("done", 250)
    assert any(s.images_per_s and s.eta_s is not None for s in seen)


def test_transient_failures_are_tried_again(running: Running, image_set: ImageSet) -> None:
    def fail(n: int, request: httpx.Request) -> httpx.Response | None:
        if n == 1:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(503, headers={"Retry-After": "0"}) if n in (2, 3) else None

    with flaky(running, fail) as client:
        assert client.image_set(image_set.id) == image_set


def test_what_is_no_transient_failure_is_not(running: Running) -> None:
    requests = 0

    def fail(n: int, _: httpx.Request) -> httpx.Response:
        nonlocal requests
        requests = n
        return httpx.Response(500, text="<html>")

    with (
        flaky(running, fail) as client,
        pytest.raises(ServiceError, match="500 Internal Server Error: <html>"),
    ):
        client.models()
    assert requests == 1


def test_a_service_that_is_not_there(running: Running) -> None:
    with Client("http://127.0.0.1:1", attempts=2) as client:
        with pytest.raises(ServiceError, match=r"GET http://127.0.0.1:1/v1/models: ConnectError"):
            client.models()
        with pytest.raises(ServiceError, match="does not answer"):
            client.wait_ready(timeout_s=0)


class _BreaksOff(httpx.SyncByteStream):
    def __iter__(self):  # type: ignore[no-untyped-def]
        yield b"half of a shard"
        raise httpx.ReadError("connection reset")


def test_a_shard_that_breaks_off_is_fetched_again(running: Running, image_set: ImageSet) -> None:
    broken = iter([True])

    def fail(_: int, request: httpx.Request) -> httpx.Response | None:
        if request.url.path.endswith(".tar") and next(broken, False):
            return httpx.Response(200, stream=_BreaksOff())
        return None

    with flaky(running, fail) as client:
        assert len(list(client.image_set(image_set.id))) == 30
    assert next(broken, None) is None


def test_bytes_that_are_not_their_checksum_are_refused(running: Running) -> None:
    damaged = running.client.create(kind="age_progression", conditions=["WS"], count=2, seed=77).wait()
    files, image = files_in(running.state), f"sets/{damaged.id}/images/000003.png"
    list(damaged)
    [shard] = (running.state / "cache").glob(f"{damaged.id}-*.tar.*")
    whole = shard.read_bytes()
    shard.write_bytes(whole.replace(b"IDAT", b"IDAX", 1))
    with pytest.raises(ChecksumError, match="its ETag says"):
        list(damaged)
    shard.write_bytes(whole)
    files.write(image, files.read(image)[:-1] + b"\0")
    with pytest.raises(ChecksumError, match="its ETag says"):
        damaged.item(3)
    assert damaged.item(4).index == 4
    shard.unlink()
    with pytest.raises(ServiceError, match=r"images/000003\.png of image set .* is damaged in the store"):
        list(damaged)


def test_an_image_is_checked_against_the_manifest_not_only_its_shard(running: Running, image_set: ImageSet) -> None:
    def fail(_: int, request: httpx.Request) -> httpx.Response | None:
        if not request.url.path.endswith("manifest.jsonl"):
            return None
        lines = httpx.get(request.url).text.replace('"seed":1', '"seed":9', 1).encode()
        return httpx.Response(200, content=lines, headers={"ETag": f'"{hashlib.sha256(lines).hexdigest()}"'})

    with (
        flaky(running, fail) as client,
        pytest.raises(ChecksumError, match="label that is not the manifest's"),
    ):
        list(client.image_set(image_set.id))


def test_a_shard_that_lacks_an_image_is_refused(running: Running, image_set: ImageSet) -> None:
    whole = httpx.get(image_set.shard_urls[0]).content
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        fourth = tar.getmembers()[9].offset
    cut = whole[:fourth] + bytes(1024)

    def fail(_: int, request: httpx.Request) -> httpx.Response | None:
        headers = {"ETag": f'"{hashlib.sha256(cut).hexdigest()}"'}
        return httpx.Response(200, content=cut, headers=headers) if request.url.path.endswith(".tar") else None

    with flaky(running, fail) as client, pytest.raises(ChecksumError, match="3 images; the manifest says 30"):
        list(client.image_set(image_set.id))


def test_a_download_stays_in_its_folder(running: Running, image_set: ImageSet, tmp_path: Path) -> None:
    def fail(_: int, request: httpx.Request) -> httpx.Response | None:
        if not request.url.path.endswith("manifest.jsonl"):
            return None
        lines = httpx.get(request.url).text.replace("images/000003.png", "../images/000003.png").encode()
        return httpx.Response(200, content=lines, headers={"ETag": f'"{hashlib.sha256(lines).hexdigest()}"'})

    with flaky(running, fail) as client, pytest.raises(ChecksumError, match=r"names '\.\./images/000003\.png'"):
        client.image_set(image_set.id).download(tmp_path / "set")
    assert os.listdir(tmp_path) == []


def test_two_sets_do_not_mix_in_one_folder(running: Running, image_set: ImageSet, tmp_path: Path) -> None:
    image_set.download(tmp_path)
    other = running.client.create(kind="age_progression", conditions=["WS"], count=1, seed=77).wait(timeout_s=60)
    with pytest.raises(FileExistsError, match="holds another image set; take another folder"):
        other.download(tmp_path)
    assert len(os.listdir(tmp_path / "images")) == len(image_set)


def test_a_download_can_be_resumed(running: Running, image_set: ImageSet, tmp_path: Path) -> None:
    fetched: list[str] = []

    def note(_: int, request: httpx.Request) -> None:
        fetched.append(request.url.path.rpartition("/")[2])

    with flaky(running, note) as client:
        known = client.image_set(image_set.id)
        known.download(tmp_path)
        first = {p.name: p.read_bytes() for p in tmp_path.rglob("*.*") if p.is_file()}
        (tmp_path / "images" / "000004.png").unlink()
        (tmp_path / "images" / "000005.png").write_bytes(b"cut")
        known.download(tmp_path)
        assert {p.name: p.read_bytes() for p in tmp_path.rglob("*.*") if p.is_file()} == first
        assert fetched.count("0.tar") == 2
        known.download(tmp_path)
        assert fetched.count("0.tar") == 2
    assert len(os.listdir(tmp_path / "images")) == 30


def test_workers_take_shards_of_their_own(running: Running) -> None:
    large = running.client.create(kind="age_progression", conditions=["WS"], count=250).wait(timeout_s=60)
    [second] = large.iter_shards([1])
    assert [item.index for item in second] == list(range(1000, 1250))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves the file open
def test_webdataset_reads_the_shards(running: Running, image_set: ImageSet, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wds = pytest.importorskip("webdataset")
    shard = tmp_path / "shard.tar"
    shard.write_bytes(httpx.get(image_set.shard_urls[0]).content)
    samples = list(wds.WebDataset(str(shard), shardshuffle=False).decode("rgb8").to_tuple("png", "cls", "json"))
    assert len(samples) == 30
    image, class_index, row = samples[-1]
    assert (image.shape, image[0, 0].tolist(), class_index) == ((8, 8, 3), [2, 200, 120], 2)
    assert row["soft_label"] == [0, 0, 1, 0]
    gc.collect()


def test_retry_after_is_kept_to(running: Running, image_set: ImageSet) -> None:
    def fail(n: int, _: httpx.Request) -> httpx.Response | None:
        return httpx.Response(429, headers={"Retry-After": "1"}) if n == 1 else None

    began = time.monotonic()
    with flaky(running, fail) as client:
        client.image_set(image_set.id)
    assert 1 <= time.monotonic() - began < 5


def test_the_client_imports_nothing_of_ours() -> None:
    folder = Path(gestaltgen_client.__file__).parent
    imported = {
        name.split(".")[0]
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - sys.stdlib_module_names == {
        "gestaltgen_client",
        "httpx",
        "numpy",
        "PIL",
        "torch",
        "typing_extensions",
    }


def test_it_is_re_exported() -> None:
    import gestaltgen

    assert gestaltgen.Client is Client


class _Recorder(httpx.HTTPTransport):
    """Transport that notes requests and answers them itself."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.method == "DELETE":
            return httpx.Response(204)
        links = {"self": "/v1/image-sets/abc", "job": None}
        described = {"id": "abc", "state": "done", "error": None, "links": links, "done": 10, "total": 10}
        described |= {"images_per_s": None, "eta_s": None, "shards": 1, "shard_images": 1000, "request": {}}
        return httpx.Response(202, json=described)


def test_the_size_of_a_set_can_be_asked_for_and_a_set_can_be_deleted() -> None:
    recorder = _Recorder()
    with Client("http://service", transport=recorder) as client:
        client.create(kind="unrelated", total_images=10).delete()
    asked, deleted = recorder.requests
    assert json.loads(asked.content) == {"kind": "unrelated", "total_images": 10}
    assert (deleted.method, deleted.url.path) == ("DELETE", "/v1/image-sets/abc")


def test_an_iterator_that_is_abandoned_closes_its_connection() -> None:
    clients = []

    def read() -> Iterator[int]:
        with Client("http://service") as client:
            clients.append(client)
            yield 1

    iterator = read()
    next(iterator)
    iterator.close()  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="closed"):
        clients[0].models()


def test_a_set_of_a_given_size_is_made_and_deleted(running: Running) -> None:
    made = running.client.create(kind="age_progression", conditions=["WS", "other"], total_images=30, wait_s=60)
    assert (made.wait(timeout_s=60).total, made.request["count"]) == (30, 3)
    other = running.client.create(kind="age_progression", conditions=["WS"], total_images=20, seed=99).wait(
        timeout_s=60
    )
    other.delete()
    with pytest.raises(ServiceError) as caught:
        other.refresh()
    assert caught.value.status == 404
