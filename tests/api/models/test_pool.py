"""Several generators in one service: names, memory, folders."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from api.app import create_app
from api.models.generator import GeneratorModel
from api.models.pool import Models, checkpoints, open_models
from api.settings import Settings
from core.errors import CheckpointError, ConfigError, RequestError
from faces.images import read_image
from tests.api.fake import FakeModel
from tests.api.serving import serving
from tests.api.tiny import tiny_checkpoint

SETS = "/v1/image-sets"


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
    for ask in (models.named, models.using):
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


def test_a_folder_serves_its_checkpoints_by_name(folder: Path, tmp_path: Path) -> None:
    found = checkpoints(Settings(state=tmp_path, models=folder))
    assert found == {name: folder / f"{name}.safetensors" for name in ("fold1", "fold2")}


def test_the_one_that_is_named_is_the_default(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.safetensors"
    shutil.copy(folder / "fold2.safetensors", mine)
    found = checkpoints(Settings(state=tmp_path, weights=mine, models=folder))
    assert list(found) == ["mine", "fold1", "fold2"]
    again = checkpoints(Settings(state=tmp_path, weights=folder / "fold2.safetensors", models=folder))
    assert list(again) == ["fold2", "fold1"]


def test_two_of_one_name_are_refused(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "fold1.safetensors"
    shutil.copy(folder / "fold1.safetensors", mine)
    with pytest.raises(ConfigError, match="would both be served as 'fold1'; rename one"):
        checkpoints(Settings(state=tmp_path, weights=mine, models=folder))


def test_a_folder_without_checkpoints_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "some-inverter.safetensors").write_bytes(b"")
    with pytest.raises(ConfigError, match="there is no checkpoint"):
        checkpoints(Settings(state=tmp_path, models=tmp_path))
    with pytest.raises(ConfigError, match="is no folder"):
        checkpoints(Settings(state=tmp_path, models=folder / "notes.txt"))


def test_the_shipped_ones_serve_where_none_is_named(tmp_path: Path) -> None:
    found = checkpoints(Settings(state=tmp_path))
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


def test_memory_is_let_go_and_taken_again(folder: Path, tmp_path: Path) -> None:
    models = open_models(Settings(state=tmp_path, models=folder, model_memory_mb=1))
    small = Models({info.name: models.find(info.name) for info in models.infos}, most_bytes=1)
    pictures = []
    for name in ("fold1", "fold2", "fold1"):
        model = small.using(name)
        plan = model.plan({"kind": "age_progression", "conditions": ["WS"], "count": 1}, 100)
        pictures.append(model.render(plan, plan.rows[:2]))
        loaded = [one for one in ("fold1", "fold2") if small.named(one)._loaded is not None]  # type: ignore[attr-defined]
        assert loaded == [name]
    assert np.array_equal(pictures[0], pictures[2])
    assert not np.array_equal(pictures[0], pictures[1])


@pytest.fixture(scope="module")
def http(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    only = tmp_path_factory.mktemp("only")
    for name in ("fold1", "fold2"):
        shutil.copy(folder / f"{name}.safetensors", only)
    settings = Settings(state=tmp_path_factory.mktemp("state"), models=only, threads=1, without_keys=True)
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
    for path in ("/v1/conditions", "/v1/directions"):
        assert http.get(path, params={"model": "fold2"}).json()["model"] == "fold2"
        assert http.get(path, params={"model": "fold3"}).status_code == 422
