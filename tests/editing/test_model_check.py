"""Check of models as a whole, on tiny ones; "smile" is how bright their faces are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import weights
from core.atomic_files import write_file
from editing import direction_file, face_editor
from editing.direction_file import Directions
from editing.entanglement import measure_entanglement
from editing.face_editor import EditorFiles
from editing.model_check import ModelCheckLine, check_model
from faces.images import Pixels, encode_png
from gen import checkpoint
from gen.checkpoint import fingerprint
from gestaltgen.cli.main import app
from inversion import inverter_file
from inversion.inverter_file import InverterInfo
from inversion.quality import QualityLimits
from tests.editing import bright
from tests.inversion.tiny import shared_generator, tiny_inverter


@pytest.fixture(autouse=True)
def brightness_for_a_smile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_editor, "make_face_reader", lambda oracle, describer: bright.read)


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "ffhq.safetensors"
    checkpoint.save(path, shared_generator(), licence="MIT")
    return path


def add_inverter(generator: Path, limits: QualityLimits | None = None, of: str | None = None) -> Path:
    path = generator.with_name("ffhq-inverter.safetensors")
    own = fingerprint(shared_generator()) if of is None else of
    inverter_file.save(path, tiny_inverter(), InverterInfo(own, licence="MIT", limits=limits))
    return path


def add_directions(generator: Path, width: int = 16) -> Path:
    path = generator.with_name("ffhq-directions.safetensors")
    smile = replace(bright.brightness(), flags=())
    table = measure_entanglement(shared_generator(), bright.latents()[:4], [smile], bright.read)
    smile = replace(smile, vector=torch.ones(width) / width**0.5) if width != 16 else smile
    own = fingerprint(shared_generator())
    made = Directions(own, {"smile": smile}, bright.editor().region, bright.editor().apart, {}, tuple(table))
    direction_file.save(path, made)
    return path


@pytest.fixture(autouse=True)
def _no_floors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generator's pictures show no face."""
    monkeypatch.setattr(face_editor, "FLOORS", None)


def check(generator: Path, photograph: Path | None = None) -> dict[str, ModelCheckLine]:
    files = EditorFiles(generator, **weights.find_companions(generator))
    return {line.part: line for line in check_model(files, photograph)}


@pytest.mark.usefixtures("computed_by_layers")
def test_a_whole_model_makes_an_image_an_inversion_and_an_edit(generator: Path) -> None:
    limits = QualityLimits({"l2": 1.0}, {"l2": 2.0}, 20)
    add_inverter(generator, limits)
    add_directions(generator)
    lines = check(generator)
    assert {part: line.result for part, line in lines.items()} == {
        "generator": "ok",
        "image": "ok",
        "discriminator": "missing",
        "inverter": "ok",
        "limits": "ok",
        "directions": "ok",
        "inversion": "ok",
        "edit": "ok",
    }
    assert "hyperstyle" in lines["inversion"].detail
    assert lines["inversion"].detail.endswith("good")
    assert lines["inversion"].seconds > 0
    assert lines["edit"].peak_bytes >= lines["generator"].peak_bytes > 0


@pytest.mark.usefixtures("computed_by_layers")
def test_what_is_missing_is_named_with_a_remedy_and_fails_nothing(generator: Path) -> None:
    lines = check(generator)
    assert lines["inverter"].result == lines["directions"].result == "missing"
    assert "pti" in lines["inversion"].detail
    assert lines["inversion"].result == "ok"
    assert (lines["limits"].result, lines["edit"].result) == ("warning", "skipped")
    add_inverter(generator)
    lines = check(generator)
    assert lines["limits"].result == "warning"
    assert "--write-limits" in lines["limits"].detail
    assert "unjudged" in lines["inversion"].detail


@pytest.mark.usefixtures("computed_by_layers")
def test_parts_that_do_not_fit_fail_and_the_others_are_checked(generator: Path) -> None:
    add_inverter(generator, of="another")
    add_directions(generator, width=8)
    lines = check(generator)
    assert (lines["inverter"].result, lines["directions"].result) == ("failed", "failed")
    assert "belongs to the generator" in lines["inverter"].detail
    assert lines["inversion"].result == "ok"  # by optimisation
    assert lines["edit"].result == "skipped"
    add_inverter(generator, QualityLimits({"l2": 2.0}, {"l2": 1.0}, 20))
    assert check(generator)["limits"].result == "failed"
    generator.write_bytes(generator.read_bytes()[:100])
    lines = check(generator)
    assert lines["generator"].result == "failed"
    assert lines["edit"].result == "skipped"


def test_the_command_ends_with_a_status(generator: Path, tmp_path: Path, astronaut: Pixels) -> None:
    add_inverter(generator)
    add_directions(generator)
    photograph = tmp_path / "astronaut.png"
    write_file(photograph, encode_png(astronaut))

    def go(*arguments: object, code: int) -> str:
        result = CliRunner().invoke(app, ["models", "check", *map(str, arguments), "--threads", "1"])
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    said = go(generator.parent, "--photograph", photograph, code=0)
    for part in ("generator", "inverter", "limits", "directions", "inversion", "edit", "GB"):
        assert part in said
    add_directions(generator, width=8)
    assert "failed" in go(generator, code=1)
    (tmp_path / "empty").mkdir()
    assert "holds no checkpoint" in go(tmp_path / "empty", code=1)
