"""Explanations of classifiers over REST, for photographs and for images of sets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest

from api.operations.receipts import Receipts
from api.photographs.records import ErasureCause
from api.problem_types import ProblemType
from api.provenance.claims import MAP_NOTICE
from faces.images import read_image
from tests.api.lab import WAIT, Json, Lab, files_of, good, open_lab, phantom, problem_of, tables_naming
from tests.api.stores import files_in
from tests.recognition.explanation.classifiers import CLASSES, build_classifier

SET = {"kind": "unrelated", "conditions": ["WS"], "ages": ["child"], "count": 2, "seed": 5}
METHODS = ["gradcam", "gradient"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with two classifiers, one of two folds; a third file is no classifier."""
    folder = tmp_path_factory.mktemp("classifiers")
    for fold in (0, 1):
        build_classifier(seed=fold).save(folder / "folds" / f"fold-{fold}" / "classifier.safetensors")
    build_classifier(network="efficientnet-b4").save(folder / "smooth.safetensors")
    (folder / "broken.safetensors").write_bytes(b"no weights")
    with open_lab(tmp_path_factory.mktemp("lab"), classifiers=folder) as lab:
        yield lab


@dataclass(frozen=True)
class Face:
    """A face to explain: its reference in a body, and the path of its explanations."""

    reference: Json
    path: str
    private: bool


@pytest.fixture(scope="module")
def of_photograph(lab: Lab) -> Face:
    photo = lab.photo(0)
    return Face({"photo": photo}, f"/v1/photos/{photo}/explanations", True)


@pytest.fixture(scope="module")
def of_image(lab: Lab) -> Face:
    made = good(lab.http.post("/v1/image-sets", json=SET, headers=WAIT))
    path = f"/v1/image-sets/{made['id']}/images/1/explanations"
    return Face({"image_set": made["id"], "image": 1}, path, False)


@pytest.fixture(scope="module", params=["photograph", "image"])
def face(request: pytest.FixtureRequest) -> Face:
    found: Face = request.getfixturevalue(f"of_{request.param}")
    return found


def ask(client: httpx.Client, face: Face, headers: Json | None = None, **body: object) -> httpx.Response:
    body = {"face": face.reference, "methods": METHODS} | body
    return client.post("/v1/explanations", json=body, headers=WAIT | (headers or {}))


def explain(lab: Lab, face: Face, headers: Json | None = None, **body: object) -> Json:
    return good(ask(lab.http, face, headers, **body))


def test_classifiers_are_listed(lab: Lab) -> None:
    items = good(lab.http.get("/v1/classifiers"))["items"]
    assert [(one["name"], one["members"], one["network"]) for one in items] == [
        ("folds", 2, "small"),
        ("smooth", 1, "efficientnet-b4"),
    ]
    assert items[0]["classes"] == list(CLASSES)
    assert "diagnosis" in items[0]["notice"]


def test_an_answer_is_explained(lab: Lab, face: Face) -> None:
    made = explain(lab, face)
    result = made["result"]
    assert (made["state"], made["done"], made["total"], made["error"]) == ("done", 2, 2, None)
    assert sum(result["probabilities"].values()) == pytest.approx(1)
    assert result["target"] == max(result["probabilities"], key=result["probabilities"].get)
    assert result["classifier"]["name"] == "folds"
    assert set(result["methods"]) == set(METHODS)
    for regions in result["methods"].values():
        assert {"eyes", "nose", "mouth"} <= set(regions)
        assert all(0 <= one["scaled"] <= 1 <= 1 + one["relevance"] for one in regions.values())
    assert MAP_NOTICE in made["notice"]
    assert made in good(lab.http.get(face.path))["items"]
    assert good(lab.http.get(made["links"]["self"])) == made
    job = good(lab.http.get(made["links"]["job"]))
    assert (job["kind"], job["links"]["subject"]) == ("explanation", made["links"]["self"])


def test_another_class_can_be_explained(lab: Lab, of_image: Face) -> None:
    results = [explain(lab, of_image, target=name)["result"] for name in CLASSES]
    assert [one["target"] for one in results] == list(CLASSES)
    assert results[0]["probabilities"] == results[1]["probabilities"]
    assert results[0]["methods"] != results[1]["methods"]


def test_maps_are_pictures_that_say_what_they_are(lab: Lab, face: Face) -> None:
    made = explain(lab, face)
    pictures = []
    for method in METHODS:
        answer = lab.http.get(made["links"]["maps"][method])
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Cache-Control"].endswith("no-store" if face.private else "immutable")
        pictures.append(read_image(answer.content))
        marked = lab.service.marker.read(answer.content)
        assert marked is not None
        assert marked.claim.source == ("annotated" if face.private else "synthetic")
        assert "diagnosis" in marked.claim.notice
        assert marked.claim.what["explanation"]["method"] == method
        assert ("target" in marked.claim.what["explanation"]) != face.private  # the picture may be passed on
        assert marked.claim.weights_sha256 == made["result"]["classifier"]["weights_sha256"]
        assert marked.genuine == face.private
        assert good(lab.http.post("/v1/verify", content=answer.content))["verdict"] == "made here"
        assert face.reference.get("photo", "none") not in answer.content.decode("latin-1")
    assert pictures[0].shape == (128, 128, 3)
    assert not np.array_equal(*pictures)


def test_the_usual_methods_are_those_that_the_network_has(lab: Lab, of_image: Face) -> None:
    made = good(ask(lab.http, of_image, {"Prefer": "wait=0"}, methods=None), 202)
    assert made["request"]["methods"] == ["gradcam", "integrated_gradients", "lrp_epsilon_z_plus", "occlusion"]
    assert lab.finished(made["links"]["self"])["state"] == "done"


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("classifier", {"classifier": "oracle"}),
        ("methods", {"methods": ["tea leaves"]}),
        ("methods", {"methods": ["gradient", "gradient"]}),
        ("methods", {"methods": []}),
        ("methods", {"classifier": "smooth", "methods": ["guided_backprop"]}),
        ("target", {"target": "Kabuki"}),
        ("colour", {"colour": "red"}),
    ],
)
def test_what_cannot_be_is_named_and_not_stored(lab: Lab, face: Face, field: str, body: Json) -> None:
    before = good(lab.http.get(face.path)), lab.jobs()
    answer = ask(lab.http, face, **body)
    assert problem_of(answer) is ProblemType.REQUEST_INVALID
    assert answer.json()["errors"][0]["field"] == field
    assert (good(lab.http.get(face.path)), lab.jobs()) == before


def test_unknown_methods_are_answered_with_all_of_them(lab: Lab, of_image: Face) -> None:
    (entry,) = ask(lab.http, of_image, methods=["tea leaves"]).json()["errors"]
    assert len(entry["accepted"]) == 15


def test_faces_that_are_not_there_are_not_found(lab: Lab, of_image: Face, of_photograph: Face) -> None:
    for reference, kind in (
        ({"photo": "0" * 32}, ProblemType.PHOTO_NOT_FOUND),
        ({"image_set": "0" * 32, "image": 0}, ProblemType.IMAGE_SET_NOT_FOUND),
        (of_image.reference | {"image": 2}, ProblemType.IMAGE_NOT_FOUND),
    ):
        assert problem_of(lab.http.post("/v1/explanations", json={"face": reference})) is kind
    for face in (of_image, of_photograph):
        theirs = lab.other.post("/v1/explanations", json={"face": face.reference})
        assert problem_of(theirs) in (ProblemType.PHOTO_NOT_FOUND, ProblemType.IMAGE_SET_NOT_FOUND)
        made = explain(lab, face)
        for path in (made["links"]["self"], made["links"]["maps"]["gradient"]):
            assert problem_of(lab.other.get(path)) is ProblemType.EXPLANATION_NOT_FOUND
        assert problem_of(lab.other.delete(made["links"]["self"])) is ProblemType.EXPLANATION_NOT_FOUND
        missing = lab.http.get(f"{made['links']['self']}/maps/occlusion.png")
        assert problem_of(missing) is ProblemType.EXPLANATION_NOT_FOUND


def test_a_photograph_needs_its_scope_and_is_audited(lab: Lab, of_image: Face, of_photograph: Face) -> None:
    assert problem_of(ask(lab.sets_only, of_photograph)) is ProblemType.SCOPE_MISSING
    assert good(ask(lab.sets_only, of_image))["state"] == "done"
    made = explain(lab, of_photograph)
    for path in (made["links"]["self"], made["links"]["maps"]["gradient"]):
        assert problem_of(lab.sets_only.get(path)) is ProblemType.SCOPE_MISSING
    lab.http.get(made["links"]["maps"]["gradient"])
    photo = of_photograph.reference["photo"]
    accesses = [(one["action"], one["outcome"]) for one in good(lab.http.get(f"/v1/photos/{photo}/accesses"))["items"]]
    for expected in (
        ("POST /v1/explanations", "done"),
        ("POST /v1/explanations", "refused"),
        ("GET /v1/explanations/{explanation_id}", "refused"),
        ("GET /v1/explanations/{explanation_id}/maps/{method}.png", "done"),
    ):
        assert expected in accesses
    begun = lab.service.audit.entries(photo=photo, outcomes=["begun"])
    assert "POST /v1/explanations" in {entry.action for entry in begun}


def test_the_same_explanation_with_a_key_is_one(lab: Lab, face: Face) -> None:
    key = {"Idempotency-Key": f"explain {face.path}"}
    first = explain(lab, face, key)
    assert explain(lab, face, key) == first
    assert problem_of(ask(lab.http, face, key, target="WS")) is ProblemType.IDEMPOTENCY_KEY_REUSED
    assert explain(lab, face)["id"] != first["id"]


def test_the_queue_being_full_nothing_is_kept(lab: Lab, face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    before = good(lab.http.get(face.path))
    monkeypatch.setattr(lab.service.jobs, "most_open", (1000, 0))
    assert problem_of(ask(lab.http, face)) is ProblemType.TOO_MANY_JOBS
    assert good(lab.http.get(face.path)) == before


def test_an_explanation_waits_for_its_job(lab: Lab, face: Face) -> None:
    with lab.occupied():
        asked = good(ask(lab.http, face, {"Prefer": "wait=0"}), 202)
        assert (asked["result"], asked["done"]) == (None, 0)
        assert problem_of(lab.http.get(asked["links"]["maps"]["gradient"])) is ProblemType.EXPLANATION_NOT_READY
    assert lab.finished(asked["links"]["self"])["done"] == 2


def test_an_erased_explanation_leaves_nothing(lab: Lab, face: Face) -> None:
    made = explain(lab, face, methods=["smoothgrad", "deeplift"])  # nobody else has these maps
    picture = lab.http.get(made["links"]["maps"]["deeplift"]).content
    files = files_of(lab.state, made["id"])
    assert len(files) == 2
    assert all(name.startswith("photos/" if face.private else "explanations/") for name in files)
    assert lab.http.delete(made["links"]["self"]).status_code == 204
    assert problem_of(lab.http.get(made["links"]["self"])) is ProblemType.EXPLANATION_NOT_FOUND
    assert files_of(lab.state, made["id"]) == []
    assert tables_naming(lab.state, made["id"]) == set()
    if not face.private:
        assert good(lab.http.post("/v1/verify", content=picture))["verdict"] != "made here"


def test_erased_while_it_waits_it_leaves_nothing(lab: Lab, face: Face) -> None:
    with lab.occupied():
        asked = good(ask(lab.http, face, {"Prefer": "wait=0"}), 202)
        lab.until_waiting()
        assert lab.http.delete(asked["links"]["self"]).status_code == 204
    lab.idle()
    assert files_of(lab.state, asked["id"]) == []
    assert tables_naming(lab.state, asked["id"]) == set()


def test_maps_are_sealed_and_go_with_their_photograph(lab: Lab) -> None:
    photo = lab.photo(1)
    made = explain(lab, Face({"photo": photo}, "", True))
    explanations = lab.service.explanations
    record = explanations.get(made["id"])
    assert record is not None
    path = explanations.map_path(record, "gradient")
    assert explanations.files.read(path).startswith(b"\x89PNG")
    assert not files_in(lab.state).read(path).startswith(b"\x89PNG")
    receipt = good(lab.http.delete(f"/v1/photos/{photo}"))
    assert receipt["erased"]["maps of explanations"] == 2
    assert problem_of(lab.http.get(made["links"]["self"])) is ProblemType.EXPLANATION_NOT_FOUND
    for subject in (photo, made["id"]):
        assert files_of(lab.state, subject) == []
        assert tables_naming(lab.state, subject) == set()


def test_a_deleted_set_takes_its_explanations_along(lab: Lab) -> None:
    made_set = good(lab.http.post("/v1/image-sets", json=SET | {"seed": 78}, headers=WAIT))
    made = explain(lab, Face({"image_set": made_set["id"], "image": 0}, "", False))
    assert lab.http.delete(f"/v1/image-sets/{made_set['id']}").status_code == 204
    assert problem_of(lab.http.get(made["links"]["self"])) is ProblemType.EXPLANATION_NOT_FOUND
    assert files_of(lab.state, made["id"]) == []
    assert tables_naming(lab.state, made["id"]) == set()


def test_an_erased_explanation_that_a_backup_brings_back_is_erased_again(lab: Lab, of_photograph: Face) -> None:
    made = explain(lab, of_photograph)
    record = lab.service.explanations.get(made["id"])
    assert record is not None
    receipts: Receipts = lab.service.eraser.receipts
    receipts.write(f"explanations/{record.id}", {"because": ErasureCause.REQUESTED})
    lab.service.eraser.repeat_erasures()
    assert lab.service.explanations.get(made["id"]) is None
    assert files_of(lab.state, made["id"]) == []


def test_a_picture_without_a_face_is_refused_before_anything_is_stored(
    lab: Lab, of_image: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = np.full((128, 128, 3), 128, np.uint8)
    before = good(lab.http.get(of_image.path))
    monkeypatch.setattr(lab.service.explanation_work, "read_pixels", lambda face: grey)
    assert problem_of(ask(lab.http, of_image)) is ProblemType.PICTURE_UNUSABLE
    assert good(lab.http.get(of_image.path)) == before


def test_a_new_classifier_is_served_and_a_changed_one_is_read_again(lab: Lab, of_image: Face) -> None:
    folder: Path | None = lab.service.settings.classifiers
    assert folder is not None
    answers = []
    for seed in (7, 8):
        build_classifier(seed=seed).save(folder / "later.safetensors")
        answers.append(explain(lab, of_image, classifier="later")["result"])
    assert answers[0]["classifier"] != answers[1]["classifier"]
    assert answers[0]["probabilities"] != answers[1]["probabilities"]
    (folder / "later.safetensors").unlink()


def test_a_service_without_classifiers_says_what_to_set(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.service.classifiers, "folder", None)
    assert good(lab.http.get("/v1/classifiers")) == {"items": []}
    photo = lab.photo(0)
    answer = lab.http.post("/v1/explanations", json={"face": {"photo": photo}})
    assert problem_of(answer) is ProblemType.NO_CLASSIFIER_SERVED
    assert "GESTALTGEN_CLASSIFIERS" in answer.json()["detail"]


def test_a_missing_package_is_named(lab: Lab, of_image: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.models.classifiers.NEEDED", ("no_such_package",))
    answer = ask(lab.http, of_image)
    assert problem_of(answer) is ProblemType.MODEL_UNUSABLE
    assert "no_such_package" in answer.json()["detail"]


def test_a_photograph_that_is_not_inverted_is_not_explained(lab: Lab) -> None:
    with lab.occupied():
        sent = good(lab.send(phantom(2), {"Prefer": "wait=0"}), 202)
        answer = lab.http.post("/v1/explanations", json={"face": {"photo": sent["id"]}})
        assert problem_of(answer) is ProblemType.PHOTO_NOT_READY
    lab.finished(f"/v1/photos/{sent['id']}")
