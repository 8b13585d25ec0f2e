from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from core import tensor_files
from faces.images import read_image
from gestaltgen.cli import main
from gestaltgen.cli.service.demo import demo
from gestaltgen.cli.service.serve import serve
from tests.api.tiny import tiny_checkpoint
from tests.forked_process import fork_python, wait_until

COMMAND = "import typer; from gestaltgen.cli.service.demo import demo; typer.run(demo)"


def app() -> typer.Typer:
    commands = typer.Typer()
    commands.command()(demo)
    commands.command()(serve)
    return commands


def children_of(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_the_demo_makes_checks_and_shows_every_kind(tmp_path: Path) -> None:
    weights = tiny_checkpoint(tmp_path / "tiny.safetensors")
    out = tmp_path / "demo"
    result = CliRunner().invoke(app(), ["demo", "--out", str(out), "--people", "1", "--weights", str(weights)])
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "not patients" in said
    assert "no basis for a diagnosis" in said
    assert "every checksum and label verified" in said
    made = json.loads((out / "demo.json").read_text())
    assert set(made) == {"age_progression", "age_related", "unrelated", "blended", "average"}
    for kind, about in made.items():
        assert read_image(out / f"{kind}.png").shape[0] > 100
        assert len(list((out / kind / "images").iterdir())) == about["images"]
    assert made["age_progression"]["images"] == 4 * 5


def without_a_tensor(path: Path) -> Path:
    """A checkpoint that can be opened, but not loaded."""
    tensors, header = tensor_files.read(tiny_checkpoint(path))
    del tensors["mapping.w_avg"]
    tensor_files.write(path, tensors, header)
    return path


@pytest.mark.parametrize("how", ["no checkpoint", "a tensor is missing"])
def test_weights_that_are_none_end_the_demo(tmp_path: Path, how: str) -> None:
    weights = tmp_path / "broken.safetensors"
    if how == "no checkpoint":
        weights.write_bytes(b"nothing")
    else:
        without_a_tensor(weights)
    began = time.monotonic()
    result = CliRunner().invoke(app(), ["demo", "--out", str(tmp_path / "demo"), "--weights", str(weights)])
    assert time.monotonic() - began < 120  # at once, not after the time that a service has to get ready
    assert result.exit_code == 1
    assert "The demo failed" in result.output
    assert str(weights) in result.output


def test_weights_that_are_none_are_not_served(tmp_path: Path) -> None:
    weights = tmp_path / "broken.safetensors"
    weights.write_bytes(b"nothing")
    state = tmp_path / "state"
    result = CliRunner().invoke(main.app, ["serve", "--weights", str(weights), "--state", str(state)])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert str(weights) in result.stderr
    assert not state.exists()


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_demo_stops_its_service(tmp_path: Path, how: signal.Signals) -> None:
    weights = tiny_checkpoint(tmp_path / "tiny.safetensors")
    log = tmp_path / "said.txt"
    arguments = ["--out", str(tmp_path / "demo"), "--people", "1000", "--weights", str(weights)]
    with fork_python(COMMAND, arguments, log) as process:
        assert process.pid is not None
        wait_until(lambda: bool(children_of(process.pid)), process, log)
        services = children_of(process.pid)
        time.sleep(0.5)
        os.kill(process.pid, how)
        process.join(30)
        said = log.read_text()
        assert process.exitcode == 130, said
    assert "the service is stopped" in said
    assert not any(is_running(service) for service in services)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--precision", "float16"], "float16"),
        (["--port", "99999"], "99999"),
        (["--weights", "no/such.safetensors"], "no/such.safetensors"),
    ],
)
def test_settings_that_cannot_be_are_refused(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app(), ["serve", *arguments])
    assert result.exit_code == 2
    assert says in " ".join(result.output.split())
