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
    survey = tmp_path / "simulated"
    run("simulate", "--participants", 4, "--out", survey)
    export = survey / "qualtrics.csv"
    export.write_text(export.read_text().replace("P004", "P001"))
    out = tmp_path / "imported.csv"
    text = run("import", export, "--key", survey, "--out", out, "--least-seconds", 0.5)
    assert "several versions 2 64" in text
    assert len(read_answers(out)) == 2 * 32
    counts = json.loads(out.with_suffix(".json").read_text())
    assert counts["read"] == {"sessions": 4, "answers": 128}
    assert counts["kept"] == {"participants": 2, "answers": 64}


def test_a_plan_has_power_and_a_sheet_from_a_design_or_a_pilot(tmp_path: Path) -> None:
    run("simulate", "--participants", 12, "--participant-sd", 1, "--out", tmp_path / "pilot")
    common = ("--effect", -0.5, "--participants", 12, "--studies", 2)
    run("plan", *common, "--participant-sd", 0.3, "--out", tmp_path / "a")
    run("plan", *common, "--pilot", tmp_path / "pilot" / "answers.csv", "--out", tmp_path / "b")
    plans = [json.loads((tmp_path / name / "plan.json").read_text()) for name in "ab"]
    assert [plan["powers"][0]["studies"] for plan in plans] == [2, 2]
    assert [plan["design"]["name"] for plan in plans] == ["patel", "pilot"]
    assert plans[0]["effects"]["participant_sd"] == 0.3
    assert plans[1]["effects"]["participant_sd"] > 0.5
    assert "-0.50" in (tmp_path / "b" / "preregistration.md").read_text()
    assert (tmp_path / "a" / "power.png").is_file()


def test_more_answers_than_can_be_read_are_not_simulated(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["study", "simulate", "--participants", "40001", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2


def test_nothing_that_exists_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "preregistration.md").write_text("filled in")
    key, answers = tmp_path / "key.csv", tmp_path / "answers.csv"
    key.write_text("image,face,condition,variant\na,f,WS,unedited\n")
    answers.write_text("participant,image,answer\nP1,a,WS\n")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for arguments in (
        ("plan", "--participants", 4, "--studies", 1, "--out", tmp_path),
        ("simulate", "--participants", 4, "--out", tmp_path),
        ("import", answers, "--key", key, "--out", answers),
    ):
        result = CliRunner().invoke(app, ["study", *map(str, arguments)])
        assert result.exit_code == 1, result.output
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_simulated_participants_see_some_faces_of_each_group(tmp_path: Path) -> None:
    rows = [f"a{at},f{at},{'WS' if at % 2 else 'other'},unedited\n" for at in range(8)]
    (tmp_path / "key.csv").write_text("image,face,condition,variant\n" + "".join(rows))
    out = tmp_path / "simulated"
    run("simulate", "--key", tmp_path, "--participants", 3, "--shown-per-group", 2, "--out", out)
    assert len(read_answers(out / "answers.csv")) == 3 * 2 * 2


def test_ratings_are_joined_to_the_key_and_their_agreement_is_shown(tmp_path: Path) -> None:
    (tmp_path / "key.csv").write_text("image,face,condition,variant\na,f,WS,unedited\nb,g,WS,unedited\n")
    for rater, marks in (("R1", "a,x,0\nb,0,0\nz,x,0"), ("R2", "a,x,0\nb,0,0")):
        (tmp_path / f"{rater}.csv").write_text(f"image,HP:0000343,Ptosis\n{marks}\n")
    sheets = (tmp_path / "R1.csv", tmp_path / "R2.csv")
    text = run("import-ratings", *sheets, "--key", tmp_path, "--out", tmp_path / "ratings.csv")
    assert "8 ratings" in text
    assert "1 rows" in text
    assert "nan" not in text
    terms = json.loads((tmp_path / "ratings.json").read_text())["terms"]
    assert terms["HP:0000343"]["fleiss_kappa"]["value"] == 1
    assert terms["Ptosis"]["fleiss_kappa"]["value"] is None


def test_answers_are_analysed(tmp_path: Path) -> None:
    run("simulate", "--participants", 8, "--effect", -1, "--out", tmp_path / "simulated")
    out = tmp_path / "results.json"
    text = run("analyse", tmp_path / "simulated" / "answers.csv", "--out", out)
    assert "256 answers of 8 participants to 32 faces" in text
    results = json.loads(out.read_text())
    assert results["variant_tests"][0]["comparison"]["variants"] == ["reconstructed", "edited"]
    assert results["variant_tests"][0]["comparison"]["difference"] < 0
    assert "P001" not in out.read_text()
