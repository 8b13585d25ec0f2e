from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gestaltgen.cli.main import app
from gestaltgen.cli.study.group import COMMANDS
from studies.answers.table import read_answers


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["study", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_command_says(name: str) -> None:
    own = " ".join((COMMANDS[name].load(name).help or "").split())
    assert COMMANDS[name].help == re.split(r"(?<=\.)\s", own, maxsplit=1)[0]


def test_simulated_answers_can_be_imported(tmp_path: Path) -> None:
    run("simulate", "--participants", 4, "--out", tmp_path)
    export = tmp_path / "qualtrics.csv"
    export.write_text(export.read_text().replace("P004", "P001"))
    out = tmp_path / "imported.csv"
    text = run("import", export, "--key", tmp_path, "--out", out, "--least-seconds", 0.5)
    assert "several versions 2 64" in text
    assert len(read_answers(out)) == 2 * 32
    counts = json.loads(out.with_suffix(".json").read_text())
    assert counts["read"] == {"sessions": 4, "answers": 128}
    assert counts["kept"] == {"participants": 2, "answers": 64}


def test_ratings_are_joined_to_the_key(tmp_path: Path) -> None:
    (tmp_path / "key.csv").write_text("image,face,condition,variant\na,f,WS,unedited\n")
    (tmp_path / "R1.csv").write_text("image,HP:0000343\na,x\nz,x\n")
    text = run("import-ratings", tmp_path / "R1.csv", "--key", tmp_path, "--out", tmp_path / "ratings.csv")
    assert "1 ratings" in text
    assert "1 rows" in text
