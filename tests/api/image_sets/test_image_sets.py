from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile

import httpx
import pytest
from PIL import Image
from sqlalchemy import Connection, Engine, event

from api.operations.state_folder import SERVICE_DATABASE
from api.problem_types import ProblemType
from faces.images import read_image
from tests.api.conftest import Running
from tests.api.lab import of_sqlite

SETS = "/v1/image-sets"
PROGRESSION = {"kind": "age_progression", "conditions": ["WS", "22q11DS"], "count": 10}


def made(http: httpx.Client, body: dict[str, object]) -> dict[str, object]:
    answer = http.post(SETS, json=body, headers={"Prefer": "wait=60"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Preference-Applied"] == "wait=60"
    result: dict[str, object] = answer.json()
    return result


def path_of(image_set: dict[str, object], file: str) -> str:
    return f"{SETS}/{image_set['id']}/{file}"


def test_a_set_is_accepted_then_made(running: Running) -> None:
    answer = running.http.post(SETS, json=PROGRESSION | {"seed": 5})
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"{SETS}/{answer.json()['id']}"
    assert "Preference-Applied" not in answer.headers
    assert running.http.get(answer.json()["links"]["job"]).status_code == 200
    done = made(running.http, PROGRESSION | {"seed": 5})
    assert (done["id"], done["state"], done["done"], done["total"]) == (answer.json()["id"], "done", 100, 100)


def test_the_same_request_is_the_same_set_and_renders_nothing_again(running: Running) -> None:
    first = made(running.http, PROGRESSION)
    rendered = running.model.rendered
    spelt_out = made(running.http, PROGRESSION | {"seed": 0, "precision": "float32"})
    assert spelt_out["id"] == first["id"]
    assert running.model.rendered == rendered
    assert made(running.http, PROGRESSION | {"seed": 1})["id"] != first["id"]


@of_sqlite
def count_transactions(running: Running, seed: int) -> int:
    """Count the transactions of the service's database while a small set is made."""
    commits = []

    def note(connection: Connection) -> None:
        if str(connection.engine.url).endswith(SERVICE_DATABASE):
            commits.append(connection)

    event.listen(Engine, "commit", note)
    try:
        made(running.http, {"kind": "age_progression", "conditions": ["WS"], "count": 1, "seed": seed})
    finally:
        event.remove(Engine, "commit", note)
    return len(commits)


@of_sqlite
def test_a_small_set_takes_two_transactions(running: Running) -> None:
    # The owner, before it is rendered; then its images and its size. Regular work of the service may come in between.
    assert min(count_transactions(running, seed) for seed in (77, 78, 79)) == 2


def test_manifest_and_images_agree(running: Running) -> None:
    image_set = made(running.http, PROGRESSION)
    lines = [json.loads(line) for line in running.http.get(path_of(image_set, "manifest.jsonl")).text.splitlines()]
    assert [line["index"] for line in lines] == list(range(100))
    assert lines[0]["identifiers"] == {"OMIM": "OMIM:194050", "ORPHA": "ORPHA:904"}
    for line in lines[::17]:
        answer = running.http.get(path_of(image_set, f"images/{line['index']}"))
        assert hashlib.sha256(answer.content).hexdigest() == line["sha256"]
        assert len(answer.content) == line["bytes"]
        assert answer.headers["ETag"] == f'"{line["sha256"]}"'
        assert read_image(answer.content)[0, 0].tolist() == [
            line["seed"],
            50 * line["step"],
            60 * (line["index"] >= 50),
        ]
    beyond = running.http.get(path_of(image_set, "images/100"))
    assert beyond.status_code == 404
    assert "images 0 to 99" in beyond.json()["detail"]


def test_every_png_carries_its_provenance(running: Running) -> None:
    image_set = made(running.http, PROGRESSION)
    with Image.open(io.BytesIO(running.http.get(path_of(image_set, "images/7")).content)) as picture:
        text = dict(picture.text)  # type: ignore[attr-defined]
    assert text["Software"].startswith("gestaltgen")
    assert text["Source"] == "synthetic"
    assert text["Digital-Source-Type"].endswith("/trainedAlgorithmicMedia")
    row = json.loads(running.http.get(path_of(image_set, "manifest.jsonl")).text.splitlines()[7])
    said = json.loads(text["Claim"])["what"]
    assert said == {name: row[name] for name in said}
    assert said["seed"] == row["seed"]
    assert text["Weights-SHA256"] == "f" * 64
    assert "not a basis for a diagnosis" in text["Disclaimer"]


def test_files_are_cacheable_and_come_in_ranges(running: Running) -> None:
    path = path_of(made(running.http, PROGRESSION), "shards/0.tar")
    whole = running.http.get(path)
    etag = whole.headers["ETag"]
    assert etag == f'"{hashlib.sha256(whole.content).hexdigest()}"'
    assert "immutable" in whole.headers["Cache-Control"]
    assert running.http.get(path, headers={"If-None-Match": f'"x", {etag}'}).status_code == 304
    part = running.http.get(path, headers={"Range": "bytes=512-1023", "If-Range": etag})
    assert part.status_code == 206
    assert part.content == whole.content[512:1024]
    head = running.http.head(path)
    assert (head.headers["Content-Length"], head.content) == (str(len(whole.content)), b"")


def test_a_shard_holds_image_row_and_class(running: Running) -> None:
    image_set = made(running.http, PROGRESSION)
    data = running.http.get(path_of(image_set, "shards/0.tar")).content
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = tar.getnames()
        assert names[:4] == ["000000.png", "000000.json", "000000.cls", "000001.png"]
        assert len(names) == 300
        row = json.loads(tar.extractfile("000060.json").read())  # type: ignore[union-attr]
        assert tar.extractfile("000060.cls").read() == b"1"  # type: ignore[union-attr]
        png = tar.extractfile("000060.png").read()  # type: ignore[union-attr]
    assert (row["condition"], row["soft_label"]) == ("22q11DS", [0, 1, 0, 0])
    assert hashlib.sha256(png).hexdigest() == row["sha256"]
    missing = running.http.get(path_of(image_set, "shards/1.tar"))
    assert "shards 0 to 0" in missing.json()["detail"]


def test_large_sets_have_several_shards(running: Running) -> None:
    asked = running.client.create(kind="age_progression", conditions=["WS"], count=201)
    asked.wait(timeout_s=180)
    image_set = running.http.get(f"{SETS}/{asked.id}").json()
    assert (image_set["total"], image_set["shards"], image_set["shard_images"]) == (1005, 2, 1000)
    with tarfile.open(fileobj=io.BytesIO(running.http.get(path_of(image_set, "shards/1.tar")).content)) as tar:
        assert tar.getnames()[0] == "001000.png"
        assert len(tar.getnames()) == 15


def test_the_archive_holds_everything(running: Running) -> None:
    image_set = made(running.http, PROGRESSION)
    with zipfile.ZipFile(io.BytesIO(running.http.get(path_of(image_set, "archive.zip")).content)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 102
        request = json.loads(archive.read(f"{image_set['id']}/request.json"))
    assert request == {"id": image_set["id"], "images": 100, "resolved": image_set["request"]}


def test_a_derived_file_that_was_removed_is_made_again(running: Running) -> None:
    image_set = made(running.http, PROGRESSION)
    whole = running.http.get(path_of(image_set, "shards/0.tar")).content
    [shard] = (running.state / "cache").glob(f"{image_set['id']}-*.tar.*")
    shard.unlink()
    assert running.http.get(path_of(image_set, "shards/0.tar")).content == whole


def test_the_sheet_is_a_picture(running: Running) -> None:
    answer = running.http.get(path_of(made(running.http, PROGRESSION), "sheet.png"))
    assert answer.headers["Content-Type"] == "image/png"
    height, width, _ = read_image(answer.content).shape
    assert height > width > 400  # 12 persons in 5 ages


def test_the_printed_sheet_is_the_same_file_each_time(running: Running) -> None:
    path = path_of(made(running.http, PROGRESSION), "sheet.pdf")
    answer = running.http.get(path, params={"paper": "slide"})
    assert (answer.headers["Content-Type"], answer.content[:5]) == ("application/pdf", b"%PDF-")
    for kept in (running.state / "cache").glob("*-slide-0.pdf.*"):
        kept.unlink()
    assert running.http.get(path, params={"paper": "slide"}).content == answer.content
    assert running.client.image_set(path.split("/")[3]).printed_sheet(columns=2) not in (b"", answer.content)
    assert running.http.get(path, params={"paper": "letter"}).status_code == 422


def test_an_estimate_makes_nothing(running: Running) -> None:
    body = {"kind": "age_progression", "conditions": ["WS"], "count": 40, "seed": 91}
    rendered = running.model.rendered
    before = running.client.estimate(**body)
    assert (before["images"], before["complete"]) == (200, False)
    assert before["seconds"] > 0
    assert before["size_bytes"] > 0
    assert running.model.rendered == rendered
    assert running.http.get(f"{SETS}/{before['id']}").status_code == 404
    assert made(running.http, body)["id"] == before["id"]
    after = running.client.estimate(**body)
    assert (after["complete"], after["seconds"], after["measured"]) == (True, 0, True)
    refused = running.http.post(f"{SETS}/estimate", json=body | {"count": 0})
    assert [entry["field"] for entry in refused.json()["errors"]] == ["count"]


def test_sets_are_listed_in_pages(running: Running) -> None:
    for seed in (21, 22, 23):
        made(running.http, {"kind": "unrelated", "count": 1, "seed": seed})
    seen: list[str] = []
    path: str | None = f"{SETS}?limit=2"
    while path is not None:
        page = running.http.get(path).json()
        seen += [item["id"] for item in page["items"]]
        path = page["next"]
    assert len(seen) >= 3
    assert seen == sorted(set(seen))


def test_an_idempotency_key_belongs_to_one_request(running: Running) -> None:
    key = {"Idempotency-Key": "night run 7"}
    body = {"kind": "unrelated", "count": 1}
    first = running.http.post(SETS, json=body, headers=key)
    again = running.http.post(SETS, json=body, headers=key)
    assert again.json()["id"] == first.json()["id"]
    other = running.http.post(SETS, json=body | {"seed": 1}, headers=key)
    assert other.status_code == 422
    assert "a new request needs a new key" in other.json()["detail"]
    assert running.http.post(SETS, json=body, headers={"Idempotency-Key": "x" * 300}).status_code == 400


def test_the_catalogue_says_what_can_be_asked_for(running: Running) -> None:
    found = running.http.get("/v1/conditions").json()
    assert [(c["name"], c["class_index"]) for c in found["conditions"]][:2] == [("WS", 0), ("22q11DS", 1)]
    assert found["conditions"][0] == {
        "name": "WS",
        "label": "Williams syndrome",
        "identifiers": {"OMIM": "OMIM:194050", "ORPHA": "ORPHA:904"},
        "genes": [],
        "class_index": 0,
        "training_images": {},
    }
    assert found["conditions"][3]["identifiers"] == {}
    assert found["ages"][0] == {"name": "infant", "from_years": 0, "to_years": None}
    [model] = running.http.get("/v1/models").json()["items"]
    assert model["weights_sha256"] == "f" * 64
    assert running.http.get("/livez").json() == {"status": "alive"}
    assert running.http.get("/readyz").json() == {"status": "ready"}


def test_the_sheet_has_the_size_that_is_asked_for(running: Running) -> None:
    path = path_of(made(running.http, PROGRESSION), "sheet.png")
    small, large = (read_image(running.http.get(path, params={"tile": tile}).content) for tile in (64, 256))
    assert large.shape[1] - small.shape[1] > 4 * 192
    assert running.http.get(path, params={"tile": 100}).status_code == 422


def test_total_images_names_the_same_set_as_the_count(running: Running) -> None:
    body = {"kind": "age_progression", "conditions": ["WS", "22q11DS"]}
    by_count = running.http.post(SETS, json=body | {"count": 3, "seed": 21}).json()
    by_total = running.http.post(SETS, json=body | {"total_images": 30, "seed": 21}).json()
    assert (by_total["id"], by_total["total"]) == (by_count["id"], 30)
    assert by_total["request"] == by_count["request"]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"total_images": 9}, ProblemType.REQUEST_INVALID),
        ({"total_images": 31}, ProblemType.REQUEST_INVALID),
        ({"total_images": 30, "count": 3}, ProblemType.REQUEST_INVALID),
        ({"total_images": 30, "seeds": [1, 2]}, ProblemType.REQUEST_INVALID),
        ({"total_images": 30, "kind": "average"}, ProblemType.REQUEST_INVALID),
        ({"total_images": 5001}, ProblemType.IMAGE_SET_TOO_LARGE),
    ],
)
def test_total_images_that_cannot_be_are_refused(
    running: Running, fields: dict[str, object], kind: ProblemType
) -> None:
    body = {"kind": "age_progression", "conditions": ["WS", "22q11DS"]} | fields
    refused = running.http.post(SETS, json=body)
    assert (refused.status_code, refused.json()["type"]) == (kind.status, kind.uri)
    assert [entry["field"] for entry in refused.json()["errors"]] == ["total_images"]
