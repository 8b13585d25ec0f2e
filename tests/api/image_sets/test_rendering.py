"""Chunks of a set: begun, rendered meanwhile, and finished."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from api.image_sets.rendering import begin_chunk, finish_chunk, make_chunk, make_set
from api.image_sets.storage import ImageSetStore, StoredRequest
from api.models.model import Pixels, RenderPlan, Row
from api.operations.database import Database
from api.operations.file_stores import LocalFiles
from api.provenance.registry import Picture, Registry
from faces.images import read_image
from tests.api.fake import FakeModel


class Killed(BaseException):
    """As a process that dies."""


def begun(store: ImageSetStore, model: FakeModel, count: int) -> RenderPlan:
    plan = model.plan({"kind": "age_progression", "conditions": ["WS"], "count": count}, 1_000)
    store.begin(StoredRequest(plan.id, len(plan.rows), plan.asked, plan.resolved))
    return plan


def test_what_is_begun_is_rendered_when_it_is_finished(tmp_path: Path) -> None:
    store, model, asked = ImageSetStore(LocalFiles(tmp_path)), FakeModel(), []

    def render(plan: RenderPlan, rows: Sequence[Row]) -> Iterator[Pixels]:
        asked.append(len(rows))
        return iter(model.render(plan, rows))

    plan = begun(store, model, 4)
    first, second = (begin_chunk(store, model, plan, start, start + 10, render) for start in (0, 10))
    assert asked == [10, 10]
    assert first is not None
    assert second is not None
    assert [finish_chunk(store, model, chunk) for chunk in (first, second)] == [10, 10]
    assert begin_chunk(store, model, plan, 10, 20, render) is None
    store.seal(plan.id, [0, 10])
    for line, row in zip(store.manifest(plan.id), plan.rows, strict=True):
        pixels = read_image(next(store.read_images(plan.id, [line])))
        assert (pixels == model.render(plan, [row])[0]).all()


def test_a_chunk_is_known_before_it_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, model = ImageSetStore(LocalFiles(tmp_path)), FakeModel()
    registry = Registry(Database.open(tmp_path).engine)
    plan = begun(store, model, 1)

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(store, "write_chunk", killed)
        with pytest.raises(Killed):
            make_chunk(store, model, plan, 0, 5, model.render, registry)
    assert make_chunk(store, model, plan, 0, 5, model.render, registry) == 5  # what was known was not there
    store.seal(plan.id, [0])
    for line in store.manifest(plan.id):
        known = registry.find_by_digest(sha256=str(line["sha256"]), pixels=None)
        assert known is not None
        assert (known.subject, known.number) == (plan.id, line["index"])
        assert hashlib.sha256(next(store.read_images(plan.id, [line]))).hexdigest() == known.sha256


def test_a_small_set_is_recorded_before_it_is_published(tmp_path: Path) -> None:
    store, model = ImageSetStore(LocalFiles(tmp_path)), FakeModel()
    registry, recorded = Registry(Database.open(tmp_path).engine), list[tuple[str, int]]()
    plan = begun(store, model, 1)

    def record(pictures: Sequence[Picture], set_id: str, size: int) -> None:
        assert not store.is_complete(set_id)
        registry.add(pictures)
        recorded.append((set_id, size))

    assert make_set(store, model, plan, model.render, registry, record)
    assert recorded == [(plan.id, store.measure(plan.id))]
    folder = tmp_path / "sets" / plan.id
    assert {path.name for path in folder.iterdir()} == {"images", "manifest.jsonl", "request.json"}
    for line in store.manifest(plan.id):
        known = registry.find_by_digest(sha256=str(line["sha256"]), pixels=None)
        assert known is not None
        assert (known.subject, known.number) == (plan.id, line["index"])
    assert not make_set(store, model, plan, model.render, registry, record)
    assert len(recorded) == 1


def test_a_small_set_has_the_files_that_a_job_makes(tmp_path: Path) -> None:
    model, stores = FakeModel(), [ImageSetStore(LocalFiles(tmp_path / name)) for name in ("job", "now")]
    plan, _ = (begun(store, model, 1) for store in stores)
    make_chunk(stores[0], model, plan, 0, 5, model.render)
    stores[0].seal(plan.id, [0])
    registry = Registry(Database.open(tmp_path).engine)
    make_set(stores[1], model, plan, model.render, registry, lambda *_: None)
    job, now = (LocalFiles(tmp_path / name) for name in ("job", "now"))
    assert job.names("sets") == now.names("sets")
    assert all(job.read(f"sets/{name}") == now.read(f"sets/{name}") for name in job.names("sets"))


def test_what_another_set_has_is_not_rendered_again(tmp_path: Path) -> None:
    store, model = ImageSetStore(LocalFiles(tmp_path)), FakeModel()
    registry = Registry(Database.open(tmp_path).engine)
    few, more = begun(store, model, 1), begun(store, model, 3)
    assert make_chunk(store, model, few, 0, 5, model.render, registry) == 5
    assert make_chunk(store, model, more, 0, 15, model.render, registry) == 10
    store.seal(few.id, [0])
    store.seal(more.id, [0])
    shared = store.manifest(few.id)
    assert [line["sha256"] for line in shared] == [line["sha256"] for line in store.manifest(more.id)[:5]]
