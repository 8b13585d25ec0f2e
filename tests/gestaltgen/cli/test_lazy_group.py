"""Commands are imported when they run, and the list of commands says what their own help says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gestaltgen.cli.lazy_group import LazyCommand
from gestaltgen.cli.main import COMMANDS, app

ROOT = Path(__file__).parents[3]
HEAVY = {"torch", "scipy", "numba", "sklearn", "transformers"}

SCRIPT = """
import json, sys
from gestaltgen.cli.main import app
for arguments in json.loads(sys.argv[1]):
    try:
        app(arguments)
    except SystemExit as end:
        assert end.code in (0, None), (arguments, end.code)
    print("MODULES " + " ".join(name for name in sys.modules if "." not in name))
"""


def test_a_command_that_needs_no_network_imports_none(tmp_path: Path) -> None:
    commands = [
        ["--help"],
        ["keys", "--help"],
        ["keys", "create", "genetics-lab", "--state", str(tmp_path)],
        ["tenants", "list", "--state", str(tmp_path)],
        ["audit", "--help"],
    ]
    script = [sys.executable, "-c", SCRIPT, json.dumps(commands)]
    result = subprocess.run(script, check=True, cwd=ROOT, capture_output=True, text=True)  # noqa: S603
    lists = [line.split()[1:] for line in result.stdout.splitlines() if line.startswith("MODULES ")]
    for command, modules in zip(commands, lists, strict=True):
        assert "typer" in modules
        assert not HEAVY & set(modules), command


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_command_says(name: str) -> None:
    own = " ".join((COMMANDS[name].load(name).help or "").split())
    assert COMMANDS[name].help == re.split(r"(?<=\.)\s", own, maxsplit=1)[0]


def test_a_misspelt_command_is_answered_with_the_nearest_name() -> None:
    result = CliRunner().invoke(app, ["generat"])
    assert result.exit_code == 2
    assert "'generate'" in result.stderr


def test_a_group_keeps_the_name_of_the_table() -> None:
    assert LazyCommand("gestaltgen.cli.service.tenants", "app", "").load("limits").name == "limits"
