"""Several generators in one service: names, memory, folders."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import weights
from api.app import create_app
from api.models.checkpoint_files import ModelFolder, find_checkpoints
from api.models.generator import GeneratorModel
from api.models.pool import LOOK_S, Models, open_models
from api.settings import Settings
from core.errors import CheckpointError, ConfigError, RequestError
from faces.images import read_image
from gen import checkpoint
from tests.api.fake import FakeModel
from tests.api.serving import serving
from tests.api.tiny import tiny_checkpoint

SETS = "/v1/image-sets"
SHIPPED = [Path(name).stem for name in weights.GENERATORS]


class Sized(FakeModel):
    """Counts how often its weights are let go."""

    def __init__(self, name: str, size_bytes: int) -> None:
        super().__init__(name=name, weights=name[0] * 64)
        self.size_bytes, self.released = size_bytes, 0

    def release(self) -> None:
        self.released += 1


def models_of(most_bytes: int, **sizes: int) -> tuple[Models, dict[str, Sized]]:
    made = {name: Sized(name, size) for name, size in sizes.items()}
    return Models(made, most_bytes), made


def released(made: dict[str, Sized]) -> dict[str, int]:
    return {name: model.released for name, model in made.items() if model.released}


def test_the_first_serves_requests_that_name_none() -> None:
    models, made = models_of(100, a=1, b=1)
    assert models.default is made["a"]
    assert models.find(None) is made["a"]
    assert models.find("b") is made["b"]
    assert [info.name for info in models.infos] == ["a", "b"]
    assert models.find_by_weights("b" * 64) is made["b"]
    assert models.find_by_weights("c" * 64) is None


def test_an_unknown_name_says_the_known_ones() -> None:
    models, _ = models_of(100, a=1, b=1)
    for ask in (models.find, models.use):
        with pytest.raises(RequestError, match="unknown 'c'; expected one of a, b") as caught:
            ask("c")
        assert caught.value.field == "model"


def test_there_has_to_be_one() -> None:
    with pytest.raises(ConfigError, match="no generator to serve"):
        Models({})


def test_those_unused_for_longest_make_room() -> None:
    models, made = models_of(10, a=4, b=4, c=4)
    for name in ("a", "b", "a", "c"):
        assert models.use(name) is made[name]
    assert released(made) == {"b": 1}
    models.use("b")
    assert released(made) == {"b": 1, "a": 1}
    models.use("c")
    assert released(made) == {"b": 1, "a": 1}


def test_what_fits_stays_to_the_last_byte() -> None:
    models, made = models_of(10, a=4, b=6)
    for name in "abab":
        models.use(name)
    assert released(made) == {}


def test_a_large_one_makes_all_others_go_and_is_never_let_go_itself() -> None:
    models, made = models_of(10, a=3, b=3, huge=100)
    for name in ("a", "b", "huge", "huge"):
        models.use(name)
    assert released(made) == {"a": 1, "b": 1}
    models.use("a")
    assert released(made) == {"a": 1, "b": 1, "huge": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two generators, with files of other parts beside one."""
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("fold1", "fold2")):
        tiny_checkpoint(folder / f"{name}.safetensors", seed=seed)
    for part in ("inverter", "directions", "discriminator"):
        (folder / f"fold1-{part}.safetensors").write_bytes(b"a part of fold1")
    (folder / "notes.txt").write_text("no checkpoint")
    return folder


def test_a_folder_adds_its_checkpoints_to_the_shipped_ones(folder: Path, tmp_path: Path) -> None:
    found = find_checkpoints(Settings(state=tmp_path, models=folder))
    assert list(found) == [*SHIPPED, "fold1", "fold2"]
    assert {name: found[name] for name in ("fold1", "fold2")} == {
        name: folder / f"{name}.safetensors" for name in ("fold1", "fold2")
    }


def test_the_one_that_is_named_is_the_default(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.safetensors"
    shutil.copy(folder / "fold2.safetensors", mine)
    found = find_checkpoints(Settings(state=tmp_path, weights=mine, models=folder))
    assert list(found) == ["mine", "fold1", "fold2"]
    again = find_checkpoints(Settings(state=tmp_path, weights=folder / "fold2.safetensors", models=folder))
    assert list(again) == ["fold2", "fold1"]


def test_two_of_one_name_are_refused(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "fold1.safetensors"
    shutil.copy(folder / "fold1.safetensors", mine)
    with pytest.raises(ConfigError, match="'fold1'"):
        find_checkpoints(Settings(state=tmp_path, weights=mine, models=folder))


def test_a_folder_without_checkpoints_adds_none_and_a_file_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "some-inverter.safetensors").write_bytes(b"")
    assert list(find_checkpoints(Settings(state=tmp_path, models=tmp_path))) == SHIPPED
    with pytest.raises(ConfigError, match=r"notes\.txt"):
        find_checkpoints(Settings(state=tmp_path, models=folder / "notes.txt"))


def test_a_run_is_served_by_the_name_of_its_folder(tmp_path: Path) -> None:
    run = tmp_path / "models" / "williams"
    tiny_checkpoint(run / "generator.safetensors")
    for other in ("discriminator", "state"):
        (run / f"{other}.safetensors").write_bytes(b"of the training run")
    expected = [*SHIPPED, "williams"]
    assert list(find_checkpoints(Settings(state=tmp_path, models=run.parent))) == expected
    assert list(find_checkpoints(Settings(state=tmp_path, models=run))) == expected
    assert list(find_checkpoints(Settings(state=tmp_path, weights=run / "generator.safetensors"))) == ["williams"]


def test_a_file_of_a_shipped_name_must_be_a_copy_of_it(folder: Path, tmp_path: Path) -> None:
    shutil.copy(weights.default(), tmp_path)
    assert list(find_checkpoints(Settings(state=tmp_path, models=tmp_path))) == SHIPPED
    shutil.copy(folder / "fold1.safetensors", tmp_path / weights.DEFAULT)
    with pytest.raises(ConfigError, match="'phantom128'"):
        find_checkpoints(Settings(state=tmp_path, models=tmp_path))


# The folder while the service runs


class Watched:
    """A folder of generators that are opened as `FakeModel`, and the files that were opened."""

    def __init__(self, path: Path, **fixed: Path) -> None:
        self.path = path
        self.opened: list[str] = []
        self.folder = ModelFolder(path, fixed, self._open)

    def _open(self, path: Path, name: str) -> FakeModel:
        checkpoint.read_info(path)
        self.opened.append(name)
        return FakeModel(name=name, weights=hashlib.sha256(path.read_bytes()).hexdigest())

    def write(self, name: str, *, seed: int = 0, age_s: float = 60.0) -> Path:
        """A checkpoint that was last changed so long ago."""
        path = tiny_checkpoint(self.path / name, seed=seed)
        self.age(path, age_s)
        return path

    @staticmethod
    def age(path: Path, age_s: float) -> None:
        changed = time.time() - age_s
        os.utime(path, (changed, changed))


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_new_files_come_and_removed_ones_go(watched: Watched) -> None:
    assert watched.folder.look() == {}
    path = watched.write("one.safetensors")
    watched.write("run/generator.safetensors", seed=1)
    before = watched.folder.look()
    assert list(before) == ["one", "run"]
    path.unlink()
    assert watched.folder.look() == {"run": before["run"]}
    assert watched.opened == ["one", "run"]


def test_a_file_that_was_just_written_is_taken_once_it_stays_as_it_is(watched: Watched) -> None:
    path = watched.write("one.safetensors", age_s=-5)  # changed later than now, by the clock of another machine
    assert watched.folder.look() == {}
    watched.age(path, -10)
    assert watched.folder.look() == {}
    assert list(watched.folder.look()) == ["one"]


def test_a_half_written_file_is_left_out_until_it_is_whole(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    path = watched.write("one.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    watched.age(path, 60)
    assert watched.folder.look() == watched.folder.look() == {}
    assert [str(path) in record.getMessage() for record in caplog.records] == [True]
    path.write_bytes(whole)
    watched.age(path, 50)
    assert list(watched.folder.look()) == ["one"]


def test_a_replaced_file_is_another_generator(watched: Watched) -> None:
    watched.write("one.safetensors")
    [before] = watched.folder.look().values()
    watched.write("one.safetensors", seed=1, age_s=50)
    [after] = watched.folder.look().values()
    assert before.info.weights_sha256 != after.info.weights_sha256


def test_a_name_that_is_taken_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched(tmp_path / "models", mine=tiny_checkpoint(tmp_path / "mine.safetensors"))
    watched.write("mine.safetensors", seed=1)
    watched.write("one.safetensors")
    watched.write("one/generator.safetensors", seed=2)
    assert list(watched.folder.look()) == ["one"]
    assert watched.opened == ["one"]
    assert sum(record.levelname == "WARNING" for record in caplog.records) == 2


def test_the_folder_may_be_gone_for_a_while(watched: Watched) -> None:
    watched.write("one.safetensors")
    watched.folder.look()
    aside = watched.path.rename(watched.path.with_name("aside"))
    assert watched.folder.look() == {}
    aside.rename(watched.path)
    assert list(watched.folder.look()) == ["one"]


def test_the_pool_looks_again_after_a_while_and_at_once_for_an_unknown_name() -> None:
    now, found = [0.0], {"late": Sized("late", 1)}
    looks: list[float] = []

    def look() -> dict[str, Sized]:
        looks.append(now[0])
        return dict(found) if now[0] >= 5 else {}

    models = Models({"a": Sized("a", 1)}, look=look, clock=lambda: now[0])
    assert [info.name for info in models.infos] == [info.name for info in models.infos] == ["a"]
    assert looks == [0]
    now[0] = LOOK_S + 5
    assert [info.name for info in models.infos] == ["a", "late"]
    assert models.use("late") is found["late"]
    other = found["late"] = Sized("late", 1)
    later = found["later"] = Sized("x later", 1)
    assert models.find("later") is models.find_by_weights("x" * 64) is later
    assert models.use("a").info.name == "a"
    assert models.use("late") is other
    del found["late"], found["later"]
    with pytest.raises(RequestError):
        models.find("nobody")
    with pytest.raises(RequestError):
        models.use("late")
    models.use("a")
    assert other.released == 1


def test_the_old_name_of_every_generator_is_the_default() -> None:
    models, made = models_of(100, a=1, b=1)
    assert models.find("generator") is models.use("generator") is made["a"]
    assert models.is_loaded("a")


def test_the_shipped_ones_serve_where_none_is_named(tmp_path: Path) -> None:
    found = find_checkpoints(Settings(state=tmp_path))
    assert found
    assert all(path.is_file() and path.stem == name for name, path in found.items())


def test_what_lies_beside_belongs_to_its_generator(folder: Path) -> None:
    alone, accompanied = (GeneratorModel(folder / f"{name}.safetensors") for name in ("fold2", "fold1"))
    own = (folder / "fold1.safetensors").stat().st_size
    assert accompanied.size_bytes == 3 * own + 3 * len(b"a part of fold1")
    assert alone.size_bytes == 3 * (folder / "fold2.safetensors").stat().st_size
    assert alone.directions() == []
    with pytest.raises(CheckpointError):  # it is read, and is none
        accompanied.directions()


def test_memory_is_let_go_and_taken_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load, loaded = checkpoint.load_for_inference, list[str]()

    def count(path: Path, *options: Any) -> Any:
        loaded.append(path.stem)
        return load(path, *options)

    monkeypatch.setattr(checkpoint, "load_for_inference", count)
    models = open_models(Settings(state=tmp_path, models=folder, model_memory_mb=1))
    small = Models({info.name: models.find(info.name) for info in models.infos}, most_bytes=1)
    pictures = []
    for name in ("fold1", "fold2", "fold1"):
        model = small.use(name)
        plan = model.plan({"kind": "age_progression", "conditions": ["WS"], "count": 1}, 100)
        pictures.append(model.render(plan, plan.rows[:2]))
    assert loaded == ["fold1", "fold2", "fold1"]
    assert np.array_equal(pictures[0], pictures[2])
    assert not np.array_equal(pictures[0], pictures[1])


def test_a_file_that_comes_while_the_service_runs_is_served_without_a_restart(tmp_path: Path, folder: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    mine = shutil.copy(folder / "fold1.safetensors", tmp_path)
    settings = Settings(state=tmp_path / "state", weights=Path(mine), models=models, threads=1, without_keys=True)
    body = {"kind": "age_progression", "conditions": ["WS"], "count": 1, "model": "late"}
    with serving(create_app(settings)) as url, httpx.Client(base_url=url, timeout=20) as http:
        assert [model["name"] for model in http.get("/v1/models").json()["items"]] == ["fold1"]
        assert http.post(SETS, json=body).status_code == 422
        late = Path(shutil.copy(folder / "fold2.safetensors", tmp_path / "late.partial"))
        Watched.age(late, 60)
        late.rename(models / "late.safetensors")
        wait_for_models(http, "fold1", "late")
        made = http.post(SETS, json=body, headers={"Prefer": "wait=15"})
        assert made.status_code == 200, made.text
        (models / "late.safetensors").unlink()
        wait_for_models(http, "fold1")
        assert http.post(SETS, json=body | {"seed": 2}).status_code == 422


def wait_for_models(http: httpx.Client, *names: str) -> None:
    deadline = time.monotonic() + 20
    while [model["name"] for model in http.get("/v1/models").json()["items"]] != list(names):
        assert time.monotonic() < deadline


@pytest.fixture(scope="module")
def http(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    only = tmp_path_factory.mktemp("only")
    for name in ("fold1", "fold2"):
        shutil.copy(folder / f"{name}.safetensors", only)
    settings = Settings(
        state=tmp_path_factory.mktemp("state"),
        weights=only / "fold1.safetensors",
        models=only,
        threads=1,
        without_keys=True,
    )
    with serving(create_app(settings)) as url, httpx.Client(base_url=url, timeout=20) as http:
        yield http


def test_a_request_names_its_generator(http: httpx.Client) -> None:
    assert [model["name"] for model in http.get("/v1/models").json()["items"]] == ["fold1", "fold2"]
    body = {"kind": "age_progression", "conditions": ["WS"], "count": 1}
    made = {}
    for name in (None, "fold1", "fold2"):
        asked = body if name is None else body | {"model": name}
        answer = http.post(SETS, json=asked, headers={"Prefer": "wait=15"})
        assert answer.status_code == 200, answer.text
        made[name] = answer.json()
    assert made[None]["id"] == made["fold1"]["id"] != made["fold2"]["id"]
    assert made["fold1"]["request"]["weights_sha256"] != made["fold2"]["request"]["weights_sha256"]
    first, second = (read_image(http.get(f"{SETS}/{made[name]['id']}/images/0").content) for name in ("fold1", "fold2"))
    assert first.shape == second.shape == (16, 16, 3)
    assert not np.array_equal(first, second)
    for name in ("fold1", "fold2"):
        assert http.get(f"{SETS}/{made[name]['id']}/shards/0.tar").status_code == 200


def test_an_unknown_generator_is_named_with_those_that_there_are(http: httpx.Client) -> None:
    answer = http.post(SETS, json={"kind": "unrelated", "model": "fold3"})
    assert answer.status_code == 422
    [entry] = answer.json()["errors"]
    assert (entry["field"], entry["value"], entry["accepted"]) == ("model", "fold3", ["fold1", "fold2"])
    old_name = http.post(SETS, json={"kind": "unrelated", "model": "generator"})  # an alias for stored records alone
    assert (old_name.status_code, old_name.json()["errors"][0]["accepted"]) == (422, ["fold1", "fold2"])
    assert all(name in old_name.json()["detail"] for name in ("fold1", "fold2"))
    for path in ("/v1/conditions", "/v1/directions"):
        assert http.get(path, params={"model": "fold2"}).json()["model"] == "fold2"
        assert http.get(path, params={"model": "fold3"}).status_code == 422


def test_a_folder_of_judges_without_their_network_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        open_models(Settings(state=tmp_path, judges=tmp_path))
