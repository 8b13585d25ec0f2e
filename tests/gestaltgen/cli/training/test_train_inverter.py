from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from core.errors import CheckpointError
from editing.face_editor import EditorFiles, FaceEditor
from faces.phantoms.phantom_dataset import synthesise
from gen import checkpoint
from gen.checkpoint import fingerprint
from gestaltgen.cli.main import app
from inversion import inverter_file
from inversion.inverter_file import InverterInfo
from inversion.quality import Quality, QualityLimits, read_tuning_limits
from inversion.training import run as inverter_run
from tests.inversion.tiny import ENCODER, HYPERNETWORK, tiny_generator, tiny_inverter


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inverter_run, "SMALL", (ENCODER, HYPERNETWORK))
    monkeypatch.setattr(inverter_run, "HELD_OUT", 2)


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    path = tmp_path / "generator.safetensors"
    checkpoint.save(path, tiny_generator())
    return path


def go(command: str, *arguments: object) -> str:
    result = CliRunner().invoke(app, [command, *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.mark.usefixtures("computed_by_layers")
def test_an_inverter_is_trained_in_two_stages_and_resumed(generator: Path, tmp_path: Path) -> None:
    phantoms = tmp_path / "phantoms.zip"
    synthesise(phantoms, count=20, size=64, seed=1)
    common = ("--generator", generator, "--report", 8, "--threads", 1)
    encoder = tmp_path / "encoder"
    said = go("train-encoder", phantoms, *common, "--out", encoder, "--images", 16)
    assert "20 real faces; 4 of 8 in a batch are the generator's own" in said
    assert "2 phantoms drawn for the purpose" in said
    assert "new, to 16 images" in said
    said = go("train-encoder", phantoms, *common, "--out", encoder, "--images", 24)
    assert "resumes after 16 images" in said
    assert list(json.loads((encoder / "held_out.json").read_text())) == ["16", "24"]
    trained = tmp_path / "inversion"
    beginning = ("--encoder", encoder / "inverter.safetensors", "--set", "passes=2")
    go("train-inversion", phantoms, *common, *beginning, "--out", trained, "--images", 16)
    info = inverter_file.read_info(trained / "inverter.safetensors")
    assert info.images_seen == {"encoder": 24, "hypernetwork": 16}
    assert "encoder for generator.safetensors on 20 images" in info.origin
    before, after = (
        inverter_file.load(folder / "inverter.safetensors", tiny_generator()) for folder in (encoder, trained)
    )
    assert all(
        (value == after.w_encoder.state_dict()[name]).all() for name, value in before.w_encoder.state_dict().items()
    )
    log = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert [line["images_seen"] for line in log] == [8, 16]


@pytest.mark.usefixtures("computed_by_layers")
def test_an_inverter_goes_on_with_a_fine_tuned_generator(generator: Path, tmp_path: Path) -> None:
    before, out, tuned = tmp_path / "before.safetensors", tmp_path / "run", tmp_path / "tuned.safetensors"
    net = tiny_generator()
    limits = QualityLimits.of([Quality(l2=0.001 * i) for i in range(20)])
    inverter_file.save(
        before, tiny_inverter(), InverterInfo(fingerprint(net), "once", limits=limits, figures={"l2": 0.1})
    )
    net.mapping.w_avg += 1
    checkpoint.save(tuned, net)
    go("train-encoder", "--generator", tuned, "--from", before, "--out", out, "--images", 8, "--threads", 1)
    trained = out / "inverter.safetensors"
    info = inverter_file.read_info(trained)
    assert info.generator == fingerprint(net)
    assert "once; encoder for tuned.safetensors" in info.origin
    assert (info.limits, info.figures, info.least_gain) == (None, {}, inverter_run.LEAST_GAIN)
    goes_on = inverter_file.load(trained, net)
    assert (goes_on.latent_avg == net.mapping.w_avg).all()
    torch.testing.assert_close(
        goes_on.hypernet.conv1.weight, tiny_inverter().hypernet.conv1.weight, rtol=1e-3, atol=1e-6
    )
    with pytest.raises(CheckpointError) as caught:
        inverter_file.load(trained, tiny_generator())
    assert info.generator[:12] in str(caught.value)


def test_without_data_the_generators_own_faces_do(generator: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    said = go("train-encoder", "--generator", generator, "--out", out, "--dry-run")
    assert "no real faces; 8 of 8 in a batch are the generator's own" in said
    assert "2 faces that the generator makes" in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "speed=3"], "unknown setting 'speed'; expected one of batch, learning_rate"),
        (["--set", "stage=encoder"], "unknown setting 'stage'"),
        (["--set", "batch=many"], "batch is 'many'"),
        (["--exclude", "names.txt"], "without data"),
        (["--from", "none.safetensors"], "there is no file none.safetensors"),
    ],
)
def test_what_makes_no_sense_is_refused(generator: Path, tmp_path: Path, arguments: list[str], says: str) -> None:
    command = ["train-encoder", "--generator", str(generator), "--out", str(tmp_path / "run"), *arguments]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert says in " ".join(result.output.split())


@pytest.mark.usefixtures("computed_by_layers")
def test_an_inverter_is_measured_and_told_its_limits(generator: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "inverter.safetensors", tmp_path / "out"
    inverter_file.save(path, tiny_inverter(), InverterInfo(fingerprint(tiny_generator())))
    common = (path, "--generator", generator, "--count", 20, "--described", 0, "--passes", 2, "--threads", 1)
    slow = ("--optimised", 1, "--steps", 1)
    said = go("evaluate-inversion", *common, *slow, "--precision", "bfloat16", "--out", out, "--write-limits")
    assert "limits of 2 passes on 20 phantoms drawn for the purpose are stored" in said
    report = json.loads((out / "inversion.json").read_text())
    assert [method["name"] for method in report["methods"]] == ["encoder", "1 pass", "2 passes", "W", "W+", "PTI"]
    assert [method["faces"] for method in report["methods"]] == [20, 20, 20, 1, 1, 1]
    assert all(0 <= method["kept"]["condition"] <= 1 for method in report["methods"])
    assert [method["precision"] for method in report["methods"]] == ["bfloat16"] * 3 + ["float32"] * 3
    assert report["precision"] == inverter_file.read_info(path).figures["precision"] == "bfloat16"
    assert (out / "inversion.png").exists()
    limits = inverter_file.read_info(path).limits
    assert limits is not None
    assert limits.faces == 20
    assert set(limits.good) == {"l2", "ms_ssim"}
    go("evaluate-inversion", *common, "--optimised", 0, "--out", out)
    verdicts = json.loads((out / "inversion.json").read_text())["methods"][2]["verdicts"]
    assert verdicts["good"] >= 18
    assert "out of domain" not in verdicts


def test_tuning_without_an_inverter_is_measured_and_the_generator_told_its_limits(
    generator: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    before = fingerprint(checkpoint.load_generator(generator))
    common = ("--generator", generator, "--count", 20, "--described", 0, "--steps", 1, "--threads", 1, "--out", out)
    go("evaluate-inversion", *common, "--write-limits")
    report = json.loads((out / "inversion.json").read_text())
    assert [method["name"] for method in report["methods"]] == ["PTI"]
    limits = read_tuning_limits(generator)
    assert limits is not None
    assert limits.faces == 20
    assert set(limits.good) == {"l2", "ms_ssim"}
    assert fingerprint(checkpoint.load_generator(generator)) == before
    assert FaceEditor.open(EditorFiles(generator), identity=False).judge.limits == limits
    go("evaluate-inversion", *common)
    assert json.loads((out / "inversion.json").read_text())["methods"][0]["verdicts"]["good"] >= 18
