"""The client's explanations, against a service with a classifier."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from faces.images import read_image
from gestaltgen_client import Client, ServiceError
from tests.api.lab import open_lab
from tests.recognition.explanation.classifiers import CLASSES, build_classifier


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("classifiers")
    build_classifier().save(folder / "mine.safetensors")
    with open_lab(tmp_path_factory.mktemp("lab"), classifiers=folder) as lab:
        key = lab.http.headers["Authorization"].removeprefix("Bearer ")
        with Client(str(lab.http.base_url), key=key) as client:
            yield client


def test_an_explanation_is_asked_for_looked_up_and_erased(client: Client) -> None:
    assert [(one["name"], one["classes"]) for one in client.classifiers()] == [("mine", list(CLASSES))]
    faces = client.create(kind="unrelated", conditions=["WS"], ages=["child"], count=2, wait_s=30).wait()
    made = client.explain((faces, 1), methods=["gradcam"], target="22q11DS", classifier="mine", wait_s=30)
    made = made.wait(timeout_s=60)
    assert (made.done, made.total) == (1, 1)
    assert made.result is not None
    assert made.result["target"] == "22q11DS"
    assert set(made.result["methods"]) == {"gradcam"}
    assert read_image(made.map("gradcam")).shape == (128, 128, 3)
    assert client.explanation(made.id) == made
    made.erase()
    with pytest.raises(ServiceError) as caught:
        client.explanation(made.id)
    assert caught.value.status == 404


def test_a_method_that_does_not_exist_is_refused(client: Client) -> None:
    faces = client.create(kind="unrelated", conditions=["WS"], ages=["child"], count=2, wait_s=30).wait()
    with pytest.raises(ServiceError) as caught:
        client.explain((faces, 0), methods=["tea leaves"])
    assert caught.value.status == 422
