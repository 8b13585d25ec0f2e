"""The examples run as their users run them: as programs, against a service."""

from __future__ import annotations

import importlib.util
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.utils.data import TensorDataset

from api.app import create_app
from api.settings import Settings
from faces.phantoms.phantom_dataset import synthesise
from tests.api.serving import serving
from tests.api.tiny import tiny_checkpoint
from tests.forked_process import fork_python, wait_until

EXAMPLE = Path(__file__).parents[1] / "examples" / "train_classifier.py"
RUN = "import runpy, sys; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"


@dataclass
class Asked:
    """A service, and the paths of all that was asked of it."""

    url: str = ""
    paths: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("service")
    weights = tiny_checkpoint(folder / "tiny.safetensors")
    app: Any = create_app(Settings(state=folder / "state", weights=weights, threads=1, without_keys=True))
    asked = Asked()

    async def noted(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            asked.paths.append(scope["path"])
        await app(scope, receive, send)

    with serving(noted) as asked.url:  # type: ignore[arg-type]
        asked.paths.clear()
        yield asked


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("real") / "real.zip"
    synthesise(out, count=40, size=32, seed=1, workers=1)
    return out


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_classifier", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments(service: Asked, real: Path, out: Path, *options: str) -> list[str]:
    return [
        str(real),
        "--url",
        service.url,
        "--out",
        str(out),
        "--count",
        "2",
        "--size",
        "16",
        "--batch",
        "8",
        *options,
    ]


@contextmanager
def program(log: Path, *arguments: str) -> Iterator[BaseProcess]:
    with fork_python(RUN, [str(EXAMPLE), *arguments], log) as process:
        yield process


def run(log: Path, *arguments: str, code: int = 0) -> str:
    with program(log, *arguments) as process:
        process.join()
        said = log.read_text()
        assert process.exitcode == code, said
    return said


def test_interrupted_it_goes_on_and_asks_the_service_for_nothing_twice(
    service: Asked, real: Path, tmp_path: Path
) -> None:
    service.paths.clear()
    out = tmp_path / "out"
    with program(tmp_path / "begun.txt", *arguments(service, real, out, "--epochs", "100000")) as begun:
        wait_until((out / "alone.pt").exists, begun, tmp_path / "begun.txt")
        begun.terminate()
        begun.join(30)
        assert begun.exitcode is not None
    fetched = [path for path in service.paths if "/shards/" in path]
    assert len(fetched) == len(set(fetched)) == 1
    reached = torch.load(out / "alone.pt", weights_only=True)["epochs"]
    service.paths.clear()
    said = run(tmp_path / "again.txt", *arguments(service, real, out, "--epochs", str(reached + 1)))
    assert service.paths == []
    assert f"alone: goes on after epoch {reached}" in said
    assert f"alone: epoch {reached} of" not in said
    assert f"with-set: epoch {reached + 1} of {reached + 1}" in said
    assert "20 real images to train on, 20 held out, 40 from the service" in said
    assert said.count("held-out accuracy: ") == 1
    assert len(list((out / "set" / "images").iterdir())) == 40


def test_a_streamed_set_is_not_stored(service: Asked, real: Path, tmp_path: Path) -> None:
    service.paths.clear()
    out = tmp_path / "out"
    streamed = ("--stream", "--epochs", "2", "--kind", "blended", "--workers", "1")
    said = run(tmp_path / "said.txt", *arguments(service, real, out, *streamed))
    assert "with-set: epoch 2 of 2" in said
    assert {path.name for path in out.iterdir()} == {"set.json", "alone.pt", "with-set.pt"}
    assert len([path for path in service.paths if "/shards/" in path]) >= 2


def test_training_that_was_interrupted_is_what_it_would_have_been(example: ModuleType, tmp_path: Path) -> None:
    images = TensorDataset(torch.linspace(-1, 1, 8 * 3 * 16 * 16).reshape(8, 3, 16, 16), torch.eye(4).repeat(2, 1))

    def weights(out: str, *epochs: int) -> torch.Tensor:
        (tmp_path / out).mkdir()
        for reached in epochs:
            options = Namespace(out=tmp_path / out, seed=0, epochs=reached, batch=4, workers=0)
            net = example.train("it", options, images, lambda epoch: images, 4)
        return torch.nn.utils.parameters_to_vector(net.parameters())

    assert torch.equal(weights("at once", 3), weights("in parts", 1, 3))


def test_another_request_needs_another_folder(service: Asked, real: Path, tmp_path: Path) -> None:
    (tmp_path / "set.json").write_text('{"asked": {"kind": "average"}}')
    assert "--out" in run(tmp_path / "said.txt", *arguments(service, real, tmp_path), code=1)


def test_the_example_trains_a_classifier(tmp_path: Path) -> None:
    said = run(tmp_path / "said.txt", "--help")
    for word in ("gestaltgen serve", "gestaltgen dataset phantoms", "labels.csv", "no basis for a diagnosis"):
        assert word in said
