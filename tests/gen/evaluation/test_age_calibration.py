"""Steps of age progressions, placed where faces are read as of each age group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from core.errors import ConfigError
from faces.images import Pixels
from faces.labels import AGE_GROUPS
from gen import checkpoint
from gen.config import GeneratorConfig
from gen.evaluation import age_calibration
from gen.evaluation.age_calibration import calibrate_ages, count_images, place_steps, share_read_as_group
from gen.labels import Vocabulary
from gen.networks import Generator
from gen.torch_inference import convert_generator
from gestaltgen.cli.main import app
from tests.gen.fixtures import generator_32

GRID = np.linspace(0, 1, 41)


def test_steps_lie_where_most_people_are_read_as_of_the_group() -> None:
    """People who are 2 years old at 0.5, 10 at 0.7, 20 at 0.8 and 35 at 0.9, up to some years."""
    rng = np.random.default_rng(0)
    course = np.interp(GRID, [0, 0.5, 0.7, 0.8, 0.9, 1], [0, 2, 10, 20, 35, 70])
    ages = course * rng.uniform(0.9, 1.1, (50, 1))
    placed = place_steps(GRID, ages, AGE_GROUPS)
    bounds = [(0, 0.5), (0.5, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1)]
    for place, (low, high) in zip(placed, bounds, strict=True):
        assert low <= place <= high
    assert share_read_as_group(np.interp(placed, GRID, course)[None], AGE_GROUPS) == 1
    assert share_read_as_group(np.interp(np.linspace(0, 1, 5), GRID, course)[None], AGE_GROUPS) < 0.8


def test_steps_rise_whatever_is_read() -> None:
    ages = np.random.default_rng(1).uniform(0, 80, (20, len(GRID)))
    ages[:, 3] = np.nan
    assert (np.diff(place_steps(GRID, ages, AGE_GROUPS)) > 0).all()


def test_calibrated_steps_are_read_better_than_equal_ones() -> None:
    """A reader to whom brightness is age, of a generator that was not trained."""
    generator = convert_generator(generator_32())
    brightness: list[npt.NDArray[np.floating]] = []

    def read_brightness(images: Pixels) -> npt.NDArray[np.floating]:
        brightness.append(images.mean(axis=(1, 2, 3)))
        return np.interp(brightness[-1], [brightness[0].min() - 1, brightness[0].max() + 1], [0, 60])

    images: list[int] = []
    made = calibrate_ages(generator, read_brightness, people=2, on_progress=images.append)
    assert sum(images) == count_images(generator, 2)
    assert set(made.steps) == set(Vocabulary().conditions)
    for condition, steps in made.steps.items():
        assert len(steps) == len(AGE_GROUPS)
        assert list(steps) == sorted(set(steps))
        assert 0 <= made.published[condition] <= 1


def test_a_generator_without_ages_is_refused() -> None:
    generator = convert_generator(Generator(GeneratorConfig(8, 8, 8, 1, 64, 8)))
    with pytest.raises(ConfigError, match="age groups"):
        calibrate_ages(generator, lambda images: np.zeros(len(images)))


def test_the_command_stores_steps_that_image_sets_take(
    tmp_path: Path, judges: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(age_calibration, "POINTS", 5)
    source, out = tmp_path / "source.safetensors", tmp_path / "calibrated.safetensors"
    checkpoint.save(source, generator_32(), licence="CC0-1.0")
    arguments = ["weights", "calibrate-ages", str(source), "--networks", str(judges), "--people", "8"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(out)])
    assert result.exit_code == 0, result.output
    info = checkpoint.read_info(out)
    assert (set(info.age_steps), info.licence) == (set(Vocabulary().conditions), "CC0-1.0")
    made = ["generate", "age_progression", "--weights", str(out), "--count", "1", "--age-steps", "calibrated"]
    assert CliRunner().invoke(app, [*made, "--out", str(tmp_path / "set")]).exit_code == 0
    refused = CliRunner().invoke(app, [*made[:2], "--weights", str(source), *made[4:], "--out", str(tmp_path / "no")])
    assert refused.exit_code != 0
    assert "calibrate-ages" in refused.output
    assert not (tmp_path / "no").exists()
