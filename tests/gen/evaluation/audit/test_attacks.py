"""Closeness, membership and extraction, on numbers whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faces.measures.distances import Features
from gen.evaluation.audit.closeness import Closeness, NearestTraining, measure_closeness
from gen.evaluation.audit.descriptions import PIXELS, find_nearest
from gen.evaluation.audit.extraction import Extraction, extract_people, find_groups
from gen.evaluation.audit.membership import (
    Scores,
    combine_scores,
    fit_and_score,
    make_discriminator_score,
    measure_attacks,
)
from tests.gen.fixtures import discriminator_32

RNG = np.random.default_rng(0)
TRAINED, UNSEEN, NEW = (RNG.normal(size=(300, 6)) for _ in range(3))
PERSONS = [f"person {index}" for index in range(300)]


def audit(images: Features) -> tuple[Closeness, Extraction]:
    near, others = (NearestTraining.of(rows, TRAINED, "identity") for rows in (images, UNSEEN))
    closeness = measure_closeness("identity", near, others, PERSONS)
    return closeness, extract_people("identity", images, UNSEEN, near, closeness.threshold, PERSONS)


def test_a_generator_of_new_people_is_as_near_as_unseen_people() -> None:
    closeness, extraction = audit(NEW)
    assert closeness.low <= 0.01 <= closeness.high
    assert closeness.p > 0.05
    assert closeness.near_unseen == 3
    assert closeness.persons_by_chance <= 3
    assert extraction.persons <= 1


def test_a_generator_of_copies_is_near_and_its_people_are_extracted() -> None:
    copies = np.concatenate([TRAINED[:20]] * 10 + [NEW[:100]]) + RNG.normal(scale=1e-3, size=(300, 6))
    closeness, extraction = audit(copies)
    assert closeness.share >= 200 / 300
    assert closeness.p < 1e-9
    assert 20 <= closeness.persons <= 22
    assert 20 <= extraction.groups <= 22
    assert extraction.grouped >= 200
    assert extraction.persons == 20
    assert extraction.groups_by_chance <= 1


def test_pictures_without_a_description_are_no_neighbours() -> None:
    among = TRAINED.copy()
    among[0] = np.nan
    queries = np.stack([TRAINED[0], TRAINED[1], np.full(6, np.nan)])
    distance, place = find_nearest(queries, among, "identity")
    assert distance[0] > 0
    assert (distance[1], place[1]) == (0, 1)
    assert np.isnan(distance[2])


def test_pixels_are_compared_mirrored_too() -> None:
    pictures = RNG.normal(size=(5, 16, 16, 3))
    mirrored = pictures[:, :, ::-1].reshape(5, -1)
    distance, place = find_nearest(mirrored[[3, 1]], pictures.reshape(5, -1), PIXELS)
    assert distance == pytest.approx(0)
    assert place.tolist() == [3, 1]


def test_groups_are_connected_pictures() -> None:
    line = np.array([[0.0], [1.0], [2.0], [10.0], [10.5], [20.0]])
    assert [group.tolist() for group in find_groups(line, 1.0)] == [[0, 1, 2]]


def test_an_attack_that_knows_succeeds_and_one_that_guesses_does_not() -> None:
    knows = Scores(RNG.normal(3, 1, 400), np.append(RNG.normal(0, 1, 500), np.nan))
    guesses = Scores(RNG.normal(size=400), RNG.normal(size=501))
    good, bad = measure_attacks({"knows": knows, "guesses": guesses}, (0.01, 0.001))
    assert (good.members, good.unseen) == (400, 500)
    assert good.area.low > 0.95
    assert good.p_holm < 1e-9
    assert bad.area.low < 0.5 < bad.area.high
    assert bad.p_holm > 0.05
    assert [rate.false_positives for rate in good.rates] == [0.01]  # too few for the other
    assert good.rates[0].false_found == 5
    assert good.rates[0].low > 0.5


def test_a_combination_is_fitted_on_other_people_than_it_is_measured_on() -> None:
    """Of many scores that say nothing a fit finds some that seem to; on the other half nothing is left."""
    noise = [Scores(RNG.normal(size=60), RNG.normal(size=60)) for _ in range(25)]
    (attack,) = measure_attacks({"noise": combine_scores(noise, seed=0)}, (0.2,))
    assert (attack.members, attack.unseen) == (30, 30)
    assert attack.area.p > 0.05
    shifted = [noise[0], Scores(RNG.normal(2, 1, 60), RNG.normal(size=60))]
    (attack,) = measure_attacks({"one knows": combine_scores(shifted, seed=0)}, (0.2,))
    assert attack.area.area > 0.85


def test_sources_that_differ_are_told_apart_without_a_generator() -> None:
    darker = fit_and_score(RNG.normal(size=(100, 8)), RNG.normal(0.8, 1, size=(100, 8)), seed=0)
    assert measure_attacks({"blind": darker}, (0.2,))[0].area.p < 1e-6


def test_the_discriminator_judges_each_picture_alone() -> None:
    net = discriminator_32()
    vocabulary = net.config.vocabulary
    assert vocabulary is not None
    images = RNG.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    labels = torch.rand(6, vocabulary.c_dim).numpy()
    score = make_discriminator_score(net)
    done: list[int] = []
    together, alone = score(images, labels, done.append), score(images[2:3], labels[2:3], done.append)
    assert sum(done) == 7
    assert together.std() > 0
    assert together[2:3] == pytest.approx(alone, abs=1e-4 * together.std())
