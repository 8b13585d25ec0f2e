from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.errors import DirectionError
from editing.directions import Direction
from editing.face_readers import FaceReading
from editing.latent_editor import LatentEditor, search_strength
from faces.align import Points
from gen.kernels.activation import onednn_convolves
from inversion.latent_region import LatentRegion
from inversion.result import Inversion, wrap_generated
from tests.editing import bright
from tests.inversion.tiny import shared_generator


def test_a_strength_moves_the_latent_and_says_what_it_did() -> None:
    direction, face = bright.brightness(), bright.face(5)
    edit = bright.editor().edit(face, direction, 0.5)
    torch.testing.assert_close(edit.w, face.w + 0.5 * direction.vector)
    torch.testing.assert_close(edit.before, face.reconstruction)
    assert edit.smile[1] > edit.smile[0]
    assert edit.strength == 0.5
    assert edit.target is None
    assert edit.condition_kept is None
    assert edit.age_years is not None
    assert [strength for strength, _ in edit.path] == [0.0, 0.5]


def test_a_smile_is_found() -> None:
    editor, face, direction = bright.editor(), bright.face(10), bright.brightness()
    for target in (0.3, 0.75):
        edit = editor.to_smile(face, direction, target)
        assert edit.smile[1] == pytest.approx(target, abs=0.05)
        assert (edit.strength > 0) == (target > edit.smile[0])
        assert edit.path[-1][0] == edit.strength
        assert edit.path[0] == (0.0, edit.smile[0])
        assert len(edit.path) <= 17


def test_no_strength_is_needed_where_the_smile_is_there() -> None:
    editor, face = bright.editor(), bright.face(10)
    now = editor.edit(face, bright.brightness(), 0.0).smile[0]
    assert editor.to_smile(face, bright.brightness(), now).strength == 0


def test_an_edit_that_costs_too_much_is_doubtful() -> None:
    editor = bright.editor()
    far = editor.edit(bright.face(10), bright.brightness(), 40 * bright.brightness().spread)
    assert far.verdict == "doubtful"
    assert any("the latent lies" in reason for reason in far.because)
    other = replace(editor, apart=editor.apart / 100).edit(bright.face(10), bright.brightness(), 1.0)
    assert any("the identity moved by" in reason for reason in other.because)
    flagged = replace(bright.brightness(), flags=("tells only 60% of unseen latents apart",))
    assert flagged.flags[0] in editor.edit(bright.face(10), flagged, 0.01).because


def test_a_smile_out_of_reach_is_reported() -> None:
    across = replace(bright.brightness(), spread=1e-4)
    edit = bright.editor().to_smile(bright.darkest(), across, 1.0)
    assert edit.verdict == "doubtful"
    assert any("asked for 1.00" in reason for reason in edit.because)


def _landmarks(side: int) -> Points:
    """Landmarks of an upright face that fills half of a picture."""
    angles = np.linspace(0, math.pi, 17)
    points = np.full((68, 2), 0.5)
    points[:17] = np.stack([0.5 - 0.25 * np.cos(angles), 0.45 + 0.3 * np.sin(angles)], axis=1)
    points[36:42], points[42:48] = (0.4, 0.45), (0.6, 0.45)
    points[48], points[54] = (0.42, 0.65), (0.58, 0.65)
    return points * side


def _local_editor() -> tuple[LatentEditor, Inversion, Direction]:
    """Editor of local edits, a face that was tuned, and a direction with two layers."""
    side = shared_generator().config.resolution
    editor = replace(bright.editor(), find=lambda pixels: _landmarks(side)[None], apart=1e6)
    return editor, replace(bright.face(10), method="pti"), replace(bright.brightness(), layers=(1, 2))


def test_a_tuned_face_is_edited_locally() -> None:
    editor, face, direction = _local_editor()
    edit = editor.edit(face, direction, 1.0)
    moved = (edit.w - face.w).abs().amax(dim=(0, 2)) > 0
    assert moved.nonzero().flatten().tolist() == [1, 2]
    changed = (edit.image - edit.before).abs().amax(dim=(0, 1))
    side = shared_generator().config.resolution
    assert edit.local
    assert changed[: side // 4].max() == changed[:, : side // 8].max() == 0
    assert changed[side // 2 : side * 5 // 8, side // 2].max() > 0


def test_other_edits_change_the_whole_picture() -> None:
    editor, face, direction = _local_editor()
    no_face = replace(editor, find=lambda pixels: np.full((1, 68, 2), np.nan))
    age = replace(direction, name="age")
    for one, given, along in (
        (replace(editor, find=None), face, direction),
        (editor, bright.face(10), direction),
        (no_face, face, direction),
        (editor, face, age),
    ):
        edit = one.edit(given, along, 1.0)
        assert not edit.local
        torch.testing.assert_close(edit.w, given.w + direction.vector)


def test_a_local_edit_goes_no_further_than_the_face_stays_whole() -> None:
    editor, face, direction = _local_editor()
    now = editor.edit(face, direction, 0.0).smile[0]

    def read(images: torch.Tensor) -> FaceReading:
        reading = bright.read(images)
        return replace(reading, scores=np.where(reading.smile > now + 0.04, np.nan, 1.0))

    along = replace(direction, layers=())
    edit = replace(editor, reader=read).to_smile(face, along, 1.0)
    assert edit.verdict == "doubtful"
    assert now < edit.smile[1] <= now + 0.04
    fragile = replace(editor, reader=lambda images: replace(read(images), scores=1.0 * (read(images).smile == now)))
    unchanged = fragile.to_smile(face, along, 1.0)
    assert (unchanged.verdict, unchanged.strength) == ("refused", 0)


def test_what_cannot_be_edited_is_refused() -> None:
    editor = bright.editor()
    with pytest.raises(DirectionError, match="a smile of 2; expected a number in"):
        editor.to_smile(bright.face(10), bright.brightness(), 2)
    two = wrap_generated(shared_generator(), bright.latents()[:2, None].repeat(1, shared_generator().config.num_ws, 1))
    with pytest.raises(DirectionError, match="2 faces at once"):
        editor.edit(two, bright.brightness(), 1)
    with pytest.raises(DirectionError, match="has 3 dimensions, the face's latent 16"):
        editor.edit(bright.face(10), replace(bright.brightness(), vector=torch.ones(3)), 1)


@pytest.mark.parametrize(("target", "found"), [(0.5, 1.0), (0.9, 1.8), (0.0, 0.0), (-0.4, -0.8)])
def test_the_search_finds_where_a_measure_meets_its_target(target: float, found: float) -> None:
    assert search_strength(lambda strength: strength / 2, target, 0.3, 10) == pytest.approx(found, abs=0.06)


def test_the_search_stays_within_its_bounds_and_where_something_is_measured() -> None:
    assert search_strength(lambda strength: strength / 100, 1.0, 0.3, 2) == 2
    seen = search_strength(lambda strength: math.nan if strength > 1.5 else strength / 4, 1.0, 0.3, 10)
    assert 1.2 < seen <= 1.5


def test_the_region_holds_nearly_all_latents() -> None:
    region = LatentRegion.of(bright.latents())
    inside = region.distance(bright.latents()) <= region.limit
    assert 0.99 < inside.float().mean() < 1
    assert region.distance(bright.latents()).square().mean().item() == pytest.approx(16, rel=0.01)
    with pytest.raises(DirectionError, match="expected 160 or more"):
        LatentRegion.of(bright.latents()[:100])


def test_a_face_is_edited_in_its_own_precision() -> None:
    generator, w = shared_generator(), bright.face(5).w
    exact, fast = (
        bright.editor().edit(wrap_generated(generator, w, precision), bright.brightness(), 0.5)
        for precision in ("float32", "bfloat16")
    )
    assert (exact.precision, fast.precision) == ("float32", "bfloat16")
    torch.testing.assert_close(exact.w, fast.w)
    for latent, sharp, coarse in ((w, exact.before, fast.before), (fast.w, exact.image, fast.image)):
        assert torch.equal(coarse, wrap_generated(generator, latent, "bfloat16").reconstruction)
        # Where the processor has no instructions for bfloat16, the convolutions are in float32.
        assert (sharp - coarse).abs().max() < 0.1
        assert torch.equal(sharp, coarse) != onednn_convolves(torch.bfloat16)
