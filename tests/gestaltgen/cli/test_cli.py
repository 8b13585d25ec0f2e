from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.settings import unknown_settings
from gen import checkpoint
from gestaltgen.cli import main
from tests.gen.fixtures import generator_32

ROOT = Path(__file__).parents[3]
COMMANDS = ("dataset", "generate", "train", "evaluate", "weights", "oracle", "serve", "studio", "demo")


def test_help_lists_every_command_and_the_limits_of_use() -> None:
    text = CliRunner().invoke(main.app, ["--help"]).output
    assert all(command in text for command in COMMANDS)
    assert "no basis for a diagnosis" in " ".join(text.split())


def test_help_lists_first_what_a_newcomer_does_first() -> None:
    text = CliRunner().invoke(main.app, ["--help"]).output
    places = [text.index(f" {word} ") for word in ("demo", "generate", "dataset", "classify", "study", "serve")]
    assert places == sorted(places)
    assert all(command.panel is not None and command.panel in text for command in main.COMMANDS.values())


@pytest.mark.parametrize("command", [["--help"], ["serve", "--help"], ["syndromes", "compare", "--help"]])
def test_help_shows_no_type_of_flags_and_no_brackets_around_defaults(command: list[str]) -> None:
    text = CliRunner().invoke(main.app, command).output
    assert "--help" in text
    assert "bool" not in text
    assert "default: (" not in text
    assert "(unset)" not in text


def test_help_shows_a_repeatable_option_as_one_value() -> None:
    lines = CliRunner().invoke(main.app, ["generate", "--help"], terminal_width=120).output.splitlines()
    assert "<list[" not in next(line for line in lines if "--condition" in line)
    assert "<bool>" not in next(line for line in lines if "--scores" in line)


def test_the_version_is_that_of_the_distribution() -> None:
    result = CliRunner().invoke(main.app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"gestaltgen {version('gestaltgen')}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_names_its_options_or_commands(command: str) -> None:
    result = CliRunner().invoke(main.app, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.output) > 300


def test_a_refusal_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    for args in (["dataset", "show", str(tmp_path / "absent.zip")], ["train", str(tmp_path / "absent.zip")]):
        result = CliRunner().invoke(main.app, args)
        assert result.exit_code == 1
        assert result.stderr.startswith("error: ")
        assert "absent.zip" in result.stderr
        assert "Traceback" not in result.output


def test_a_refused_field_is_named(tmp_path: Path) -> None:
    weights = tmp_path / "tiny.safetensors"
    checkpoint.save(weights, generator_32())
    result = CliRunner().invoke(main.app, ["generate", "unrelated", "--count", "0", "--weights", str(weights)])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: count: 0")


def test_the_readmes_commands_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test", "serve", "bench", "lint", "setup"):
        assert f"make {target}" in readme
        assert f"\n{target}:" in makefile
    for command in COMMANDS:
        assert f"gestaltgen {command}" in readme or f"make {command}" in readme


def test_variables_that_are_no_settings_are_named() -> None:
    given = ("GESTALTGEN_MAX_OPEN_JOB", "GESTALTGEN_QUEUE", "GESTALTGEN_KEY", "GESTALTGEN_TEST_STORAGE", "PATH")
    assert unknown_settings([*given, "GESTALTGEN_STATE"]) == [
        "GESTALTGEN_MAX_OPEN_JOB is set, and is no setting of this version; it has no effect: is "
        "GESTALTGEN_MAX_OPEN_JOBS meant?",
        "GESTALTGEN_QUEUE is set, and is no setting of this version; it has no effect",
    ]
