"""Pulling image sets from a service in this process: the same set again, interrupted, gone, of another model."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from core.errors import ConfigError, DatasetError, PullError
from core.seen_images import SeenImages
from faces.images import pixels_key
from faces.labels import CONDITIONS
from gestaltgen_client import Client
from recognition.images.image_stack import stack_images
from recognition.images.pulled_sets import PullProgress, pull_set
from recognition.images.service_request import ServiceSetRequest, read_recorded_request
from tests.api.fake import FakeModel
from tests.recognition.wire import REQUEST, Running, Wire, breaks_at, service, told


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    seen = SeenImages.of(["ab" * 32]).keys
    with service(tmp_path_factory.mktemp("state"), FakeModel(seen=seen)) as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "set"


def test_a_set_comes_with_labels_persons_and_keys(running: Running, cache: Path) -> None:
    seen: list[PullProgress] = []
    with running.client() as client, pull_set(client, REQUEST, cache, seen.append) as faces:
        assert len(faces) == 40
        assert faces.classes == CONDITIONS
        assert [len(part) for part in faces.shards()] == [10] * 4
        assert faces.wait() is faces
        assert faces.complete
        last = faces.samples[39]
        assert (last.condition, last.age_group, last.synthetic) == ("other", "older_adult", True)
        assert (last.label, last.person) == ((0.0, 0.0, 1.0, 0.0), f"{faces.set_id}/other-3")
        image = faces.image(39)
        assert (image.dtype, image.shape, image[0, 0].tolist()) == (np.uint8, (8, 8, 3), [3, 200, 120])
        assert [sample.key for sample in faces.samples] == [pixels_key(faces.image(n)) for n in range(40)]
        np.testing.assert_array_equal(faces.image(-1), image)
        with pytest.raises(IndexError, match="image 40 of a set of 40"):
            faces.image(40)
    assert seen[-1] == PullProgress("fetching", 40, 40)
    assert faces.seen.name == "generator fake"
    assert faces.seen.keys == {"ab" * 8}
    assert stack_images(faces.subset([0]), 8).seen == faces.seen


def test_the_images_of_a_person_are_of_one_person(running: Running, cache: Path) -> None:
    with running.client() as client, pull_set(client, REQUEST, cache) as faces:
        persons = [sample.person for sample in faces.samples]
    assert len(set(persons)) == 8
    assert all(len(set(persons[start : start + 5])) == 1 for start in range(0, 40, 5))


def test_parts_are_samples_in_the_order_asked(running: Running, cache: Path) -> None:
    with running.client() as client, pull_set(client, REQUEST, cache) as faces:
        part = faces.subset([35, 2, 11]).subset([2, 0])
        assert (len(part), part.classes) == (2, CONDITIONS)
        assert part.samples == (faces.samples[11], faces.samples[35])
        np.testing.assert_array_equal(part.image(1), faces.image(35))


def test_the_folder_says_which_set_it_is_and_needs_no_service_then(running: Running, cache: Path) -> None:
    with running.client() as client, pull_set(client, REQUEST, cache) as faces:
        first = told(faces)
    about = json.loads((cache / "set.json").read_text())
    assert about["set"]["set_id"] == faces.set_id
    assert (about["set"]["model"], about["set"]["weights_sha256"]) == ("fake", "f" * 64)
    assert about["set"]["request"]["conditions"] == ["WS", "other"]
    with pull_set(None, REQUEST, cache) as again:
        assert told(again) == first
        assert (again.set_id, again.request, again.seen) == (faces.set_id, faces.request, faces.seen)
    wire = Wire()
    with running.client(wire) as client, pull_set(client, REQUEST, cache) as again:
        assert told(again) == first
    assert wire.asked == []


def test_a_recorded_set_is_the_same_in_another_folder(running: Running, cache: Path, tmp_path: Path) -> None:
    with running.client() as client:
        with pull_set(client, REQUEST, cache) as faces:
            first = told(faces)
        request = read_recorded_request(cache)
        assert (request.set_id, request.model, request.weights_sha256) == (faces.set_id, "fake", "f" * 64)
        with pull_set(client, request, tmp_path / "other") as again:
            assert told(again) == first
        with pull_set(client, request, cache) as again:  # its model and precision, spelt out, are no difference
            assert told(again) == first
    with pytest.raises(ConfigError, match="does not say which set it holds"):
        read_recorded_request(tmp_path / "nothing")


def test_a_service_that_goes_away_leaves_what_came_and_the_same_call_goes_on(running: Running, cache: Path) -> None:
    first, second = Wire(breaks_at(2)), Wire()
    with running.client(first) as client, pull_set(client, REQUEST, cache) as faces:
        for n in range(20):
            faces.image(n)
        with pytest.raises(
            PullError,
            match=r"the service has gone away: .*ConnectError.*2 of 4 shards are kept in .*set, and the same command "
            "continues when it is back",
        ):
            faces.image(20)
        assert not faces.complete
    left_over = cache / "shards" / ".000002.tar"
    left_over.write_bytes(b"half")  # of a process that was killed
    with running.client(second) as client, pull_set(client, REQUEST, cache) as faces:
        assert len(told(faces)) == 40
    assert not left_over.exists()
    assert (first.shards, second.shards) == ([0, 1, 2], [2, 3])
    assert len({*first.keys, *second.keys}) == 1  # the same Idempotency-Key


def test_patience_outlives_an_outage(running: Running, cache: Path) -> None:
    down: list[float] = []

    def fail(request: httpx.Request) -> httpx.Response | None:
        if request.url.path.endswith("/1.tar") and not down:
            down.append(time.monotonic())
        return httpx.Response(503) if down and time.monotonic() < down[0] + 0.5 else None

    with running.client(Wire(fail)) as client, pull_set(client, REQUEST, cache, patience_s=30) as faces:
        assert len(told(faces)) == 40
        assert 0.5 < faces.waiting_s < faces.total_s
    assert down


def test_patience_ends(running: Running, cache: Path) -> None:
    begun = time.monotonic()
    with running.client(Wire(breaks_at(1))) as client, pull_set(client, REQUEST, cache, patience_s=0.5) as faces:
        with pytest.raises(PullError, match="gone away"):
            faces.wait()
        assert 0.5 < time.monotonic() - begun < 10


def test_a_service_that_is_not_there_says_so_at_once(cache: Path) -> None:
    with (
        Client("http://127.0.0.1:1", attempts=1) as client,
        pytest.raises(PullError, match=r"gone away: GET http://127.0.0.1:1/v1/models: ConnectError.*the same command"),
    ):
        pull_set(client, REQUEST, cache)
    with pytest.raises(PullError, match="does not hold the whole set; expected a service"):
        pull_set(None, REQUEST, cache)


def test_a_set_that_is_erased_in_mid_pull_is_asked_for_again(running: Running, cache: Path) -> None:
    lost = iter([True])

    def fail(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(404) if request.url.path.endswith("/2.tar") and next(lost, False) else None

    wire = Wire(fail)
    with running.client(wire) as client, pull_set(client, REQUEST, cache) as faces:
        assert len(told(faces)) == 40
    assert wire.asked.count("POST /v1/image-sets") == 2
    assert wire.shards == [0, 1, 2, 2, 3]


@pytest.mark.parametrize("harm", ["cut", "flipped", "gone", "manifest"])
def test_what_is_damaged_in_the_folder_is_fetched_again(running: Running, cache: Path, harm: str) -> None:
    with running.client() as client, pull_set(client, REQUEST, cache) as faces:
        first = told(faces)
    path = cache / "shards" / "000001.tar"
    data = bytearray(path.read_bytes())
    if harm == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif harm == "flipped":
        data[600] ^= 1  # of the first PNG, behind the header of 512 bytes
        path.write_bytes(data)
    elif harm == "gone":
        path.unlink()
        path.with_suffix(".keys").write_text("none")
    else:
        (cache / "manifest.jsonl").write_text("{}\n")
    with pytest.raises(PullError, match="does not hold the whole set"):
        pull_set(None, REQUEST, cache)
    wire = Wire()
    with running.client(wire) as client, pull_set(client, REQUEST, cache) as faces:
        assert told(faces) == first
    assert wire.shards == ([] if harm == "manifest" else [1])
    with pull_set(None, REQUEST, cache) as faces:
        assert told(faces) == first


def test_keys_are_computed_again_where_they_are_not_there(running: Running, cache: Path) -> None:
    with running.client() as client, pull_set(client, REQUEST, cache) as faces:
        first = told(faces)
    (cache / "shards" / "000001.keys").unlink()
    (cache / "shards" / "000002.keys").write_text("half of a ke")
    with pull_set(None, REQUEST, cache) as faces:
        assert told(faces) == first


@pytest.mark.parametrize("always", [False, True])
def test_bytes_that_are_damaged_on_the_way_are_fetched_once_more(running: Running, cache: Path, always: bool) -> None:
    broken = iter([True] * (9 if always else 1))

    def fail(request: httpx.Request) -> httpx.Response | None:
        damaged = request.url.path.endswith("/1.tar") and next(broken, False)
        return httpx.Response(200, content=b"damaged", headers={"ETag": '"00"'}) if damaged else None

    with running.client(Wire(fail)) as client, pull_set(client, REQUEST, cache) as faces:
        if always:
            with pytest.raises(PullError, match="its ETag says 00: the file is damaged; 1 of 4 shards are kept"):
                faces.wait()
        else:
            assert len(told(faces)) == 40
    assert not list((cache / "shards").glob(".*"))


def test_a_service_that_sends_other_images_is_refused(running: Running, cache: Path) -> None:
    with running.client() as client:
        other = client.create(kind="age_progression", conditions=["unaffected"], count=2).wait()
        tar = client.fetch(other.links["shard"].format(n=0))
        etag = client.send("GET", other.links["shard"].format(n=0)).headers["ETag"]

    def fail(request: httpx.Request) -> httpx.Response | None:
        other_one = request.url.path.endswith("/1.tar")
        return httpx.Response(200, content=tar, headers={"ETag": etag}) if other_one else None

    with running.client(Wire(fail)) as client, pull_set(client, REQUEST, cache) as faces:
        faces.image(0)
        with pytest.raises(DatasetError, match="is not the image of the manifest"):
            faces.image(10)
    assert sorted(path.name for path in (cache / "shards").iterdir()) == ["000000.keys", "000000.tar"]


def test_another_request_is_refused_by_what_differs(running: Running, cache: Path) -> None:
    with running.client() as client:
        pull_set(client, REQUEST, cache).wait().close()
        for request, message in (
            (
                ServiceSetRequest("age_related", ("WS", "other"), count=4),
                r"kind is 'age_progression' there and 'age_related' here",
            ),
            (
                ServiceSetRequest("age_progression", ("WS",), count=5),
                r"conditions is .*'other'\] there and \['WS'\] here; count is",
            ),
            (ServiceSetRequest("age_progression", ("WS", "other"), count=4, seed=7), r"seed is 0 there and 7 here"),
        ):
            with pytest.raises(ConfigError, match=f"{message}.*or pull into another folder"):
                pull_set(client, request, cache)
        with pull_set(
            client, ServiceSetRequest("age_progression", ("WS", "other"), count=4, seed=0, model="fake"), cache
        ) as same:
            assert same.complete


def test_a_folder_of_something_else_is_refused(running: Running, cache: Path) -> None:
    cache.mkdir()
    (cache / "thesis.txt").write_text("mine")
    with running.client() as client, pytest.raises(ConfigError, match=r"holds files and no set.json"):
        pull_set(client, REQUEST, cache)
    (cache / "set.json").write_text("{")
    with running.client() as client, pytest.raises(ConfigError, match=r"set\.json is damaged or of another version"):
        pull_set(client, REQUEST, cache)


def test_another_model_than_asked_is_refused(running: Running, cache: Path, tmp_path: Path) -> None:
    kind, conditions = "age_progression", ("WS",)
    with running.client() as client:
        with pytest.raises(ConfigError, match="the service has no model 'portraits'; expected one of fake"):
            pull_set(client, ServiceSetRequest(kind, conditions, count=2, model="portraits"), cache)
        wrong = ServiceSetRequest(kind, conditions, count=2, weights_sha256="a" * 64)
        with pytest.raises(ConfigError, match=r"model fake with the weights f{16}, whose weights_sha256 is 'f{64}'"):
            pull_set(client, wrong, cache)
        with pytest.raises(ConfigError, match=r"the service would make .* whose set_id is .*; expected 'abc'"):
            pull_set(client, ServiceSetRequest(kind, conditions, count=2, set_id="abc"), cache)
        pull_set(client, REQUEST, tmp_path / "kept").wait().close()
        pinned = ServiceSetRequest(kind, ("WS", "other"), count=4, weights_sha256="a" * 64)
        with pytest.raises(
            ConfigError, match=r"kept holds the set .* whose weights_sha256 is 'f{64}'; expected 'a{64}'"
        ):
            pull_set(client, pinned, tmp_path / "kept")


def test_a_refusal_of_the_service_is_told(running: Running, cache: Path) -> None:
    with running.client() as client, pytest.raises(PullError, match=r"refuses: 422 .*unknown condition 'Noonan'"):
        pull_set(client, ServiceSetRequest("age_progression", ("Noonan",)), cache)


def test_kinds_that_are_no_training_material_are_refused() -> None:
    with pytest.raises(ConfigError, match="kind is 'average'; expected one of unrelated, age_related"):
        ServiceSetRequest("average")


def test_labels_are_in_the_order_of_the_classes(running: Running, cache: Path) -> None:
    classes = ("other", "unaffected", "WS")
    with running.client() as client, pull_set(client, REQUEST, cache, classes=classes) as faces:
        assert faces.classes == classes
        assert faces.samples[0].label == (0.0, 0.0, 1.0)
        assert faces.samples[39].label == (1.0, 0.0, 0.0)
    with pull_set(None, REQUEST, cache, classes=classes[::-1]) as faces:
        assert (faces.samples[0].condition, faces.samples[0].label) == ("WS", (1.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("WS", "other", "Noonan"), r"knows the conditions WS, .* and not the class 'Noonan'"),
        (
            ("WS", "unaffected"),
            r"has images of other, which is none of the classes WS, unaffected; ask for `conditions`",
        ),
        (("WS", "WS"), "expected one or more different names"),
        ((), "expected one or more different names"),
    ],
)
def test_classes_that_the_set_does_not_cover_are_refused(
    running: Running, cache: Path, classes: tuple[str, ...], message: str
) -> None:
    with running.client() as client:
        with pytest.raises(ConfigError, match=message):
            pull_set(client, REQUEST, cache, classes=classes)
        pull_set(client, REQUEST, cache).wait().close()
        with pytest.raises(ConfigError, match=message):
            pull_set(None, REQUEST, cache, classes=classes)


def test_a_closed_pull_stops_and_keeps_what_came(running: Running, cache: Path) -> None:
    wire, begun = Wire(), threading.Event()

    def slow(request: httpx.Request) -> None:
        if request.url.path.endswith("/1.tar"):
            begun.set()
            time.sleep(0.3)

    wire.fail = slow
    with running.client(wire) as client, pull_set(client, REQUEST, cache) as faces:
        assert begun.wait(10)
    total = faces.total_s
    assert wire.shards == [0, 1]
    assert len(faces.subset(range(20)).samples) == 20
    with pytest.raises(PullError, match="was closed"):
        faces.image(30)
    assert faces.total_s == total


def test_several_pulls_into_one_folder_fetch_each_shard_once(running: Running, cache: Path) -> None:
    wires = [Wire(), Wire()]
    with (
        running.client(wires[0]) as one,
        running.client(wires[1]) as two,
        pull_set(one, REQUEST, cache) as first,
        pull_set(two, REQUEST, cache) as second,
    ):
        assert told(first) == told(second)
    assert sorted([*wires[0].shards, *wires[1].shards]) == [0, 1, 2, 3]


def test_the_next_shards_come_while_one_is_used(running: Running, cache: Path) -> None:
    """Fetching takes 0.1 s a shard, using it 0.25 s: only the first is waited for."""

    def slow(request: httpx.Request) -> None:
        if request.url.path.endswith(".tar"):
            time.sleep(0.1)

    with running.client() as client:  # so that it is made already, and only fetching is measured
        pull_set(client, REQUEST, cache).wait().close()
    shutil.rmtree(cache)
    with running.client(Wire(slow)) as client, pull_set(client, REQUEST, cache) as faces:
        waited = []
        for _ in faces.shards():
            waited.append(faces.waiting_s)
            time.sleep(0.25)
        assert waited[0] > 0.1
        assert waited[3] - waited[0] < 0.1  # of 0.75 s
        assert faces.waiting_s < 0.5 * faces.total_s
