from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from core.atomic_files import write_file
from editing import direction_file, face_editor, fitting, survey_pack
from editing.face_integrity import FaceIntegrity
from faces.images import Pixels, encode_png, read_image
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from gen import checkpoint
from gen.checkpoint import fingerprint
from gestaltgen.cli.main import app
from gestaltgen.cli.training import fit_direction
from inversion import inverter_file as inverters
from inversion import methods
from inversion.inverter_file import InverterInfo
from tests.editing import bright
from tests.inversion.tiny import tiny_generator, tiny_inverter


def read_brightness_as_smile(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (face_editor, fit_direction):
        monkeypatch.setattr(module, "make_face_reader", lambda oracle, describer: bright.read)
    monkeypatch.setattr(fitting, "CLEAR", {"smile": (0.45, 0.55), "age": (48.0, 52.0)})


@pytest.fixture(autouse=True)
def brightness_for_a_smile(monkeypatch: pytest.MonkeyPatch) -> None:
    read_brightness_as_smile(monkeypatch)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faces are found in 4 steps: no test depends on how well."""
    monkeypatch.setattr(methods, "SEARCH_STEPS", 4)
    monkeypatch.setattr(methods, "TUNING_STEPS", 4)
    monkeypatch.setattr(methods, "PROJECTION_STEPS", 4)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("generator") / "generator.safetensors"
    checkpoint.save(path, tiny_generator())
    return path


@pytest.fixture(scope="module")
def directions(generator: Path) -> Path:
    """Directions that the command fits to the generator, once for all tests."""
    out = generator.with_name("directions.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        read_brightness_as_smile(patch)
        go("fit-direction", "--generator", generator, "--count", 1_000, "--tried", 20, "--out", out, "--threads", 1)
    return out


def go(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def comment(path: Path) -> str:
    with Image.open(path) as image:
        return str(image.info["Comment"])


def test_directions_are_fitted_for_all_and_for_each_condition(directions: Path) -> None:
    found = direction_file.load(directions, tiny_generator())
    names = ["smile", *(f"smile of {condition}" for condition in ("WS", "22q11DS", "other", "unaffected")), "age"]
    assert set(found.directions) == set(names)
    assert set(found.patterns) == {"smile", "age", "WS", "22q11DS", "other", "unaffected", "identity"}
    pattern, pooled = (found.directions[name].pattern for name in ("smile of WS", "smile"))
    assert pattern is not None
    torch.testing.assert_close(pattern, pooled)
    assert found.directions["smile"].accuracy > 0.6
    assert [moves.direction for moves in found.table] == names
    assert found.origin == "1000 faces of generator.safetensors"
    assert 0 <= found.directions["smile of WS"].origin["pooled_share"] <= 1


def test_photographs_are_edited_and_the_rest_is_told(
    generator: Path, directions: Path, tmp_path: Path, astronaut: Pixels
) -> None:
    photographs, out = tmp_path / "photographs", tmp_path / "edits"
    write_file(photographs / "astronaut.png", encode_png(astronaut))
    write_file(photographs / "broken.jpg", b"no picture")
    common = ("--generator", generator, "--directions", directions, "--method", "w", "--out", out, "--threads", 1)
    said = go("edit", photographs, "--strength", 0.5, "--strip", *common)
    assert "1 of 2 edited" in said
    assert "no basis for a diagnosis" in said
    with (out / "report.csv").open() as file:
        told = {Path(line["photograph"]).name: line for line in csv.DictReader(file)}
    assert told["astronaut.png"]["result"] == "edited"
    assert float(told["astronaut.png"]["strength"]) == 0.5
    assert told["astronaut.png"]["precision"] == "float32"  # optimised
    assert told["astronaut.png"]["applied"] == "latent"
    assert told["broken.jpg"]["reason"]
    with Image.open(out / "astronaut-edited.png") as picture:
        assert picture.info["Precision"] == "float32"
    before, after = (read_image(out / f"astronaut-{name}.png") for name in ("before", "edited"))
    assert before.shape == after.shape == (64, 64, 3)
    assert (before != after).any()
    assert read_image(out / "astronaut-strip.png").shape[1] > 7 * 64
    assert (out / "edits.png").exists()
    go("edit", photographs / "astronaut.png", "--smile", 0.5, "--no-hold", *common)


def test_an_edit_tells_its_precision(generator: Path, directions: Path, tmp_path: Path, astronaut: Pixels) -> None:
    photograph, inverter, out = tmp_path / "astronaut.png", tmp_path / "inverter.safetensors", tmp_path / "edits"
    write_file(photograph, encode_png(astronaut))
    inverters.save(inverter, tiny_inverter(), InverterInfo(fingerprint(tiny_generator())))
    common = ("edit", photograph, "--generator", generator, "--directions", directions, "--out", out)
    go(*common, "--inverter", inverter, "--strength", 0.5, "--threads", 1, "--precision", "bfloat16")
    with (out / "report.csv").open() as file:
        (told,) = csv.DictReader(file)
    assert told["precision"] == "bfloat16"
    for name in ("before", "edited"):
        with Image.open(out / f"astronaut-{name}.png") as picture:
            assert picture.info["Precision"] == "bfloat16"
    said = go(*common, "--method", "w", "--strength", 0.5, "--precision", "bfloat16", code=1)
    assert all(named in said for named in ("float32", "auto"))


def test_what_makes_no_sense_is_refused(generator: Path, directions: Path, tmp_path: Path, astronaut: Pixels) -> None:
    photograph = tmp_path / "astronaut.png"
    write_file(photograph, encode_png(astronaut))
    said = go("edit", photograph, "--generator", generator, code=1)
    assert all(named in said for named in ("--smile", "--strength"))
    said = go("edit", photograph, "--generator", generator, "--smile", 0, code=1)
    assert str(generator) in said or generator.name in said
    command = ("edit", photograph, "--generator", generator, "--directions", directions)
    assert "wink" in go(*command, "--strength", 1, "--direction", "wink", code=1)
    assert "--apply latent" in go(*command, "--strength", 1, "--apply", "warp", code=1)
    go(*command, "--smile", 0.5, "--apply", "warp", "--method", "w", "--out", tmp_path / "edits", code=1)
    with (tmp_path / "edits" / "report.csv").open() as file:
        assert "after pivotal tuning" in next(csv.DictReader(file))["reason"]
    assert "wink" in go("fit-direction", "wink", "--generator", generator, "--count", 200, code=1)


def test_a_survey_is_made(
    generator: Path, directions: Path, tmp_path: Path, astronaut: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = np.tile(draw_phantom(nth_phantom(3, 0), 64).landmarks, (2, 1, 1))
    monkeypatch.setattr(face_editor, "FLOORS", None)  # the generator's pictures show no face
    monkeypatch.setattr(FaceIntegrity, "list_objections", lambda integrity: iter(()))
    monkeypatch.setattr(face_editor, "make_landmark_finder", lambda landmarks, detector: lambda images: points)
    photographs, out, groups = tmp_path / "photographs", tmp_path / "survey", tmp_path / "groups.csv"
    for at in range(3):
        write_file(photographs / f"p{at}.png", encode_png(draw_phantom(nth_phantom(3, at), 64).image))
    write_file(photographs / "broken.jpg", b"no picture")
    write_file(groups, b"file,group\np0.png,WS\np1.png,WS\np2.png,other\n")
    command = ("stimuli", photographs, "--generator", generator, "--directions", directions, "--method", "w")
    options = ("--aligned", "--doubtful", "--groups", groups, "--seed", 5, "--threads", 1)
    said = go(*command, *options, "--out", out)
    assert "3 of 4 people in two versions" in said
    assert "left out: " in said
    with (out / "key" / "answers.csv").open() as file:
        answers = list(csv.DictReader(file))
    assert len(answers) == 6
    for version in ("A", "B"):
        names = (out / version / "order.csv").read_text().split()[1:]
        assert names == [line["file"] for line in answers if line["version"] == version]
        assert {path.name for path in (out / version).glob("*.png")} == set(names)
    assert {line["precision"] for line in answers} == {"float32"}
    assert {line["photograph"]: line["group"] for line in answers} == {"p0": "WS", "p1": "WS", "p2": "other"}
    assert {line["photograph"]: line["source"] for line in answers} == {f"p{at}": f"p{at}.png" for at in range(3)}
    assert "p0" not in " ".join(path.name for path in out.rglob("*") if path.parent.name != "key")
    assert {comment(path) for version in "AB" for path in (out / version).glob("*.png")} == {survey_pack.MARK}
    with (out / "areas.csv").open() as file:
        areas = list(csv.DictReader(file))
    assert list(dict.fromkeys(line["file"] for line in areas)) == [line["file"] for line in answers]
    assert (out / "key" / "pairs.png").exists()
    again = tmp_path / "again"
    go(*command, *options, "--out", again)
    files_of = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert files_of == {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()}
    assert out.name in go(*command, *options, "--out", out, code=1)
    said = go("stimuli", photographs / "broken.jpg", *command[2:], "--out", tmp_path / "none", code=1)
    assert "broken.jpg: " in said
    assert "0 of 1" in said
    assert not (tmp_path / "none").exists()
