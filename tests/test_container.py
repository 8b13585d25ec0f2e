"""The Dockerfile fits the project: what it copies, what it runs, what it sets."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from api.app import create_app
from api.settings import Settings
from gestaltgen.cli import main

ROOT = Path(__file__).parents[1]
DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def lines(instruction: str) -> list[str]:
    """What follows an instruction, of every time that it is given."""
    return re.findall(rf"^{instruction} (.*)$", DOCKERFILE, re.MULTILINE)


def copied() -> set[str]:
    sources = [line.split()[:-1] for line in lines("COPY") if not line.startswith("--from")]
    return {name for names in sources for name in names}


@pytest.fixture
def environment() -> dict[str, str]:
    """The settings of the container."""
    pairs = [pair.partition("=") for line in lines("ENV") for pair in line.split()]
    return {name: value for name, _, value in pairs if name.startswith("GESTALTGEN_")}


def test_every_room_is_copied() -> None:
    rooms = {pattern.rstrip("*") for pattern in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
    about = {"pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]}
    assert copied() == rooms | about | {"client", "release/locks"}
    assert all((ROOT / name).exists() for name in copied())


def test_the_lock_files_that_it_installs_are_there() -> None:
    [sets] = re.findall(r'^ARG LOCKS="(.*)"$', DOCKERFILE, re.MULTILINE)
    for name in ["build", *sets.split()]:
        assert (ROOT / "release" / "locks" / f"{name}.txt").is_file()
    assert all("--require-hashes" in line or "--no-deps" in line for line in re.findall(r"pip install .*", DOCKERFILE))


def test_the_build_sees_what_is_copied_and_nothing_else() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert ignored[0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == copied()


def test_the_settings_are_some_and_keys_are_needed(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        assert name.removeprefix("GESTALTGEN_").lower() in Settings.model_fields
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.host, settings.log_format, settings.without_keys) == ("0.0.0.0", "json", False)  # noqa: S104
    assert lines("VOLUME") == [str(settings.state)]
    assert lines("EXPOSE") == [str(settings.port)]


def test_the_service_is_started_without_a_shell_by_a_user_of_its_own() -> None:
    [entry], [command] = lines("ENTRYPOINT"), lines("CMD")
    [program], [name, *options] = json.loads(entry), json.loads(command)
    assert program in PROJECT["project"]["scripts"]
    commands = get_command(main.app).commands  # type: ignore[attr-defined]
    known = {option for parameter in commands[name].params for option in parameter.opts}
    assert set(options) <= known
    [user] = lines("USER")
    assert f"--create-home {user} " in DOCKERFILE
    assert f"--owner={user} " in DOCKERFILE
    assert DOCKERFILE.index("\nUSER ") > max(DOCKERFILE.rindex("\nRUN "), DOCKERFILE.rindex("\nCOPY "))


def test_the_health_of_a_container_is_asked_with_what_is_in_it(environment: dict[str, str]) -> None:
    [check] = lines("HEALTHCHECK")
    program, option, script = json.loads(check.partition(" CMD ")[2])
    assert (program, option) == ("python", "-c")
    compile(script, "the health check", "exec")
    assert set(re.findall(r"environ\['(\w+)'\]", script)) <= set(environment)
    [path] = re.findall(r"'(/\w+)'", script)
    assert path in create_app(Settings()).openapi()["paths"]


def test_compose_sets_what_there_is() -> None:
    """One database, one process that answers, and workers, all with settings that exist."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert set(services) == {"database", "api", "worker"}
    for name in ("api", "worker"):
        assert services[name]["command"] == ["serve", "--role", name]
        named = {key.removeprefix("GESTALTGEN_").lower() for key in services[name]["environment"]}
        assert named <= set(Settings.model_fields)
    assert services["worker"]["deploy"]["replicas"] == 2
