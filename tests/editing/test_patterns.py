"""Patterns: what changes one attribute and leaves the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.errors import DirectionError
from editing.directions import fit
from editing.face_readers import AGE, SMILE, FaceReading, describe_surroundings
from editing.latent_editor import find_side_effects
from editing.patterns import IDENTITY, fit_patterns
from tests.editing import bright

CONDITIONS = np.array(["WS", "other"])


def known_latents(count: int) -> tuple[torch.Tensor, FaceReading, np.ndarray, np.ndarray]:
    """Latents that are a sum of known patterns, of attributes that go together, and a little noise."""
    rng = np.random.default_rng(0)
    member = np.arange(count) % 2
    who = rng.normal(size=(count, 2))
    smile = 0.5 + 0.1 * who[:, 0] + 0.1 * rng.normal(size=count) + 0.1 * member
    age = np.exp(2 + 0.5 * smile + 0.3 * rng.normal(size=count)) - 1
    true = rng.normal(size=(5, 16))
    told = np.column_stack([smile, np.log1p(age), member, who])
    w = told @ true + 0.01 * rng.normal(size=(count, 16))
    return (
        torch.from_numpy(w),
        FaceReading({SMILE: smile, AGE: age}, who, np.empty((count, 0))),
        CONDITIONS[member],
        true,
    )


def test_a_pattern_is_what_an_attribute_does_on_its_own() -> None:
    w, read, conditions, true = known_latents(2_000)
    found = fit_patterns(w, read, conditions)
    assert set(found) == {SMILE, AGE, "WS", "other", IDENTITY}
    for name, place in ((SMILE, 0), (AGE, 1)):
        torch.testing.assert_close(found[name][0].double(), torch.from_numpy(true[place]), atol=0.02, rtol=0)
    torch.testing.assert_close((found["other"] - found["WS"])[0].double(), torch.from_numpy(true[2]), atol=0.02, rtol=0)
    torch.testing.assert_close(found[IDENTITY].double(), torch.from_numpy(true[3:]), atol=0.02, rtol=0)
    same = fit_patterns(w, replace(read, identity=read.identity[:, :1], traits=read.identity[:, 1:]), conditions)
    torch.testing.assert_close(same[SMILE], found[SMILE])
    assert same[IDENTITY].shape == (1, 16)


def test_the_normal_is_no_pattern() -> None:
    """The normal of the classifier leans away from what goes with the smile; the pattern is the smile's own."""
    w, read, conditions, true = known_latents(2_000)
    own = true[0] / np.linalg.norm(true[0])
    direction = fit(w, read.smile > 0.5)
    found = fit_patterns(w, read, conditions)
    along = direction.with_pattern(found[SMILE][0], w)
    assert along.pattern is not None
    assert along.pattern.norm().item() == pytest.approx(1)
    assert along.pattern.double().numpy() @ own > 0.999
    assert direction.vector.double().numpy() @ own < 0.95
    torch.testing.assert_close(along.vector, direction.vector)
    torch.testing.assert_close(along.move(w[:3].float(), 2.0), w[:3].float() + 2 * along.pattern)
    assert along.spread == pytest.approx((w.numpy() @ along.pattern.double().numpy()).std())


def test_faces_that_cannot_be_read_are_left_out() -> None:
    w, read, conditions, _ = known_latents(400)
    smile = read.smile.copy()
    smile[::3] = np.nan
    some = fit_patterns(w, replace(read, attributes={**read.attributes, SMILE: smile}), conditions)
    here = np.isfinite(smile)
    same = fit_patterns(w[torch.from_numpy(here)], read[here], conditions[here])
    torch.testing.assert_close(some[SMILE], same[SMILE])
    with pytest.raises(DirectionError, match=r"20 faces can be read, for 6 attributes .* expected 60 or more"):
        fit_patterns(w[:20], read[np.arange(400) < 20], conditions[:20])


def test_one_condition_has_no_pattern_of_its_own() -> None:
    w, read, _, _ = known_latents(400)
    assert set(fit_patterns(w, read, np.full(400, ""))) == {SMILE, AGE, IDENTITY}


def test_what_should_stay_is_led_back() -> None:
    """With the pattern of the age known, the age of a face that is moved stays nearer to what it was."""
    nobody = np.empty((600, 0))  # colours are all that these faces have, and smile and age are colours
    kept = fit_patterns(bright.latents(), FaceReading(bright.readings().attributes, nobody, nobody), np.full(600, ""))
    direction, editor = bright.brightness(), bright.editor()
    holding = replace(editor, patterns={AGE: kept[AGE]})
    free, held = [], []
    for seed in (3, 5, 10):
        face = bright.face(seed)
        free.append(editor.edit(face, direction, 3 * direction.spread))
        held.append(holding.edit(face, direction, 3 * direction.spread))
        assert not free[-1].held
        moved = (
            direction.move(face.w, 3 * direction.spread)
            + 3 * direction.spread * torch.from_numpy(held[-1].held.get(AGE, np.zeros(1))).float() @ kept[AGE]
        )
        torch.testing.assert_close(held[-1].w, moved)
    assert sum(abs(edit.age_years or 0) for edit in held) < 0.7 * sum(abs(edit.age_years or 0) for edit in free)


def test_another_condition_is_led_back_and_the_attribute_itself_is_not_held() -> None:
    def reads(smile: float, years: float, own: float, who: float = 0.0) -> FaceReading:
        chances = {"WS": own, "other": 0.9 - own, "unaffected": 0.1}
        attributes = {SMILE: smile, AGE: years, **chances}
        values = {name: np.array([value]) for name, value in attributes.items()}
        return FaceReading(values, np.array([[who, 0.0]]), np.empty((1, 0)))

    was = reads(0.2, 9.0, 0.85)
    assert find_side_effects(was, reads(0.9, 9.1, 0.8, 0.3), SMILE, apart=2) == {}
    assert find_side_effects(was, reads(0.9, 9.0, 0.2), SMILE, apart=2) == pytest.approx({"WS": -0.7, "other": 0.7})
    assert find_side_effects(was, reads(0.3, 19.0, 0.85), AGE, apart=2) == pytest.approx({SMILE: 0.1})
    assert find_side_effects(was, reads(0.3, 19.0, 0.85), SMILE, apart=2) == pytest.approx({AGE: np.log(2)})
    found = find_side_effects(was, reads(0.3, 9.0, 0.85, 0.5), SMILE, apart=2)
    assert found.keys() == {IDENTITY}
    np.testing.assert_allclose(found[IDENTITY], [0.5, 0])
    unread = reads(0.9, float("nan"), 0.85, float("nan"))
    assert find_side_effects(was, unread, SMILE, apart=2) == {}


def test_surroundings_see_everything_but_the_mouth() -> None:
    image = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (1, 3, 128, 128))).float()
    mouth, hair = image.clone(), image.clone()
    mouth[:, :, 82:110, 40:88] = 1
    hair[:, :, 4:12, 40:60] = 1
    seen = describe_surroundings(image)
    assert seen.shape == (1, 216)
    np.testing.assert_array_equal(describe_surroundings(mouth), seen)
    assert np.abs(describe_surroundings(hair) - seen).max() > 0.3
    soft = torch.nn.functional.avg_pool2d(image, 5, 1, 2)
    assert describe_surroundings(soft)[:, 162:].mean() < 0.5 * seen[:, 162:].mean()
    np.testing.assert_allclose(
        describe_surroundings(image[..., ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3))[:, :162],
        describe_surroundings(image[..., ::2, ::2])[:, :162],
        atol=1e-6,
    )
