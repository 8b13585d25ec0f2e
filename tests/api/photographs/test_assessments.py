"""Assessments of photographs over REST, and the cohort, with models that answer at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from api.access.ownership import Kind
from api.models import syndrome_models
from api.models.syndrome_models import SyndromeInfo
from api.operations.clock import now_ms
from api.operations.receipts import Receipts
from api.photographs.records import ErasureCause, Photograph, new_id
from api.problem_types import ProblemType
from faces.images import Pixels, read_image
from gestaltgen_client import Client
from recognition.syndromes.assessment.answer import NOTICE, AnswerReason, Assessment, Estimate, Novelty
from recognition.syndromes.assessment.model_files import StoredModel
from recognition.syndromes.cohorts.grouping import Likeness, measure_likeness
from tests.api.fake import FakeModel, served
from tests.api.lab import WAIT, Json, Lab, files_of, good, open_lab, phantom, problem_of, tables_naming
from tests.recognition.syndromes.assessment.cards import CARD

UNLIKE = 99.0
"""Age for which the model gives no answer."""

PERSON = {"syndrome": "KdVS", "sex": "female", "age": 7.5, "ancestry": "European"}


class QuickModel:
    """Stands for `SyndromeModel`: the probability follows from the age, and the descriptor from the pixels."""

    def __init__(self, info: SyndromeInfo) -> None:
        self._info = info

    def assess(
        self, image: Pixels, *, sex: str | None, age: float | None, terms: list[str] | None, prior: float
    ) -> Assessment:
        card = self._info.card
        estimate = Estimate((age or 0) / 100, 0.0, 1.0)
        return Assessment(
            syndrome=card.syndrome,
            model_sha256=self._info.sha256,
            prior=prior,
            estimates={"ensemble": estimate},
            refusals=("unlike all faces",) if age == UNLIKE else (),
            remarks=() if terms else ("no terms were given",),
            novelty={"descriptor": Novelty(0.4, False)},
            patients=card.patients,
            controls=card.controls,
            reasons=(AnswerReason("distances", "distance", "nose – mouth", 0.05, ((0.1, 0.2), (0.3, 0.4))),),
            picture=255 - image,
        )

    def describe(self, image: Pixels) -> npt.NDArray[np.float32]:
        return np.asarray(image[::16, ::16].mean(-1).ravel(), np.float32)

    def measure_likeness(self, members: npt.NDArray[np.float32], image: Pixels) -> Likeness:
        controls = np.random.default_rng(0).normal(100, 50, (5, members.shape[1]))
        return measure_likeness(members, controls, self.describe(image))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with the models of two syndromes; a third file is no model."""
    folder = tmp_path_factory.mktemp("syndromes")
    for name in ("KdVS", "ADNP"):
        StoredModel(replace(CARD, syndrome=name), {"a": np.zeros(3)}, {}).write(folder / name.lower(), f"# {name}\n")
    (folder / "broken").mkdir()
    (folder / "broken" / "model.safetensors").write_bytes(b"no model")
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(syndrome_models, "load_model", QuickModel)
        with open_lab(tmp_path_factory.mktemp("lab"), served(FakeModel()), syndromes=folder) as lab:
            yield lab


@pytest.fixture(scope="module")
def photo(lab: Lab) -> str:
    return store(lab, 0)


def store(lab: Lab, n: int, consent_scope: str = "") -> str:
    """Store a photograph of a phantom as if it had been sent and inverted, and return its id."""
    photographs, photo, now = lab.service.photographs, new_id(), now_ms()
    photographs.add(
        Photograph(
            *(photo, "lab", "fake", "study-7/form-12", "research", False, True, now, now + 3_600_000, "image/png"),
            consent_scope=consent_scope,
        )
    )
    photographs.files.write(f"{photographs.folder(photo)}/crop.png", phantom(n))
    quality: Json = {"l2": 0.1, "ms_ssim": None, "perceptual": None, "identity": None, "verdict": "good", "because": []}
    photographs.record_inversion(photo, quality, "")
    lab.service.ownership.give(photo, Kind.PHOTO, "lab")
    return photo


def ask(client: httpx.Client, photo: str, headers: Json | None = None, **body: object) -> httpx.Response:
    body = {"photo": photo, "syndrome": "KdVS"} | body
    return client.post("/v1/assessments", json=body, headers=WAIT | (headers or {}))


def join(lab: Lab, n: int, **details: Any) -> str:
    """Store a photograph, add it to the cohort, and return its id."""
    photo = store(lab, n, "cohort")
    good(lab.http.put(f"/v1/photos/{photo}/cohort", json=PERSON | details))
    return photo


def test_syndromes_are_listed_with_their_cards(lab: Lab) -> None:
    items = good(lab.http.get("/v1/syndromes"))["items"]
    assert [(one["syndrome"], one["card"]) for one in items] == [("ADNP", "# ADNP\n"), ("KdVS", "# KdVS\n")]
    assert items[0]["figures"]["patients"]["persons"] == CARD.patients.persons
    assert items[0]["notice"] == NOTICE


def test_a_photograph_is_assessed(lab: Lab, photo: str) -> None:
    made = good(ask(lab.http, photo, age=60, sex="male", terms=["HP:0000286"], prior=0.1))
    result = made["result"]
    assert (made["state"], made["error"]) == ("done", None)
    assert made["request"] == {"syndrome": "KdVS", "age": 60, "sex": "male", "terms": ["HP:0000286"], "prior": 0.1}
    assert result["estimates"]["ensemble"]["probability"] == 0.6
    assert (result["prior"], result["remarks"], result["cohort"]) == (0.1, [], None)
    assert result["controls"]["persons"] == CARD.controls.persons
    assert result["model_sha256"] == good(lab.http.get("/v1/syndromes"))["items"][1]["sha256"]
    assert NOTICE == made["notice"] == result["notice"]
    assert good(lab.http.get(made["links"]["self"])) == made
    assert made in good(lab.http.get(f"/v1/photos/{photo}/assessments"))["items"]
    job = good(lab.http.get(made["links"]["job"]))
    assert (job["kind"], job["links"]["subject"]) == ("assessment", made["links"]["self"])


def test_the_picture_of_an_assessment_is_private_and_says_what_it_is(lab: Lab, photo: str) -> None:
    answer = lab.http.get(good(ask(lab.http, photo))["links"]["picture"])
    assert answer.headers["Cache-Control"].endswith("no-store")
    assert read_image(answer.content).shape == (128, 128, 3)
    marked = lab.service.marker.read(answer.content)
    assert marked is not None
    assert marked.claim.source == "annotated"
    model = good(lab.http.get("/v1/syndromes"))["items"][1]
    for secret in (photo, model["syndrome"], model["sha256"]):
        assert secret not in answer.content.decode("latin-1")


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("syndrome", {"syndrome": "Kabuki"}),
        ("age", {"age": -1}),
        ("sex", {"sex": "f"}),
        ("terms.0", {"terms": ["broad nose"]}),
        ("terms.1", {"terms": ["HP:0000286", "HP:9999999"]}),
        ("prior", {"prior": 1}),
        ("colour", {"colour": "red"}),
    ],
)
def test_what_cannot_be_is_named_and_not_stored(lab: Lab, photo: str, field: str, body: Json) -> None:
    before = good(lab.http.get(f"/v1/photos/{photo}/assessments")), lab.jobs()
    answer = ask(lab.http, photo, **body)
    assert problem_of(answer) is ProblemType.REQUEST_INVALID
    assert answer.json()["errors"][0]["field"] == field
    assert (good(lab.http.get(f"/v1/photos/{photo}/assessments")), lab.jobs()) == before


def test_an_assessment_is_its_owners_and_audited(lab: Lab, photo: str) -> None:
    made = good(ask(lab.http, photo))
    assert problem_of(ask(lab.other, photo)) is ProblemType.PHOTO_NOT_FOUND
    assert problem_of(ask(lab.sets_only, photo)) is ProblemType.SCOPE_MISSING
    for path in (made["links"]["self"], made["links"]["picture"]):
        assert problem_of(lab.other.get(path)) is ProblemType.ASSESSMENT_NOT_FOUND
    entries = {(one.owner, one.action, one.outcome) for one in lab.service.audit.entries(photo=photo)}
    assert entries >= {
        ("lab", "POST /v1/assessments", "begun"),
        ("lab", "POST /v1/assessments", "done"),
        ("other-lab", "POST /v1/assessments", "refused"),
        ("other-lab", "GET /v1/assessments/{assessment_id}/picture.png", "refused"),
    }


def test_the_same_assessment_with_a_key_is_one(lab: Lab, photo: str) -> None:
    key = {"Idempotency-Key": "assess"}
    first = good(ask(lab.http, photo, key))
    assert good(ask(lab.http, photo, key)) == first
    assert problem_of(ask(lab.http, photo, key, age=3)) is ProblemType.IDEMPOTENCY_KEY_REUSED


def test_nothing_of_the_person_is_readable_in_the_state_folder(lab: Lab, photo: str) -> None:
    asked = good(ask(lab.http, photo, terms=["HP:0001250"]))
    member = join(lab, 1, ancestry="Atlantean")
    for secret in (b"HP:0001250", b"Atlantean"):
        assert not any(secret in path.read_bytes() for path in lab.state.rglob("*") if path.is_file())
    assert asked["request"]["terms"] == ["HP:0001250"]
    assert good(lab.http.get(f"/v1/photos/{member}"))["cohort"]["ancestry"] == "Atlantean"
    assert lab.http.delete(f"/v1/photos/{member}").status_code == 200


def test_an_erased_assessment_leaves_nothing_and_no_backup_brings_it_back(lab: Lab, photo: str) -> None:
    made = good(ask(lab.http, photo))
    assert len(files_of(lab.state, made["id"])) == 3
    assert lab.http.delete(made["links"]["self"]).status_code == 204
    assert problem_of(lab.http.get(made["links"]["self"])) is ProblemType.ASSESSMENT_NOT_FOUND
    again = good(ask(lab.http, photo))
    receipts: Receipts = lab.service.eraser.receipts
    receipts.write(f"assessments/{again['id']}", {"because": ErasureCause.REQUESTED})
    lab.service.eraser.repeat_erasures()
    for one in (made, again):
        assert files_of(lab.state, one["id"]) == []
        assert tables_naming(lab.state, one["id"]) == set()


def test_erased_while_it_waits_it_leaves_nothing(lab: Lab, photo: str) -> None:
    with lab.occupied():
        asked = good(ask(lab.http, photo, {"Prefer": "wait=0"}), 202)
        assert problem_of(lab.http.get(asked["links"]["picture"])) is ProblemType.ASSESSMENT_NOT_READY
        lab.until_waiting()
        assert lab.http.delete(asked["links"]["self"]).status_code == 204
    lab.idle()
    assert files_of(lab.state, asked["id"]) == []
    assert tables_naming(lab.state, asked["id"]) == set()


def test_the_scope_of_a_consent_is_sent_with_a_photograph(lab: Lab) -> None:
    sent = good(lab.send(phantom(0), {"Consent-Scope": "cohort", "Prefer": "wait=0"}), 202)
    assert sent["consent_scope"] == "cohort"
    refused = lab.send(phantom(0), {"Consent-Scope": "everything"})
    assert problem_of(refused) is ProblemType.REQUEST_INVALID


def test_a_photograph_joins_the_cohort_only_with_a_consent_that_says_so(lab: Lab, photo: str) -> None:
    answer = lab.http.put(f"/v1/photos/{photo}/cohort", json=PERSON)
    assert problem_of(answer) is ProblemType.CONSENT_TOO_NARROW
    assert lab.service.cohort.find(photo) is None
    assert problem_of(lab.http.delete(f"/v1/photos/{photo}/cohort")) is ProblemType.NOT_IN_COHORT
    member = join(lab, 1)
    seen = good(lab.http.get(f"/v1/photos/{member}"))
    assert seen["consent_scope"] == "cohort"
    assert seen["cohort"] == PERSON | {"since": seen["cohort"]["since"]}
    changed = good(lab.http.put(f"/v1/photos/{member}/cohort", json={"syndrome": "ADNP"}))
    assert changed == {"syndrome": "ADNP", "sex": None, "age": None, "ancestry": None, "since": seen["cohort"]["since"]}
    assert lab.http.delete(f"/v1/photos/{member}/cohort").status_code == 204
    assert good(lab.http.get(f"/v1/photos/{member}"))["cohort"] is None
    assert [name for name in files_of(lab.state, member) if "cohort" in name] == []
    actions = [(one.action, one.outcome) for one in lab.service.audit.entries(photo=member)]
    assert ("PUT /v1/photos/{photo_id}/cohort", "begun") in actions
    assert ("leave cohort", "done") in actions


def test_a_member_that_left_is_not_brought_back_by_a_backup_but_may_join_again(lab: Lab) -> None:
    photo = join(lab, 1)
    member = lab.service.cohort.find(photo)
    assert member is not None
    receipts: Receipts = lab.service.eraser.receipts
    receipts.write(f"cohort/{member.id}", {"because": ErasureCause.REQUESTED})
    lab.service.eraser.repeat_erasures()
    assert lab.service.cohort.find(photo) is None
    good(lab.http.put(f"/v1/photos/{photo}/cohort", json=PERSON))
    lab.service.eraser.repeat_erasures()
    assert lab.service.cohort.find(photo) is not None
    receipt = good(lab.http.delete(f"/v1/photos/{photo}"))
    assert receipt["erased"]["places in a cohort"] == 1
    assert tables_naming(lab.state, photo) == set()


def test_only_a_syndrome_that_is_served_is_known_to_the_cohort(lab: Lab) -> None:
    photo = store(lab, 1, "cohort")
    answer = lab.http.put(f"/v1/photos/{photo}/cohort", json=PERSON | {"syndrome": "KDVS"})
    assert problem_of(answer) is ProblemType.REQUEST_INVALID
    assert lab.service.cohort.find(photo) is None


def test_a_face_is_compared_with_the_members_of_the_owners_cohort_who_have_the_syndrome(lab: Lab) -> None:
    photos = [join(lab, n) for n in (1, 2, 3)]
    other = join(lab, 4, syndrome="ADNP")
    compared = good(ask(lab.http, photos[0]))["result"]["cohort"]
    assert (compared["members"], compared["left_out"]) == (2, 0)
    assert 1 / 3 <= compared["p"] <= 1
    assert good(ask(lab.http, photos[0], age=UNLIKE))["result"]["cohort"] is None
    for photo, uses in ((photos[1], 2), (other, 0)):
        entries = lab.service.audit.entries(photo=photo)
        assert [(one.action, one.outcome) for one in entries].count(("POST /v1/assessments", "done")) == uses
    assert lab.http.delete(f"/v1/photos/{photos[1]}/cohort").status_code == 204
    compared = good(ask(lab.http, photos[0]))["result"]["cohort"]
    assert (compared["members"], compared["p"], compared["intruders"]) == (1, None, None)
    for photo in (*photos, other):
        assert lab.http.delete(f"/v1/photos/{photo}").status_code == 200


def test_the_client_assesses_and_lets_a_photograph_join_and_leave(lab: Lab) -> None:
    photo_id = store(lab, 1, "cohort")
    with Client(str(lab.http.base_url), key=lab.http.headers["Authorization"].removeprefix("Bearer ")) as client:
        photo = client.photo(photo_id)
        made = client.assess(photo, "KdVS", age=60, terms="HP:0000286", wait_s=30).wait(timeout_s=60)
        assert made.result is not None
        assert made.result["estimates"]["ensemble"]["probability"] == 0.6
        assert read_image(made.picture()).shape == (128, 128, 3)
        assert client.assessment(made.id) == made
        assert [one["syndrome"] for one in client.syndromes()] == ["ADNP", "KdVS"]
        made.erase()
        assert photo.join_cohort("KdVS", age=7)["age"] == 7
        photo.leave_cohort()
        photo.erase()
    assert lab.service.cohort.find(photo_id) is None


def test_a_service_without_models_says_what_to_set(lab: Lab, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.service.syndrome_models, "folder", None)
    assert good(lab.http.get("/v1/syndromes")) == {"items": []}
    answer = ask(lab.http, photo)
    assert problem_of(answer) is ProblemType.NO_SYNDROME_SERVED
    assert "GESTALTGEN_SYNDROMES" in answer.json()["detail"]


def test_a_new_model_is_served_and_a_changed_file_is_read_again(lab: Lab) -> None:
    folder: Path | None = lab.service.settings.syndromes
    assert folder is not None
    StoredModel(replace(CARD, syndrome="later"), {}, {}).write(folder / "later", "")
    assert "later" in [one["syndrome"] for one in good(lab.http.get("/v1/syndromes"))["items"]]
    (folder / "later" / "model.safetensors").unlink()
    (folder / "later" / "model.safetensors").symlink_to(folder / "being-replaced")
    assert "later" not in [one["syndrome"] for one in good(lab.http.get("/v1/syndromes"))["items"]]
