from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from core.atomic_files import write_file
from faces.images import Pixels, encode_png, read_image
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from gen import checkpoint
from gen.checkpoint import fingerprint
from gestaltgen.cli.main import app
from inversion import inverter_file
from inversion.inverter_file import InverterInfo
from inversion.quality import Quality, QualityLimits
from inversion.result import load
from tests.inversion.tiny import tiny_generator, tiny_inverter


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    path = tmp_path / "generator.safetensors"
    checkpoint.save(path, tiny_generator())
    return path


@pytest.fixture
def photographs(tmp_path: Path, astronaut: Pixels) -> Path:
    folder = tmp_path / "photographs"
    write_file(folder / "astronaut.png", encode_png(astronaut))
    write_file(folder / "nobody.png", encode_png(astronaut[:64, :64]))
    write_file(folder / "broken.jpg", b"no picture")
    phantom = encode_png(draw_phantom(nth_phantom(3, 0), 256).image)
    write_file(folder / "more" / "phantom.png", phantom)
    write_file(folder / "phantom.png", phantom)
    small = Image.fromarray(astronaut).resize((72, 72))
    small.save(folder / "small.png")
    return folder


def lines(out: Path) -> dict[str, dict[str, str]]:
    with (out / "report.csv").open() as file:
        return {Path(line["photograph"]).name: line for line in csv.DictReader(file)}


def test_each_photograph_has_a_line_and_the_rest_goes_on(generator: Path, photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["invert", str(photographs), str(tmp_path / "missing.png"), "--generator", str(generator)]
    result = CliRunner().invoke(app, [*command, "--out", str(out), "--steps", "2", "--no-identity"])
    assert result.exit_code == 0, result.output
    assert "3 of 7 inverted" in " ".join(result.output.split())
    report = lines(out)
    assert report["astronaut.png"]["result"] == "inverted"
    assert "2 faces found, the largest taken" in report["astronaut.png"]["reason"]
    assert "no face found" in report["nobody.png"]["reason"]
    assert "cannot be decoded" in report["broken.jpg"]["reason"]
    assert "No such file" in report["missing.png"]["reason"]
    assert "too small" in report["small.png"]["reason"] or "no face" in report["small.png"]["reason"]
    assert {path.name for path in out.glob("phantom*.png")} == {
        "phantom.png",
        "phantom-beside.png",
        "phantom-2.png",
        "phantom-2-beside.png",
    }
    inversion = load(out / "astronaut.safetensors", tiny_generator())
    assert inversion.method == "pti"
    assert inversion.offsets
    assert read_image(out / "astronaut.png").shape == (64, 64, 3)
    assert read_image(out / "faces.png").shape[0] > 3 * 96


def test_a_trained_inverter_says_how_far_it_can_be_trusted(generator: Path, photographs: Path, tmp_path: Path) -> None:
    trained, out = tmp_path / "inverter.safetensors", tmp_path / "out"
    limits = QualityLimits.of([Quality(l2=0.001 * i) for i in range(20)])
    inverter_file.save(trained, tiny_inverter(), InverterInfo(fingerprint(tiny_generator()), limits=limits))
    command = ["invert", str(photographs / "astronaut.png"), "--generator", str(generator), "--inverter", str(trained)]
    command += ["--precision", "bfloat16"]
    result = CliRunner().invoke(app, [*command, "--out", str(out), "--no-identity"])
    assert result.exit_code == 0, result.output
    line = lines(out)["astronaut.png"]
    assert (line["verdict"], line["because"]) == ("out of domain", "l2, eyes")
    inversion = load(out / "astronaut.safetensors", tiny_generator())
    assert (inversion.method, inversion.precision, line["precision"]) == ("hyperstyle", "bfloat16", "bfloat16")
    with Image.open(out / "astronaut.png") as picture:
        assert picture.info["Precision"] == "bfloat16"


def test_aligned_squares_are_taken_as_they_are(generator: Path, tmp_path: Path) -> None:
    square, oblong = tmp_path / "square.png", tmp_path / "oblong.png"
    image = draw_phantom(nth_phantom(3, 0), 128).image
    write_file(square, encode_png(image))
    write_file(oblong, encode_png(image[:100]))
    command = ["invert", str(square), str(oblong), "--aligned", "--generator", str(generator), "--method", "w"]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out"), "--steps", "2", "--no-identity"])
    assert result.exit_code == 0, result.output
    report = lines(tmp_path / "out")
    assert report["square.png"]["result"] == "inverted"
    assert "128 x 100 pixels; expected an aligned square" in report["oblong.png"]["reason"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--method", "hyperstyle"], "needs --inverter"),
        (["--inverter", "none.safetensors"], "there is no file none.safetensors"),
    ],
)
def test_what_cannot_invert_is_refused(generator: Path, tmp_path: Path, arguments: list[str], says: str) -> None:
    command = ["invert", str(tmp_path / "x.png"), "--generator", str(generator), *arguments]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert says in " ".join(result.output.split())


def test_nothing_inverted_is_a_failure(generator: Path, tmp_path: Path) -> None:
    command = ["invert", str(tmp_path / "missing.png"), "--generator", str(generator), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "0 of 1 inverted" in result.output
