"""Image sets without PyTorch: the imports of the service and of `gestaltgen generate`, and the errors without it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gestaltgen.cli.error_messages import EXTRA_PACKAGES
from tests.api.lab import phantom
from tests.api.tiny import tiny_checkpoint

ROOT = Path(__file__).parents[4]

SERVICE = """
import json, sys
from importlib.machinery import PathFinder
from pathlib import Path

find, tried = PathFinder.find_spec, []

def find_all_but_torch(name, path=None, target=None):
    if name == "torch":
        tried.append(name)
        return None
    return find(name, path, target)

PathFinder.find_spec = find_all_but_torch
import httpx
from api.app import create_app
from api.settings import Settings
from tests.api.serving import serving

settings = Settings(state=Path(sys.argv[1]), weights=Path(sys.argv[2]), without_keys=True)
said = {}
with serving(create_app(settings)) as url, httpx.Client(base_url=url, timeout=60) as http:
    body = {"kind": "age_progression", "conditions": ["WS"], "count": 1, "precision": "auto"}
    asked = http.post("/v1/image-sets", json=body, headers={"Prefer": "wait=30"})
    said["state"] = asked.json()["state"]
    http.get("/v1/models").raise_for_status()
    said["directions"] = http.get("/v1/directions").status_code
    said["modules"] = sorted({name.partition(".")[0] for name in (*sys.modules, *tried)})
    said["files"] = [name for name in sys.modules if name.startswith("openvino.tools")]
    headers = {"Consent-Reference": "none", "Purpose": "test", "Content-Type": "image/png"}
    sent = http.post("/v1/photos", content=Path(sys.argv[3]).read_bytes(), headers=headers)
    said["photo"] = [sent.status_code, sent.json()["detail"]]
    edited = http.post(asked.json()["links"]["self"] + "/images/0/edits", json={"strength": 1.0})
    said["edit"] = [edited.status_code, edited.json()["detail"]]
print(json.dumps(said))
"""

GENERATE = """
import json, sys
from typer.testing import CliRunner
from gestaltgen.cli import main
words = ["generate", "unrelated", "--count", "1", "--condition", "WS", "--age", "child"]
result = CliRunner().invoke(main.app, [*words, "--out", sys.argv[1], "--weights", sys.argv[2]])
print(json.dumps({"code": result.exit_code, "modules": sorted(name.partition(".")[0] for name in sys.modules)}))
"""


def run(script: str, *words: object) -> Any:
    """The JSON in the last line of what a script prints, in a process of its own."""
    command = [sys.executable, "-c", script, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.mark.slow
def test_a_service_makes_image_sets_without_pytorch_and_says_what_needs_it(weights: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(phantom(0))
    said = run(SERVICE, tmp_path / "state", weights, photo)
    assert (said["state"], said["directions"]) == ("done", 200)
    assert not EXTRA_PACKAGES & set(said["modules"]), "torch counts if it is only tried"
    assert "openvino" in said["modules"]
    assert not said["files"]  # the converter, and with it the telemetry
    for status, detail in (said["photo"], said["edit"]):
        assert status == 503
        assert "torch" in detail
        assert "gestaltgen[full]" in detail


@pytest.mark.slow
def test_generate_imports_no_pytorch(weights: Path, tmp_path: Path) -> None:
    said = run(GENERATE, tmp_path / "set", weights)
    assert said["code"] == 0
    assert not EXTRA_PACKAGES & set(said["modules"])
    assert len(list((tmp_path / "set" / "images").iterdir())) == 1


def test_the_base_installs_nothing_of_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    modules = {"dlib-bin": "dlib", "scikit-learn": "sklearn"}
    full, base = (
        {modules.get(name := re.split(r"[>\\[]", line)[0], name) for line in lines}
        for lines in (extras["full"], project["dependencies"])
    )
    assert full == EXTRA_PACKAGES
    assert not base & EXTRA_PACKAGES
    assert "gestaltgen[full]" in extras["dev"]


def test_a_command_that_needs_a_missing_package_says_what_to_install() -> None:
    script = "import sys; sys.modules['torch'] = None; from gestaltgen.cli.main import app; app()"
    command = [sys.executable, "-c", script, "train", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)  # noqa: S603
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "torch" in done.stderr
    assert "gestaltgen[full]" in done.stderr
