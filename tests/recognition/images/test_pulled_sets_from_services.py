"""Pulling while services are restarted, replaced or broken: each test has its own, and there is one at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.app import create_app
from api.settings import Settings
from core.errors import ConfigError, PullError
from core.seen_images import SeenImages
from gestaltgen_client import Client
from recognition.images.pulled_sets import pull_set
from recognition.images.service_request import ServiceSetRequest
from tests.api.fake import FakeModel
from tests.api.serving import serving
from tests.api.tiny import tiny_checkpoint
from tests.recognition.wire import REQUEST, Wire, breaks_at, service, told


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "set"


def test_a_service_that_was_killed_and_lost_the_set_makes_it_again(tmp_path: Path, cache: Path) -> None:
    first, second = service(tmp_path / "one", FakeModel()), service(tmp_path / "two", FakeModel())
    with first as running, running.client(Wire(breaks_at(2))) as client, pull_set(client, REQUEST, cache) as faces:
        with pytest.raises(PullError):
            faces.wait()
        there = [faces.sample(n) for n in range(20)]
    with second as running, running.client() as client, pull_set(client, REQUEST, cache) as again:
        assert again.samples[:20] == tuple(there)
        assert again.set_id == faces.set_id


@pytest.mark.parametrize("same_state", [True, False])
def test_a_model_that_was_replaced_in_mid_pull_is_refused(tmp_path: Path, cache: Path, same_state: bool) -> None:
    """By its Idempotency-Key where the service remembers it, by the set's id where it does not."""
    first, again = service(tmp_path / "one", FakeModel()), service(tmp_path / "one", FakeModel())
    with (
        first as running,
        running.client(Wire(breaks_at(2))) as client,
        pull_set(client, REQUEST, cache) as faces,
        pytest.raises(PullError),
    ):
        faces.wait()
    state = tmp_path / ("one" if same_state else "two")
    with (
        service(state, FakeModel(weights="a" * 64)) as running,
        running.client() as client,
        pytest.raises(
            ConfigError, match=rf"holds a part of the set {faces.set_id}, made by fake with the weights f{{16}}"
        ),
    ):
        pull_set(client, REQUEST, cache)
    with again as running, running.client() as client, pull_set(client, REQUEST, cache) as faces:
        assert len(told(faces)) == 40


def test_a_job_that_fails_is_told(tmp_path: Path, cache: Path) -> None:
    model = FakeModel()
    with service(tmp_path / "state", model) as running, running.client() as client:
        model.broken = True
        faces = pull_set(client, REQUEST, cache)
        with (
            faces,
            pytest.raises(PullError, match=r"did not make it: image set \w+ failed: "),
        ):
            faces.wait()
        model.broken = False
        with pull_set(client, REQUEST, cache) as faces:
            assert len(told(faces)) == 40


def test_blends_have_soft_labels_and_no_condition(tmp_path: Path, cache: Path) -> None:
    path = tiny_checkpoint(tmp_path / "tiny.safetensors", seen=SeenImages.of(["cd" * 32], complete=False))
    app = create_app(Settings(state=tmp_path / "state", weights=path, without_keys=True, threads=1))
    request = ServiceSetRequest("blended", ("WS",), count=1, blend=0.75, partners=("unaffected",), precision="float32")
    with serving(app) as url, Client(url) as client:
        with pull_set(client, request, cache, classes=("unaffected", "WS")) as faces:
            assert {(sample.label, sample.condition) for sample in faces.samples} == {((0.25, 0.75), None)}
            assert {sample.age_group for sample in faces.samples} == {
                "infant",
                "child",
                "adolescent",
                "young_adult",
                "older_adult",
            }
            assert faces.request["precision"] == "float32"
        assert (faces.seen.keys, faces.seen.unknown) == ({"cd" * 8}, ("generator tiny",))
        with pytest.raises(ConfigError, match="has images of unaffected, which is none of the classes WS, other"):
            pull_set(client, request, tmp_path / "b", classes=("WS", "other"))
        counted = ServiceSetRequest("age_progression")  # the service's own counts, 10 for each affected condition
        with pull_set(client, counted, tmp_path / "c") as faces:
            assert len(faces) == 3 * 10 * 5
            by_person = {sample.person: sample.condition for sample in faces.samples}
            assert len(by_person) == 30
            assert by_person == {sample.person: sample.condition for sample in faces.subset(range(4, 150, 5)).samples}
