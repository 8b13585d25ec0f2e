from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from gestaltgen.cli.main import app
from tests.studies.gaze.example_study import SIDE, make_study


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["study", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def study(tmp_path: Path) -> Path:
    key, areas = make_study(4)
    lines = [f"{k.image},{k.face},{k.condition},{k.variant},{k.version}" for k in key.values()]
    (tmp_path / "key.csv").write_text("\n".join(["image,face,condition,variant,version", *lines]))
    lines = [f"{a.image},{a.area},{a.left},{a.top},{a.right},{a.bottom},{SIDE},{SIDE}" for a in areas]
    (tmp_path / "areas.csv").write_text("\n".join(["image,area,left,top,right,bottom,width,height", *lines]))
    return tmp_path


def test_simulated_gaze_is_analysed(study: Path) -> None:
    files = ("--key", study, "--areas", study)
    run("simulate-gaze", *files, "--out", study / "gaze.tsv", "--participants", 4, "--effect", 2)
    saliency = study / "saliency"
    saliency.mkdir()
    for code in ("A_00000000", "A_00000001", "B_00000000"):
        np.save(saliency / f"{code}.npy", np.random.default_rng(0).random((8, 8)))
    options = ("--sigma", "10px", "--saliency", saliency)
    assert "mouth" in run("gaze", study / "gaze.tsv", *files, *options, "--out", study / "gaze")
    report = json.loads((study / "gaze" / "gaze.json").read_text())
    assert report["settings"]["sigma of heat maps"] == "10 px"
    assert report["participants"] == 4
    assert report["similarities"]


@pytest.mark.parametrize("options", [("--sigma", "10"), ("--sigma", "1deg"), ("--place", "1,2")])
def test_options_that_make_no_sense_are_refused(study: Path, options: tuple[str, ...]) -> None:
    run("gaze", study / "areas.csv", "--key", study, "--areas", study, *options, code=1)


def test_published_heat_maps_are_compared(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for group in ("first", "second"):
        (tmp_path / group).mkdir()
        for number in range(3):
            picture = generator.integers(0, 255, (24, 24, 4), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / group / f"s_{number}_25r.png"), picture)
    out = tmp_path / "overlap.json"
    assert "IoU" in run("heat-maps", tmp_path / "first", tmp_path / "second", "--out", out)
    assert json.loads(out.read_text())["pictures"] == [3, 3]
