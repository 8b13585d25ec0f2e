"""Pages of studies, explanations and assessments, with photographs of phantoms that are stored without an inversion."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace

import httpx
import numpy as np
import pytest

from api.access.api_keys import Scope
from api.access.ownership import Kind
from api.models import syndrome_models
from api.operations.clock import now_ms
from api.photographs.records import PackRecord, new_id
from api.studio import answer_analysis
from api.studio.explanation_words import METHODS, REGIONS, USUAL
from core.formats.archives import zip_bytes
from recognition.syndromes.assessment.answer import NOTICE
from recognition.syndromes.assessment.model_files import StoredModel
from tests.api.fake import FakeModel, served
from tests.api.lab import Lab, open_lab, phantom
from tests.api.photographs.test_assessments import UNLIKE, QuickModel, store
from tests.api.studio.conftest import csrf_of
from tests.recognition.explanation.classifiers import build_classifier
from tests.recognition.syndromes.assessment.cards import CARD

XSS = "<b>X&Y</b>"


@dataclass(frozen=True)
class Pages:
    """Browsers of a lab, of its image sets alone and of another lab, and photographs of the lab."""

    lab: Lab
    http: httpx.Client
    sets_only: httpx.Client
    other: httpx.Client
    photos: list[str]

    def send(self, path: str, page: str = "", files: object = None, **fields: object) -> httpx.Response:
        """Send the form of a page."""
        fields["csrf"] = csrf_of(self.http.get(page or path).text)
        return self.http.post(path, data=fields, files=files)  # type: ignore[arg-type]

    def wait(self, answer: httpx.Response) -> str:
        """Return the page that a form led to, once its job has ended."""
        path = answer.url.path
        assert answer.history, answer.text
        self.lab.until(lambda: "data-events" not in self.http.get(path).text)
        return self.http.get(path).text


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    syndromes, classifiers = tmp_path_factory.mktemp("syndromes"), tmp_path_factory.mktemp("classifiers")
    StoredModel(replace(CARD, syndrome="KdVS"), {"a": np.zeros(3)}, {}).write(syndromes / "kdvs", "# KdVS\n")
    build_classifier().save(classifiers / "small.safetensors")
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(syndrome_models, "load_model", QuickModel)
        state = tmp_path_factory.mktemp("lab")
        with open_lab(state, served(FakeModel()), syndromes=syndromes, classifiers=classifiers) as lab:
            opened = []
            for owner, scopes in (("lab", list(Scope)), ("lab", [Scope.IMAGE_SETS]), ("other-lab", list(Scope))):
                secret, _ = lab.service.api_keys.create(owner, scopes)
                opened.append(httpx.Client(base_url=str(lab.http.base_url), timeout=90, follow_redirects=True))
                opened[-1].post("/studio/sign-in", data={"key": secret})
            photos = [store(lab, n) for n in range(3)]
            lab.service.photographs.write_reference(photos[0], XSS)
            ours, sets_only, other = opened
            yield Pages(lab, ours, sets_only, other, photos)
            for one in opened:
                one.close()


@pytest.fixture(scope="module")
def pack(pages: Pages) -> str:
    """Id of a survey pack of two people that is done."""
    service, now = pages.lab.service, now_ms()
    record = PackRecord(new_id(), "lab", tuple(pages.photos[:2]), {"seed": 1, "photos": pages.photos}, now, now + 10**7)
    key = [["version", "order", "file", "photograph", "group", "edited", "smile"]]
    files = {}
    for version in ("A", "B"):
        for n, (photo, group) in enumerate(zip(record.photos, ("WS", "other"), strict=True), 1):
            files[f"{version}/{n * 11111111}.png"] = phantom(n)
            key.append([version, str(n), f"{n * 11111111}.png", photo, group, str((version == "A") == (n == 1)), "0.5"])
        files[f"{version}/order.csv"] = b"file\n11111111.png\n22222222.png\n"
    text = io.StringIO()
    csv.writer(text).writerows(key)
    files["key/answers.csv"] = text.getvalue().encode()
    service.survey_packs.add(record)
    service.survey_packs.files.write(service.survey_packs.archive_path(record.id), zip_bytes(files.items()))
    service.survey_packs.record_result(
        record.id, {"people": 2, "left_out": [{"photograph": pages.photos[2], "reason": "no smile"}]}
    )
    service.ownership.give(record.id, Kind.STIMULI, "lab")
    return record.id


def answers(participants: int, extra: str = "") -> bytes:
    """CSV of answers to both pictures of a version; every second participant sees version B."""
    lines = ["participant,image,answer"]
    for one in range(participants):
        version = "AB"[one % 2]
        lines += [f"P{one},{version}_11111111,WS", f"P{one},{version}_22222222,{('WS', 'other')[one // 2 % 2]}"]
    return "\n".join([*lines, extra, ""]).encode()


def test_pages_are_offered_to_keys_that_are_for_them(pages: Pages) -> None:
    assert pages.sets_only.get("/studio/studies").status_code == 403
    assert pages.sets_only.get("/studio/assessments").status_code == 403
    shown = pages.sets_only.get("/studio/explanations").text
    assert "/studio/studies" not in shown
    assert pages.photos[0] not in shown


def test_photographs_are_chosen_for_a_pack_and_the_audit_says_so(pages: Pages) -> None:
    shown = pages.http.get("/studio/studies/new")
    assert shown.headers["Cache-Control"] == "no-store"
    assert all(f"/v1/photos/{photo}/crop.png" in shown.text for photo in pages.photos)
    assert XSS not in shown.text
    actions = {entry.action for entry in pages.lab.service.audit.entries(photo=pages.photos[1])}
    assert "GET /studio/studies/new" in actions
    refused = pages.send("/studio/studies", "/studio/studies/new", photos=pages.photos[:1], seed="x", change="reach")
    assert refused.status_code == 422
    assert 'id="photos-error"' in refused.text
    assert 'id="seed-error"' in refused.text
    fields = {f"group-{photo}": XSS for photo in pages.photos}
    page = pages.wait(pages.send("/studio/studies", "/studio/studies/new", photos=pages.photos, smile="0.3", **fields))
    assert XSS not in page
    theirs = pages.other.get("/studio/studies/new").text
    assert pages.photos[0] not in theirs


def test_both_versions_are_shown_before_a_pack_is_downloaded(pages: Pages, pack: str) -> None:
    page = pages.http.get(f"/studio/studies/{pack}").text
    assert pack in pages.http.get("/studio/studies").text
    assert f'href="/v1/stimuli/{pack}/archive.zip"' in page
    assert "no smile" in page
    for version in ("A", "B"):
        for n in (1, 2):
            assert f"/v1/stimuli/{pack}/versions/{version}/{n}.png" in page
    assert pages.http.get(f"/v1/stimuli/{pack}/versions/B/2.png").content == phantom(2)
    assert pages.other.get(f"/studio/studies/{pack}").status_code == 404
    assert pages.other.get(f"/v1/stimuli/{pack}/versions/B/2.png").status_code == 404


def test_answers_are_analysed_and_not_stored(pages: Pages, pack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/studio/studies/answers"
    before = {name.relative_to(pages.lab.state) for name in pages.lab.state.rglob("*")}
    files = {"answers": ("answers.csv", answers(8, "P9,A_99999999,WS"), "text/csv")}
    page = pages.send(path, files=files, pack=pack, show="page")
    assert page.status_code == 200
    assert "Accuracy" in page.text
    assert "answers.csv, line 18" in page.text  # an image that is not in the key
    assert "data:" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert {name.relative_to(pages.lab.state) for name in pages.lab.state.rglob("*")} <= before
    monkeypatch.setattr(answer_analysis, "CPU_S", 0)
    assert pages.send(path, files=files, pack=pack).status_code == 422


def test_a_report_is_downloaded_with_a_key_of_its_own(pages: Pages, pack: str) -> None:
    key = pages.lab.service.survey_packs.read_file(pack, "key/answers.csv") or b""
    exports = zip_bytes([("a.csv", answers(4)), ("readme.txt", b"")])
    files = {"answers": (f"{XSS}.zip", exports, "application/zip"), "key": ("key.csv", key, "text/csv")}
    report = pages.send("/studio/studies/answers", files=files, show="files")
    with zipfile.ZipFile(io.BytesIO(report.content)) as archive:
        assert {"report.html", "report.json", "accuracy.png"} <= set(archive.namelist())


def test_answers_that_cannot_be_read_are_answered_beside_the_form(pages: Pages, pack: str) -> None:
    path = "/studio/studies/answers"
    missing = pages.send(path, files={"answers": ("", b"")}, pack=pack)
    assert (missing.status_code, 'id="answers-error"' in missing.text) == (422, True)
    keyless = pages.send(path, files={"answers": ("a.csv", answers(4))})
    assert (keyless.status_code, 'id="key-error"' in keyless.text) == (422, True)
    broken = pages.send(path, files={"answers": (f"{XSS}.csv", b"a,b\n1\n")}, pack=pack)
    assert broken.status_code == 422
    assert "line 2" in broken.text
    assert XSS not in broken.text
    large = pages.send(path, files={"answers": ("a.csv", b"x" * answer_analysis.LARGEST_STUDY_BYTES)}, pack=pack)
    assert large.status_code == 413
    foreign = pages.other.post(
        path,
        data={"csrf": csrf_of(pages.other.get(path).text), "pack": pack},
        files={"answers": ("a.csv", answers(4))},
    )
    assert foreign.status_code == 404


def test_a_pack_is_erased(pages: Pages) -> None:
    service, now = pages.lab.service, now_ms()
    record = PackRecord(new_id(), "lab", tuple(pages.photos[:2]), {"seed": 1}, now, now + 10**7)
    service.survey_packs.add(record)
    service.ownership.give(record.id, Kind.STIMULI, "lab")
    path = f"/studio/studies/{record.id}"
    assert pages.send(f"{path}/erase", path).url.path == "/studio/studies"
    assert pages.http.get(path).status_code == 404


def test_an_answer_is_explained(pages: Pages) -> None:
    path = f"/studio/explanations/photographs/{pages.photos[1]}"
    assert path in pages.http.get("/studio/explanations").text
    refused = pages.send(path, methods=["tea leaves"])
    assert (refused.status_code, 'id="methods-error"' in refused.text) == (422, True)
    answer = pages.send(path, methods=["gradient", "occlusion"], target="WS", classifier="small")
    page = pages.wait(answer)
    identifier = answer.url.path.rpartition("/")[2]
    for method in ("gradient", "occlusion"):
        assert f"/v1/explanations/{identifier}/maps/{method}.png" in page
    assert "Philtrum" in page or "philtrum" in page  # a feature of Williams syndrome
    assert 'data-opacity="opacity"' in page
    assert pages.other.get(answer.url.path).status_code == 404
    assert pages.sets_only.get(answer.url.path).status_code == 403
    assert identifier in pages.http.get("/studio/explanations").text
    assert pages.send(f"{answer.url.path}/erase", answer.url.path).url.path == "/studio/explanations"
    assert identifier not in pages.http.get("/studio/explanations").text


def test_images_of_a_set_are_chosen(pages: Pages) -> None:
    made = pages.lab.http.post(
        "/v1/image-sets", json={"kind": "age_progression", "count": 1}, headers={"Prefer": "wait=60"}
    ).json()
    listed = f"/studio/explanations/sets/{made['id']}"
    assert listed in pages.sets_only.get("/studio/explanations").text
    assert f"{listed}/images/0" in pages.sets_only.get(listed).text
    assert 'name="methods"' in pages.sets_only.get(f"{listed}/images/0").text
    assert pages.send(f"{listed}/images/0").status_code == 422  # no face is found
    assert pages.other.get(f"{listed}/images/0").status_code == 404


def test_a_photograph_is_assessed(pages: Pages) -> None:
    path = f"/studio/assessments/photographs/{pages.photos[0]}"
    assert path in pages.http.get("/studio/assessments").text
    wrong = pages.send(path, syndrome="KdVS", terms=[XSS])
    assert (wrong.status_code, 'id="terms-error"' in wrong.text, XSS in wrong.text) == (422, True, False)
    refused = pages.send(path, syndrome="Kabuki", age="nan")
    assert (refused.status_code, 'id="age-error"' in refused.text) == (422, True)
    answer = pages.send(
        path, syndrome="KdVS", age="60", sex="male", terms=["HP:0000343 Long philtrum", "seizure", ""], prior="0.1"
    )
    page = pages.wait(answer)
    for shown in ("60 %", "Seizure", "HP:0000343", "nose – mouth", f"{CARD.controls.persons}", NOTICE):
        assert shown in page
    identifier = answer.url.path.rpartition("/")[2]
    assert f"/v1/assessments/{identifier}/picture.png" in page
    assert pages.other.get(answer.url.path).status_code == 404
    entries = {entry.action for entry in pages.lab.service.audit.entries(photo=pages.photos[0])}
    assert "GET /studio/assessments/{assessment_id}" in entries
    assert pages.send(f"{answer.url.path}/erase", answer.url.path).url.path == "/studio/assessments"


def test_a_face_that_the_models_do_not_know_gets_no_answer(pages: Pages) -> None:
    path = f"/studio/assessments/photographs/{pages.photos[1]}"
    page = pages.wait(pages.send(path, syndrome="KdVS", age=str(UNLIKE)))
    assert "unlike all faces" in page


def test_without_models_the_pages_say_what_to_set(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages.lab.service.classifiers, "folder", None)
    monkeypatch.setattr(pages.lab.service.syndrome_models, "folder", None)
    for path, setting in (("explanations", "GESTALTGEN_CLASSIFIERS"), ("assessments", "GESTALTGEN_SYNDROMES")):
        assert setting in pages.http.get(f"/studio/{path}").text
        assert setting in pages.http.get(f"/studio/{path}/photographs/{pages.photos[0]}").text


def test_words_about_methods_are_those_of_the_explanations() -> None:
    from recognition.explanation import METHODS as KNOWN
    from recognition.explanation.face_explanation import USUAL_METHODS
    from recognition.explanation.regions.masks import FACE_REGIONS, OUTSIDE

    assert set(METHODS) == set(KNOWN)
    assert tuple(USUAL) == tuple(USUAL_METHODS)
    assert set(REGIONS) >= {*FACE_REGIONS, OUTSIDE}
