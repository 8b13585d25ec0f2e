from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import weights
from core.errors import CheckpointError
from editing.warp.expression_model import OPENING_WEIGHT, FaceAxes, load, measure_lift, place_in_map, save
from faces.expression import CALIBRATED
from tests.editing.warp.faces import draw_face, make_model


def test_a_model_is_read_as_it_was_written(tmp_path: Path) -> None:
    model = make_model(0.1)
    save(tmp_path / "model.safetensors", model, "a phantom")
    read = load(tmp_path / "model.safetensors")
    for field in fields(model):
        assert getattr(read, field.name) == pytest.approx(getattr(model, field.name), abs=1e-6)


def test_another_file_is_refused() -> None:
    with pytest.raises(CheckpointError, match="no expression model"):
        load(weights.find_file("portraits128-directions.safetensors"))


def test_lift_and_opening_make_up_the_smile() -> None:
    landmarks = draw_face()[1]
    lift, opening = measure_lift(landmarks)
    assert lift + OPENING_WEIGHT * opening == pytest.approx(CALIBRATED.raw(landmarks)[0])


def test_the_axes_of_a_face_do_not_depend_on_its_place_in_the_picture() -> None:
    landmarks = draw_face()[1]
    axes, turned = FaceAxes.of(landmarks), 2 * landmarks @ np.array([[0.8, 0.6], [-0.6, 0.8]]) + 7
    assert FaceAxes.of(turned).to_face(turned) == pytest.approx(axes.to_face(landmarks))
    assert axes.to_pixels(axes.to_face(landmarks)) == pytest.approx(landmarks)
    assert place_in_map(np.zeros((1, 2)), 100)[0] == pytest.approx([49.5, 41.5])


def test_the_shipped_model_raises_a_smile_and_folds_the_cheeks() -> None:
    model = load(weights.find_file("portraits128-expression.safetensors"))
    smiling = CALIBRATED.raw(np.stack([model.rest, model.rest + model.lift, model.rest + 0.1 * model.opening]))
    assert abs(smiling[0]) < 0.2
    assert smiling[1] - smiling[0] > 0.6
    assert smiling[2] - smiling[0] == pytest.approx(0.1 * OPENING_WEIGHT, abs=0.03)
    x, y = place_in_map(model.rest[[48]] + [[-0.15, -0.1]])[0].round().astype(int)
    assert model.shading[y - 6 : y + 7, x - 6 : x + 7].min() < -0.05
    assert model.shading == pytest.approx(model.shading[:, ::-1], abs=1e-6)
