from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from editing.face_integrity import FaceIntegrity, measure_integrity
from editing.face_readers import FaceReading
from faces.images import to_tensor
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom


def draw_face() -> Tensor:
    return to_tensor(draw_phantom(nth_phantom(3, 0), 64).image)


def blur(image: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(image, (4, 4, 4, 4), mode="replicate"), 9, stride=1)


def paint_mouth(image: Tensor) -> Tensor:
    painted = image.clone()
    painted[:, :, 41:55, 17:47] = torch.rand(1, 3, 14, 30) * 2 - 1
    return painted


def reading(*scores: float) -> FaceReading:
    return FaceReading({}, np.empty((len(scores), 0)), np.empty((len(scores), 0)), np.array(scores))


@pytest.mark.parametrize(
    ("change", "score", "refused"),
    [(torch.clone, 1.0, False), (paint_mouth, 1.0, False), (blur, 1.0, True), (torch.clone, 0.01, True),
     (torch.clone, np.nan, True), (torch.clone, 0.7, False)],
)  # fmt: skip
def test_a_blurred_face_or_one_that_is_hardly_found_is_refused(
    change: Callable[[Tensor], Tensor], score: float, refused: bool
) -> None:
    face = draw_face()
    integrity = measure_integrity(face, change(face), reading(1.0), reading(score), 0.2)
    assert bool(list(integrity.list_objections())) is refused


def test_a_face_that_was_not_found_before_is_not_missed_after() -> None:
    assert not list(FaceIntegrity(scores=(float("nan"), float("nan"))).list_objections())
    assert not list(FaceIntegrity().list_objections())


def test_specks_and_somebody_else_are_refused_on_photographs() -> None:
    assert list(FaceIntegrity(sharpness=1.4, scores=(1.0, 1.2)).list_objections())
    assert list(FaceIntegrity(identity=0.9, scores=(1.0, 1.2)).list_objections())
    assert not list(FaceIntegrity(identity=0.6, scores=(1.0, 1.2)).list_objections())
