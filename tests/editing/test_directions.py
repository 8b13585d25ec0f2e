from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from core.errors import DirectionError
from editing.directions import Direction, fit, measure_accuracy, remeasure
from tests.data.fill import filled
from tests.gen.fixtures import fixture

FIXTURE = fixture("interfacegan_64")
LATENTS = filled("latents", (1200, 64))


def unit(vector: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float64)


TRUE = unit(filled("true", (64,)))
OTHER = unit(0.6 * TRUE + 0.8 * unit(filled("other", (64,))))
SCORES = LATENTS @ TRUE + 0.3 * filled("noise", (1200,))
OTHER_SCORES = LATENTS @ OTHER + 0.3 * filled("noise2", (1200,))


def cosine(direction: Direction, vector: npt.NDArray[Any] | torch.Tensor) -> float:
    return float(direction.vector.double() @ torch.as_tensor(vector).double().flatten())


def given(name: str) -> Direction:
    return Direction(FIXTURE[name].flatten().float(), name, 0, 1, (1, 1), 1, 1, 1)


def test_the_published_boundaries_are_found_again() -> None:
    smile, other = fit(LATENTS, SCORES, extremes=0.5), fit(LATENTS, OTHER_SCORES, extremes=0.5)
    assert cosine(smile, FIXTURE["boundary"]) >= 0.999
    assert cosine(other, FIXTURE["boundary_other"]) >= 0.999
    assert smile.vector.norm().item() == pytest.approx(1)


def test_projections_and_steps_are_the_published_ones() -> None:
    one = given("boundary").independent_of(given("boundary_other"))
    two = given("boundary").independent_of(given("boundary_other"), given("third"))
    torch.testing.assert_close(one.vector, FIXTURE["projected"].flatten().float(), atol=1e-5, rtol=0)
    torch.testing.assert_close(two.vector, FIXTURE["projected_two"].flatten().float(), atol=1e-5, rtol=0)
    assert one.independent == ("boundary_other",)
    assert any("before other directions" in flag for flag in one.flags)
    steps = given("boundary").place(torch.from_numpy(LATENTS[0]), torch.linspace(-3, 3, 7))
    torch.testing.assert_close(steps, FIXTURE["interpolated"].float(), atol=1e-5, rtol=0)


def test_true_labels_find_the_true_direction_whatever_their_share() -> None:
    labels = np.quantile(SCORES, 0.85) < SCORES
    direction = fit(LATENTS, labels, name="smile", seed=3, origin={"generator": "g"})
    assert cosine(direction, TRUE) > 0.95
    assert (direction.positive, direction.negative) == (180, 1020)
    assert direction.interval[0] < direction.accuracy < direction.interval[1]
    assert direction.accuracy > 0.85
    assert direction.flags == ()
    assert direction.spread == pytest.approx((LATENTS @ direction.vector.numpy()).std(), rel=1e-4)
    again = fit(torch.from_numpy(LATENTS)[:, None].expand(-1, 3, -1), torch.from_numpy(labels).int(), seed=4)
    assert cosine(again, direction.vector) == pytest.approx(1, abs=1e-5)


def test_latents_move_and_are_placed() -> None:
    direction = given("boundary")
    w = torch.from_numpy(LATENTS[:2]).float()[:, None].repeat(1, 3, 1)
    moved = direction.move(w, torch.tensor([1.0, -2.0]))
    torch.testing.assert_close(
        direction.position(moved) - direction.position(w),
        torch.tensor([[1.0] * 3, [-2.0] * 3]),
        atol=1e-5,
        rtol=0,
    )


def test_what_others_share_is_taken_out_and_measured_anew() -> None:
    smile, other = fit(LATENTS, SCORES, extremes=0.5), fit(LATENTS, OTHER_SCORES, extremes=0.5, name="other")
    alone = smile.independent_of(other)
    assert cosine(alone, other.vector) == pytest.approx(0, abs=1e-5)
    labels = np.median(SCORES) < SCORES
    again = remeasure(alone, LATENTS, labels)
    assert 0.6 < again.accuracy < smile.accuracy
    assert not any("before other directions" in flag for flag in again.flags)
    with pytest.raises(DirectionError, match="nothing is left"):
        smile.independent_of(smile)
    with pytest.raises(DirectionError, match=r"expected \(64,\)"):
        smile.independent_of(torch.ones(3))


@pytest.mark.parametrize(
    ("labels", "options", "says"),
    [
        (SCORES, {}, "are no labels; say which are examples of what"),
        (SCORES, {"extremes": 0.7}, r"expected a share in \(0, 0.5\]"),
        (SCORES, {"extremes": 0.3, "threshold": 0.0}, "exclude each other"),
        ((SCORES > 1.0).astype(float), {"extremes": 0.5}, "meet in ties at 0"),
        (np.ones(1200), {}, "all 1200 latents are of one class"),
        (np.arange(1200) < 5, {}, "5 examples with and 1195 without; expected 10"),
        (np.arange(1200) % 2, {}, "could be chance"),
        (SCORES[:7], {}, r"expected \(1200,\) finite numbers"),
        (np.full(1200, np.nan), {"threshold": 0.0}, "finite numbers"),
    ],
)
def test_examples_that_make_no_direction_are_refused(
    labels: npt.NDArray[Any], options: dict[str, float], says: str
) -> None:
    with pytest.raises(DirectionError, match=says):
        fit(LATENTS, labels, **options)  # type: ignore[arg-type]


def test_latents_that_differ_from_layer_to_layer_are_refused() -> None:
    with pytest.raises(DirectionError, match="differ from layer to layer"):
        fit(LATENTS.reshape(400, 3, 64), SCORES[:400], extremes=0.5)
    with pytest.raises(DirectionError, match="latents are"):
        fit(np.full((1200, 64), np.inf), SCORES, extremes=0.5)


def test_a_direction_that_is_often_wrong_is_flagged() -> None:
    noisy = LATENTS @ TRUE + 1.5 * filled("more noise", (1200,)) > 0
    direction = fit(LATENTS, noisy)
    assert direction.accuracy < 0.8
    assert any("tells only" in flag for flag in direction.flags)


def test_the_accuracy_is_that_of_both_classes_alike() -> None:
    positive = np.arange(100) < 10
    accuracy, (low, high) = measure_accuracy(np.arange(100) >= 5, positive)
    assert accuracy == pytest.approx(0.75)
    assert low < 0.75 < high
    assert high - low > 0.2
