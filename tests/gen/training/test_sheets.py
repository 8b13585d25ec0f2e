from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.errors import ConfigError
from gen.networks import Generator
from gen.training.run import cells_sheet, progression_sheet
from tests.gen.training.tiny import GENERATOR


@pytest.fixture
def generator() -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Generator(GENERATOR).eval().requires_grad_(False)


def test_sheets_are_the_same_people_every_time_and_follow_the_weights(generator: Generator) -> None:
    for sheet in (progression_sheet, cells_sheet):
        first = sheet(generator)
        assert first.dtype == np.uint8
        assert first.shape[2] == 3
        assert np.array_equal(first, sheet(generator))
        bias = generator.get_parameter("synthesis.b16.torgb.bias")
        bias.add_(1)
        assert not np.array_equal(first, sheet(generator))
        bias.sub_(1)


def test_a_sheet_has_a_line_for_each_person_of_each_condition(generator: Generator) -> None:
    one, two, three = (progression_sheet(generator, persons).shape[0] for persons in (1, 2, 3))
    assert two - one == three - two > 0
    assert cells_sheet(generator, 3).shape == progression_sheet(generator, 3).shape


def test_a_generator_without_labels_is_refused() -> None:
    with pytest.raises(ConfigError, match="the generator has no vocabulary; expected a conditional one"):
        progression_sheet(Generator(replace(GENERATOR, vocabulary=None)))
