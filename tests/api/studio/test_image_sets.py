"""Pages of image sets: their forms ask the service for what they say, and their sets are shown to their owner only."""

from __future__ import annotations

import ast
import json
import re
import shlex

import httpx
import pytest
from starlette.datastructures import ImmutableMultiDict

from api.studio.image_set_requests import KINDS, read_request, write_curl, write_python
from editing.direction_info import DirectionInfo
from tests.api.fake import FakeModel
from tests.api.studio.conftest import Studio, csrf_of

SMILE = DirectionInfo("smile", 0.9, (0.8, 1.0), 1.0, (), None)
NEW = "/studio/image-sets/new/age_progression"


@pytest.fixture(scope="module")
def browser(studio: Studio) -> httpx.Client:
    return studio.visit(studio.sets_only)


def post(browser: httpx.Client, path: str, **fields: object) -> httpx.Response:
    csrf = csrf_of(browser.get(NEW).text)
    return browser.post(path, data={"csrf": csrf, **fields})


def make_set(browser: httpx.Client, seed: int) -> str:
    """Make a set of ten images by the form, and return the path of its page."""
    answer = post(browser, NEW, conditions=["WS", "22q11DS"], count="1", seed=str(seed), truncation="0.6")
    path = str(answer.url.path)
    set_id = path.rpartition("/")[2]
    while browser.get(f"/v1/image-sets/{set_id}").json()["state"] != "done":
        browser.get(browser.get(f"/v1/image-sets/{set_id}").json()["links"]["job"] + "/events")  # until it ends
    return path


def test_without_sets_the_list_says_what_to_do(studio: Studio) -> None:
    page = studio.visit(studio.other).get("/studio/image-sets").text
    assert 'href="/studio/image-sets/new"' in page
    assert "empty" in page


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_form_whose_controls_have_labels(browser: httpx.Client, kind: str) -> None:
    answer = browser.get(f"/studio/image-sets/new/{kind}")
    assert answer.status_code in (200, 422)  # the model of the test knows one kind
    ids = re.findall(r'<(?:input|select)[^>]* id="([^"]+)"', answer.text)
    assert len(ids) >= 4
    assert set(ids) <= set(re.findall(r'<label for="([^"]+)"', answer.text))


def test_a_kind_that_does_not_exist_is_not_found(browser: httpx.Client) -> None:
    assert browser.get("/studio/image-sets/new/<b>twins").status_code == 404


def test_a_form_makes_a_set_that_is_listed_and_shown(browser: httpx.Client) -> None:
    here = make_set(browser, 3)
    page = browser.get(here).text
    assert len(re.findall(r'src="/v1/image-sets/\w+/images/\d+\?format=webp" width="8" height="8"', page)) == 10
    assert page.count('scope="row"') == 2
    assert "<dt>Conditions</dt>" in page
    assert "synthetic face, WS, infant, person 1" in page
    assert f'href="{here}"' in browser.get("/studio/image-sets").text
    image = browser.get(f"{here}/images/7").text
    line = json.loads(browser.get(here.replace("/studio", "/v1") + "/manifest.jsonl").text.splitlines()[7])
    for value in (line["sha256"], line["condition"], "f" * 64):
        assert value in image
    assert browser.get(f"{here}/images/10").status_code == 404


def test_others_do_not_see_a_set(studio: Studio, browser: httpx.Client) -> None:
    here, other = make_set(browser, 3), studio.visit(studio.other)
    assert here not in other.get("/studio/image-sets").text
    assert other.get(here).status_code == 404
    assert post(other, f"{here}/delete").status_code == 404
    assert browser.get(here).status_code == 200


def test_a_set_is_deleted_after_a_question(browser: httpx.Client) -> None:
    here = make_set(browser, 4)
    assert post(browser, f"{here}/delete").url.path == "/studio/image-sets"
    assert browser.get(here).status_code == 404


@pytest.mark.parametrize("number", ["nan", "1e999", "²", "9" * 5000])
def test_a_text_that_is_no_finite_number_is_refused(browser: httpx.Client, number: str) -> None:
    assert 'id="count-error"' in post(browser, NEW, conditions="WS", count=number).text


def test_what_cannot_be_is_said_beside_its_field(browser: httpx.Client) -> None:
    answer = post(browser, NEW, conditions="WS", count="<i>many")
    assert answer.status_code == 422
    assert 'id="count-error"' in answer.text
    assert 'value="&lt;i&gt;many"' in answer.text
    assert re.search(r'value="WS" checked', answer.text)
    assert not re.search(r'value="22q11DS" checked', answer.text)


def test_an_estimate_makes_nothing(browser: httpx.Client) -> None:
    before = browser.get("/v1/image-sets").json()["items"]
    page = post(browser, NEW, conditions="WS", count="123", seed="9", estimate="1")
    part = post(browser, f"{NEW}/cost", conditions="WS", count="123", seed="9")
    assert "615 images" in page.text
    assert "615 images" in part.text
    assert "<html" not in part.text
    assert browser.get("/v1/image-sets").json()["items"] == before


def test_the_address_fills_the_form(browser: httpx.Client) -> None:
    page = browser.get(NEW, params={"conditions": "WS", "count": "2", "seed": "5"}).text
    assert "10 images" in page
    assert re.search(r'name="seed"[^>]*value="5"', page)


def test_a_face_is_edited_by_a_form(browser: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    here = make_set(browser, 3)
    assert f'action="{here}/images/2/edits"' not in browser.get(f"{here}/images/2").text
    monkeypatch.setattr(FakeModel, "directions", lambda _: [SMILE])
    assert f'action="{here}/images/2/edits"' in browser.get(f"{here}/images/2").text
    wrong = post(browser, f"{here}/images/2/edits", direction="smile", strength="<i>much")
    assert wrong.status_code == 422
    assert 'id="strength-error"' in wrong.text
    edit = post(browser, f"{here}/images/2/edits", smile="0.8")
    assert edit.url.path.startswith(f"{here}/images/2/edits/")
    again = post(browser, f"{here}/images/2/edits", direction="smile", strength="<i>much")
    assert again.status_code == wrong.status_code == 422
    assert edit.url.path in again.text
    assert browser.get(edit.url.path.replace("/studio", "/v1")).json()["request"]["smile"] == 0.8
    assert str(edit.url.path) in browser.get(f"{here}/images/2").text


def test_a_request_is_the_same_for_programs() -> None:
    fields = [("conditions", "it's"), ("ages", "child"), ("ages", "infant"), ("count", ""), ("seeds", "3, 4")]
    body = read_request(
        "blended", ImmutableMultiDict([*fields, ("blend", "0.75"), ("truncation", "1"), ("model", "m")])
    )
    assert body == {
        "kind": "blended",
        "conditions": ["it's"],
        "ages": ["child", "infant"],
        "blend": 0.75,
        "truncation": 1,
        "model": "m",
        "seeds": [3, 4],
    }
    words = shlex.split(write_curl("http://x", body, with_key=True).replace("\\\n", " "))
    assert json.loads(words[words.index("-d") + 1]) == body
    calls = [
        node
        for node in ast.walk(ast.parse(write_python("http://x", body, with_key=True)))
        if isinstance(node, ast.Call)
    ]
    [create] = [call for call in calls if getattr(call.func, "attr", "") == "create"]
    assert {word.arg: ast.literal_eval(word.value) for word in create.keywords} == body


def test_the_form_asks_for_scores_and_minima() -> None:
    fields = [("scores", "true"), ("classifier", "oracle"), ("min_condition", "0.9"), ("min_face", ""), ("count", "2")]
    body = read_request("unrelated", ImmutableMultiDict(fields))
    assert body == {"kind": "unrelated", "count": 2, "min_condition": 0.9, "classifier": "oracle", "scores": True}
    assert read_request("unrelated", ImmutableMultiDict([("scores", "")])) == {"kind": "unrelated"}


def test_the_form_offers_minima_with_a_sentence_each_and_says_what_was_refused(browser: httpx.Client) -> None:
    page = browser.get(NEW).text
    for name in ("min_condition", "min_age", "min_face", "min_sharpness", "min_novelty"):
        assert re.search(rf'<input id="{name}"[^>]*aria-describedby="{name}-hint', page), name
    refused = post(browser, NEW, conditions=["WS"], count="1", min_condition="0.5")
    assert refused.status_code == 422
    assert "nothing reads the condition" in refused.text
