"""The client as its users install it: in an environment of its own, beside a package called `api`, without PyTorch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from api.app import create_app
from api.settings import Settings
from tests.api.serving import serving
from tests.api.tiny import tiny_checkpoint

ROOT = Path(__file__).parents[2]
PULL = """
import json, sys
import api
from gestaltgen_client import Client

with Client(sys.argv[1]) as client:
    image_set = client.create(kind="age_progression", conditions=["WS"], count=2).wait(timeout_s=60)
    image_set.download("set")
    labels = [item.soft_label for item in image_set]
    try:
        image_set.item(0).array()
    except ModuleNotFoundError as error:
        without_numpy = str(error)
print(json.dumps({"labels": labels, "mine": api.NAME, "without_numpy": without_numpy}))
"""
IMPORT = """
import json, sys
import api
from gestaltgen import Client
print(json.dumps({"modules": sorted(sys.modules), "mine": api.NAME, "client": Client.__module__}))
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a service with a tiny generator."""
    folder = tmp_path_factory.mktemp("service")
    weights = tiny_checkpoint(folder / "tiny.safetensors")
    settings = Settings(state=folder / "state", weights=weights, threads=1, without_keys=True)
    with serving(create_app(settings)) as url:
        yield url


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of a user who has a package called `api`."""
    (tmp_path / "own" / "api").mkdir(parents=True)
    (tmp_path / "own" / "api" / "__init__.py").write_text('NAME = "mine"\n')
    return tmp_path / "own"


def run(command: Sequence[str | Path], folder: Path, **variables: str) -> str:
    """Run a program without our own packages in its path, and without settings of the tests."""
    ours = "PYTHON", "GESTALTGEN_", "SSL_CERT_"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(command, cwd=folder, env=environment | variables, capture_output=True, text=True)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return done.stdout


def requirements_of(name: str, installed: dict[str, Distribution]) -> set[str]:
    """Names of a distribution and of everything that it needs without extras."""
    names = {name}
    for line in installed[name].requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            names |= requirements_of(canonicalize_name(requirement.name), installed)
    return names


def test_the_client_alone_pulls_a_set_from_a_service(service: str, own: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT / "client", source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    build = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"
    wheel = tmp_path / run([sys.executable, "-c", build, tmp_path], source).splitlines()[-1]
    venv.create(tmp_path / "environment", symlinks=True)
    python = tmp_path / "environment" / "bin" / "python"
    run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", wheel], tmp_path)

    [packages] = (tmp_path / "environment" / "lib").glob("python3.*/site-packages")
    installed = {canonicalize_name(known.name): known for known in distributions(path=[str(packages)])}
    assert set(installed) == requirements_of("gestaltgen-client", installed)
    assert set(installed) == requirements_of("httpx", installed) | {"gestaltgen-client"}
    assert not {"torch", "numpy", "pillow", "gestaltgen"} & set(installed)
    assert (packages / "gestaltgen_client" / "py.typed").is_file()

    (own / "pull.py").write_text(PULL)
    said = json.loads(run([python, "pull.py", service], own))
    assert said["mine"] == "mine"
    assert said["labels"] == [[1, 0, 0, 0]] * 10
    assert "gestaltgen-client[images]" in said["without_numpy"]
    assert len(list((own / "set" / "images").iterdir())) == 10


def test_the_applications_client_brings_nothing_else_of_it(own: Path) -> None:
    """`from gestaltgen import Client` loads neither PyTorch nor our packages, and meets a user's own `api`."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "client")])
    said = json.loads(run([sys.executable, "-c", IMPORT], own, PYTHONPATH=path))
    loaded = {module.split(".")[0] for module in said["modules"]}
    ours = {folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").is_file()}
    assert loaded & ours == {"api", "gestaltgen"}
    assert not {"torch", "scipy", "numpy", "PIL", "fastapi"} & loaded
    assert (said["mine"], said["client"]) == ("mine", "gestaltgen_client.client")


def test_the_licence_is_the_projects() -> None:
    assert (ROOT / "client" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_folder_is_no_package() -> None:
    assert not (ROOT / "client" / "__init__.py").exists()
