from __future__ import annotations

import numpy as np
import pytest

from core.errors import ConfigError
from studies.analysis.agreement import (
    compute_fleiss_kappa,
    compute_krippendorff_alpha,
    measure_agreement,
    measure_term_agreement,
)
from studies.answers.rating_sheets import Rating
from studies.answers.table import Answer

FLEISS = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)
"""Example of 14 raters, whose kappa is 0.210."""


def test_fleiss_kappa_is_that_of_the_textbook() -> None:
    assert compute_fleiss_kappa(FLEISS) == pytest.approx(0.210, abs=5e-4)


def test_krippendorffs_alpha_is_that_of_the_textbook() -> None:
    """Nominal alpha of four observers and twelve units with missing ratings (Krippendorff 2011) is 0.743."""
    units = [
        {1: 3},
        {2: 3, 3: 1},
        {3: 4},
        {3: 4},
        {2: 4},
        {1: 1, 2: 1, 3: 1, 4: 1},
        {4: 4},
        {1: 3, 2: 1},
        {2: 4},
        {5: 3},
        {1: 2},
    ]
    counts = np.array([[unit.get(value, 0) for value in range(1, 6)] for unit in units])
    assert compute_krippendorff_alpha(counts) == pytest.approx(0.743, abs=5e-4)


def test_agreement_is_one_and_nothing_at_the_ends() -> None:
    agreed = np.array([[4, 0], [0, 5], [3, 0]])
    assert compute_fleiss_kappa(agreed) == compute_krippendorff_alpha(agreed) == 1
    assert np.isnan(compute_fleiss_kappa(np.array([[3, 0], [4, 0]])))
    chance = np.random.default_rng(0).multinomial(20, [0.5, 0.5], 400)
    assert compute_krippendorff_alpha(chance) == pytest.approx(0, abs=0.02)
    with pytest.raises(ConfigError):
        compute_fleiss_kappa(np.array([[1, 0], [2, 3]]))


def test_answers_are_measured_by_variant() -> None:
    options = ("WS", "AS")
    answers = [
        Answer(f"P{p}", f"{variant}{f}", f"f{f}", "WS", variant, options[(f + p * scatter) % 2])
        for p in range(6)
        for f in range(8)
        for variant, scatter in (("reconstructed", 1), ("edited", 0))
    ]
    whole, reconstructed, edited = measure_agreement(answers, resamples=100)
    assert edited.krippendorff_alpha.value == 1
    assert reconstructed.krippendorff_alpha.value < 0.1
    assert whole.images == 16
    assert whole.fleiss_kappa.low < whole.fleiss_kappa.value <= whole.fleiss_kappa.high


def test_images_of_one_face_count_once() -> None:
    """A second image of each face, judged as the first, tells nothing about other faces."""
    once, twice = (
        [
            Answer(f"P{p}", f"{f} {image}", f"f{f}", "WS", "edited", "WS" if (f * p) % 3 else "AS")
            for f in range(9)
            for image in range(images)
            for p in range(5)
        ]
        for images in (1, 2)
    )
    assert measure_agreement(once)[0].fleiss_kappa == measure_agreement(twice)[0].fleiss_kappa


def test_agreement_of_raters_is_measured_by_term() -> None:
    ratings = [
        Rating(f"R{r}", f"i{i}", f"f{i}", "WS", "unedited", term, present=bool((i + r * scatter) % 2))
        for r in range(2)
        for i in range(8)
        for term, scatter in (("HP:0000343", 0), ("Ptosis", 1))
    ]
    alone = Rating("R1", "i1", "f1", "WS", "unedited", "Long face", present=True)
    terms = measure_term_agreement([*ratings, alone], resamples=100)
    assert {term: row.fleiss_kappa.value for term, row in terms.items()} == {"HP:0000343": 1, "Ptosis": -1}
    assert terms["Ptosis"].images == 8
