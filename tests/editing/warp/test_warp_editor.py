from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.errors import DirectionError
from editing.face_readers import SMILE, FaceReading
from editing.warp.warp_editor import MOST_LIFT, WarpEditor
from faces.expression import CALIBRATED
from faces.images import Pixels, to_tensor
from faces.measures.distances import Features
from inversion.latent_region import LatentRegion
from inversion.result import Inversion
from tests.editing import bright
from tests.editing.warp.faces import draw_face, make_model
from tests.inversion.tiny import shared_generator


def find(images: Pixels) -> Features:
    return np.stack([draw_face()[1]] * len(images))


def read_shading(images: torch.Tensor) -> FaceReading:
    """Read a smile that grows with the darkness of the picture, from that of the landmarks."""
    brightness, start = (
        (pictures.mean(dim=(1, 2, 3)).double().numpy() + 1) / 2 for pictures in (images, bright.face(0).reconstruction)
    )
    smile = np.clip(CALIBRATED(draw_face()[1]) + 6 * np.log(start / brightness), 0, 1)
    return FaceReading({SMILE: smile}, np.zeros((len(images), 2)), np.empty((len(images), 0)))


@pytest.fixture
def editor() -> WarpEditor:
    region = LatentRegion.of(bright.latents())
    return WarpEditor(shared_generator(), read_shading, find, 1.0, region, make_model(-0.3))


def test_a_face_is_warped_until_its_smile_is_read(editor: WarpEditor) -> None:
    face = bright.face(0)
    start = float(CALIBRATED(draw_face()[1])[0])
    target = start + 0.3 if start < 0.5 else start - 0.1
    edit = editor.to_smile(face, target)
    assert edit.smile == pytest.approx((start, target), abs=0.05)
    assert edit.verdict == "good"
    assert (edit.applied, edit.local, edit.target) == ("warp", True, target)
    assert edit.strength * (target - start) > 0
    assert torch.equal(edit.w, face.w)
    assert edit.image.shape == edit.before.shape
    assert not torch.equal(edit.image, edit.before)
    assert edit.path[0] == (0.0, pytest.approx(start))


def test_a_smile_out_of_reach_is_doubtful(editor: WarpEditor) -> None:
    still = replace(editor, model=make_model(0.0))
    edit = still.to_smile(bright.face(0), 1.0)
    assert all(abs(lift) <= MOST_LIFT for lift, _ in edit.path)
    assert edit.verdict != "good"
    assert "asked for 1.00" in " ".join(edit.because)


def test_a_face_that_every_warp_spoils_is_refused_and_left_alone(editor: WarpEditor) -> None:
    def read(images: torch.Tensor) -> FaceReading:
        found = read_shading(images)
        same = torch.equal(images, bright.face(0).reconstruction)
        return FaceReading(
            found.attributes, found.identity, found.traits, np.array([1.0 if same else 0.1] * len(images))
        )

    edit = replace(editor, reader=read).to_smile(bright.face(0), 1.0)
    assert edit.verdict == "refused"
    assert edit.strength == 0
    assert torch.equal(edit.image, edit.before)


def test_what_cannot_be_warped_is_refused(editor: WarpEditor) -> None:
    with pytest.raises(DirectionError, match="a smile of 2"):
        editor.to_smile(bright.face(0), 2)
    with pytest.raises(DirectionError, match="no landmarks"):
        replace(editor, find=lambda images: np.full((len(images), 68, 2), np.nan)).to_smile(bright.face(0), 0.5)
    face = bright.face(0)
    two = Inversion(torch.cat([face.w] * 2), {}, torch.cat([face.reconstruction] * 2), (), (0, 0), "pti")
    with pytest.raises(DirectionError, match="2 faces at once"):
        editor.to_smile(two, 0.5)


def test_the_picture_has_eight_bits_like_every_other(editor: WarpEditor) -> None:
    edit = editor.to_smile(bright.face(0), 0.5)
    assert edit.image.abs().max() <= 1
    assert to_tensor(np.zeros((2, 2, 3), np.uint8)).dtype == edit.image.dtype
