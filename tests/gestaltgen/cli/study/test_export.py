from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from gestaltgen.cli.main import app
from gestaltgen.cli.study.export import ToolName
from studies.answers.key import read_answer_key
from studies.packs.study_folder import TOOLS
from tests.studies.packs.small_packs import dataset_files, pack_files, write_files


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["study", "export", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def test_a_pack_is_exported_for_the_tools_that_are_named(tmp_path: Path) -> None:
    pack, folder = (write_files(tmp_path / name, pack_files()) for name in ("pack.zip", "pack"))
    (tmp_path / "urls.csv").write_text(
        "image,url\n" + "".join(f"{code},https://example.org/{code[::-1]}\n" for code in read_answer_key(folder))
    )
    options = ("--tool", "qualtrics", "--participants", 4, "--images", tmp_path / "urls.csv", "--no-confidence")
    out = tmp_path / "study"
    assert "diagnosis" in run(pack, *options, "--out", out)
    text = (out / "qualtrics" / "A.txt").read_text()
    assert "https://example.org/00000000_A" in text
    assert "_confidence" not in text
    assert {path.name for path in out.iterdir()} == {
        *("README.md", "orders.csv", "areas.csv", "images", "qualtrics", "key"),
    }
    assert {image.options for image in read_answer_key(out).values()} == {("Noonan", "WS", "unaffected")}
    run(pack, "--out", out, code=1)


def test_a_data_set_needs_options(tmp_path: Path) -> None:
    files = dataset_files(2)
    data = write_files(tmp_path / "faces.zip", files | {"labels.csv": files["labels.csv"].replace(b"other", b"Kabuki")})
    assert "WS" in (text := run(data, "--out", tmp_path / "none", code=1))
    assert "Kabuki" in text
    run(write_files(tmp_path / "pictures", {"0000.png": files["0000.png"]}), "--out", tmp_path / "none", code=1)
    options = ("--option", "WS", "--option", "Kabuki", "--faces", 5, "--shown", 3, "--participants", 3)
    run(data, *options, "--masked", "--out", tmp_path / "none", code=1)
    run(data, *options, "--tool", "sheets", "--out", tmp_path / "study.zip")
    assert (tmp_path / "study.zip").is_file()


def test_a_study_that_exists_is_refused_before_the_pack_is_read(tmp_path: Path) -> None:
    assert str(tmp_path) in run("no-pack", "--out", tmp_path, code=1)


def test_every_tool_has_a_name_on_the_command_line() -> None:
    assert {name.value for name in ToolName} == {*TOOLS}
