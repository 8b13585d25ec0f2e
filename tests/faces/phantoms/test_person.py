from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from core.errors import LabelError
from faces.detect import FaceDetector
from faces.labels import AGE_GROUPS, CONDITIONS
from faces.phantoms.anatomy import growth_at
from faces.phantoms.drawing import RenderedPhantom, draw_phantom, locate_landmarks
from faces.phantoms.person import TRAITS, Phantom, Trait, attributes, identity_vector, phantom, random_phantom

Values = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def people(count: int, seed: int = 0) -> list[Phantom]:
    rng = np.random.Generator(np.random.PCG64(seed))
    return [random_phantom(rng) for _ in range(count)]


def discriminant_accuracy(values: Values, labels: Labels) -> float:
    """Linear discriminant fitted on the first half, tested on the second."""
    half = len(labels) // 2
    means = np.array([values[:half][labels[:half] == k].mean(0) for k in range(len(CONDITIONS))])
    within = np.atleast_2d(np.cov((values[:half] - means[labels[:half]]).T))
    weights = np.linalg.solve(within, means.T)
    scores = values[half:] @ weights - 0.5 * (means.T * weights).sum(0)
    return float((scores.argmax(1) == labels[half:]).mean())


def histogram_accuracy(values: Values, labels: Labels) -> float:
    """The best guess from one attribute: the commonest label in each of 30 equally filled bins."""
    half = len(labels) // 2
    bins = np.digitize(values, np.quantile(values[:half], np.linspace(0, 1, 31)[1:-1]))
    count = np.zeros((30, len(CONDITIONS)))
    np.add.at(count, (bins[:half], labels[:half]), 1)
    return float((count.argmax(1)[bins[half:]] == labels[half:]).mean())


@pytest.fixture(scope="module")
def crowd() -> list[Phantom]:
    return people(4000)


@pytest.fixture(scope="module")
def crowd_labels(crowd: list[Phantom]) -> Labels:
    return np.array([CONDITIONS.index(p.condition) for p in crowd])


def test_all_traits_together_tell_the_condition_and_none_alone(crowd: list[Phantom], crowd_labels: Labels) -> None:
    values = np.array([list(attributes(p).values()) for p in crowd])
    assert discriminant_accuracy(values, crowd_labels) >= 0.99
    alone = {t.name: histogram_accuracy(values[:, i], crowd_labels) for i, t in enumerate(TRAITS)}
    assert max(alone.values()) <= 0.60, alone


def test_every_condition_has_several_traits_and_the_unaffected_none() -> None:
    moved = {c: [t.name for t in TRAITS if t.shifts.get(c)] for c in CONDITIONS}
    assert moved["unaffected"] == []
    assert all(len(moved[c]) >= 6 for c in CONDITIONS if c != "unaffected")


def test_looks_and_smile_say_nothing_about_the_condition(crowd: list[Phantom], crowd_labels: Labels) -> None:
    looks = np.array([[*identity_vector(p), p.smile, p.age_years, p.looks.hair_style] for p in crowd])
    assert discriminant_accuracy(looks, crowd_labels) == pytest.approx(0.25, abs=0.035)


def test_a_person_keeps_all_but_the_shifts_with_another_condition() -> None:
    unaffected, affected = (phantom(c, 8, 0.3, 5) for c in ("unaffected", "WS"))
    assert unaffected.looks == affected.looks
    for trait in TRAITS:
        moved = attributes(affected)[trait.name] - attributes(unaffected)[trait.name]
        assert moved == pytest.approx(trait.deviation * trait.shifts.get("WS", 0.0))


def test_a_person_keeps_traits_and_looks_at_another_age_with_another_smile() -> None:
    young, old = phantom("other", 1, 0, 9), phantom("other", 70, 1, 9)
    assert (young.traits, young.looks) == (old.traits, old.looks)
    assert phantom("other", 1, 0, 10).looks != young.looks


def test_the_same_phantom_is_drawn_the_same() -> None:
    first, second = (draw_phantom(phantom("WS", 30, 0.6, 3), 64) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.landmarks, second.landmarks)


@pytest.mark.parametrize(
    ("drawn", "tones"),
    [
        (
            phantom("WS", 1, 0.9, 1),
            [[124, 115, 108, 119], [113, 118, 112, 108], [107, 104, 100, 102], [92, 87, 85, 89]],
        ),
        (
            phantom("22q11DS", 30, 0, 2),
            [[181, 115, 116, 159], [164, 180, 155, 144], [165, 192, 155, 143], [144, 156, 141, 128]],
        ),
        (
            phantom("other", 70, 0.5, 3),
            [[60, 156, 146, 54], [81, 184, 169, 73], [65, 174, 155, 59], [53, 131, 131, 60]],
        ),
    ],
    ids=lambda value: value.condition if isinstance(value, Phantom) else "",
)
def test_phantoms_stay_those_that_the_shipped_weights_were_trained_on(drawn: Phantom, tones: list[list[int]]) -> None:
    blocks = draw_phantom(drawn, 64).image.mean(2).reshape(4, 16, 4, 16).mean((1, 3))
    np.testing.assert_allclose(blocks, tones, atol=1.5)


@pytest.fixture(scope="module")
def large() -> RenderedPhantom:
    return draw_phantom(phantom("22q11DS", 14, 0.5, 4), 512)


@pytest.mark.parametrize("size", [32, 64, 100, 256, 300])
def test_any_size_shows_the_same_picture(size: int, large: RenderedPhantom) -> None:
    one = phantom("22q11DS", 14, 0.5, 4)
    small = draw_phantom(one, size)
    np.testing.assert_allclose(locate_landmarks(one, size), small.landmarks, atol=1e-9)
    assert small.image.shape == (size, size, 3)
    assert small.image.dtype == np.uint8
    assert small.landmarks.dtype == np.float64
    np.testing.assert_allclose((small.landmarks + 0.5) / size, (large.landmarks + 0.5) / 512, atol=1e-12)
    blocks = np.linspace(0, 1, 9)
    tones = [
        [
            picture[int(a * n) : int(b * n), int(c * n) : int(d * n)].mean()
            for a, b in pairwise(blocks)
            for c, d in pairwise(blocks)
        ]
        for picture, n in ((small.image, size), (large.image, 512))
    ]
    assert np.abs(np.array(tones[0]) - tones[1]).mean() < 4


def test_landmarks_are_ordered_as_a_face_is() -> None:
    for one in people(60, seed=3):
        points = locate_landmarks(one, 32)
        assert points.shape == (68, 2)
        assert np.all(np.diff(points[:17, 0])[3:13] > 0)
        assert points[36:42, 0].max() < points[27, 0] < points[42:48, 0].min()
        rows = [points[17:27], points[36:48], points[27:36], points[48:68], points[8:9]]
        assert all(a[:, 1].mean() < b[:, 1].mean() for a, b in pairwise(rows))
        assert points[8, 1] > points[57, 1]
        assert points[62, 1] <= points[66, 1]


def test_eyes_stay_where_alignment_puts_them() -> None:
    for one in people(60, seed=4):
        points = locate_landmarks(one, 32) / 32
        left, right = points[36:42].mean(0), points[42:48].mean(0)
        np.testing.assert_allclose((left + right) / 2, [0.5, 0.47], atol=0.03)
        assert 0.20 < np.linalg.norm(right - left) < 0.30


@pytest.fixture(scope="module")
def unmoved() -> list[RenderedPhantom]:
    return [draw_phantom(phantom("unaffected", 25, 0.2, identity), 64) for identity in range(3)]


@pytest.mark.parametrize("trait", [t for t in TRAITS if t.shifts], ids=lambda t: t.name)
def test_each_shift_is_visible_at_64_pixels(trait: Trait, unmoved: list[RenderedPhantom]) -> None:
    """The shift of one trait alone changes the 64-px picture somewhere by well more than noise."""
    condition, shift = next(iter(trait.shifts.items()))
    changes = []
    for identity in range(len(unmoved)):
        before = phantom("unaffected", 25, 0.2, identity)
        moved = {**before.traits, trait.name: before.traits[trait.name] + trait.deviation * shift}
        difference = draw_phantom(replace(before, traits=moved), 64).image.astype(int) - unmoved[identity].image
        changes.append(np.abs(difference).mean(2).max())
    assert np.median(changes) >= 10, (condition, changes)


def test_growth_is_monotone_and_every_border_of_age_is_visible() -> None:
    years = np.linspace(0, 90, 181)
    for name in ("lower_face", "nose", "relief", "wrinkles", "sag"):
        assert np.all(np.diff([getattr(growth_at(y), name) for y in years]) >= 0), name
    for name in ("eye", "iris", "chubby", "cranium"):
        assert np.all(np.diff([getattr(growth_at(y), name) for y in years]) <= 0), name
    for group in AGE_GROUPS[1:]:
        border = group.from_years
        margin = 1 if border < 10 else 3
        for identity in range(2):
            below, above = (
                draw_phantom(phantom("unaffected", border + d, 0.2, identity), 64).image.astype(int)
                for d in (-margin, margin)
            )
            assert np.abs(above - below).mean(2).max() >= 12, (border, identity)


def test_a_smile_widens_and_opens_the_mouth_and_raises_its_corners() -> None:
    grave, smiling = (locate_landmarks(phantom("unaffected", 30, s, 2), 256) for s in (0.0, 1.0))
    width = [p[54, 0] - p[48, 0] for p in (grave, smiling)]
    gap = [p[66, 1] - p[62, 1] for p in (grave, smiling)]
    corner = [p[[48, 54], 1].mean() - p[62, 1] for p in (grave, smiling)]
    assert width[1] > width[0] + 5
    assert gap[1] > gap[0] + 5
    assert corner[1] < corner[0] - 2


def test_dlib_finds_each_face_where_it_is(detector: FaceDetector) -> None:
    errors, found_one = [], 0
    crowd = people(40, seed=6)
    for one in crowd:
        drawn = draw_phantom(one, 256)
        faces = detector.detect(drawn.image)
        found_one += len(faces) == 1
        if faces:
            left, right = drawn.landmarks[36:42].mean(0), drawn.landmarks[42:48].mean(0)
            distance = np.linalg.norm(faces[0].landmarks - drawn.landmarks, axis=1).mean()
            errors.append(distance / np.linalg.norm(right - left))
    assert found_one >= 39
    assert np.mean(errors) <= 0.08


@pytest.mark.parametrize(
    ("condition", "age_years", "smile", "named"),
    [
        ("Noonan", 3, 0, "Noonan"),
        ("WS", -0.1, 0, "-0.1"),
        ("WS", 121, 0, "121"),
        ("WS", float("nan"), 0, "nan"),
        ("WS", 3, 1.01, "1.01"),
        ("WS", 3, float("nan"), "nan"),
    ],
)
def test_what_cannot_be_drawn_is_refused(condition: str, age_years: float, smile: float, named: str) -> None:
    with pytest.raises(LabelError, match=named):
        phantom(condition, age_years, smile, 0)


def test_a_negative_identity_is_refused() -> None:
    with pytest.raises(LabelError, match="-1"):
        phantom("WS", 3, 0, -1)


def test_what_is_given_is_not_drawn_and_leaves_the_rest_alone() -> None:
    free, fixed = (
        random_phantom(np.random.Generator(np.random.PCG64(8)), **given)  # type: ignore[arg-type]
        for given in ({}, {"condition": "WS", "age_years": 4.0, "smile": 0.9})
    )
    assert (fixed.condition, fixed.age_years, fixed.smile) == ("WS", 4.0, 0.9)
    assert fixed.identity == free.identity
