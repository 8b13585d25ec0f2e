from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.errors import ConfigError
from gen.networks import Generator
from gen.torch_inference import convert_generator
from gen.training.run import cells_sheet, progression_sheet
from tests.gen.training.tiny import GENERATOR


@pytest.fixture
def generator() -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Generator(GENERATOR).eval().requires_grad_(False)


def test_sheets_are_the_same_people_every_time_and_follow_the_weights(generator: Generator) -> None:
    for sheet in (progression_sheet, cells_sheet):
        first = sheet(convert_generator(generator))
        assert first.dtype == np.uint8
        assert first.shape[2] == 3
        assert np.array_equal(first, sheet(convert_generator(generator)))
        bias = generator.get_parameter("synthesis.b16.torgb.bias")
        bias.add_(1)
        assert not np.array_equal(first, sheet(convert_generator(generator)))
        bias.sub_(1)


def test_a_sheet_has_a_line_for_each_person_of_each_condition(generator: Generator) -> None:
    converted = convert_generator(generator)
    one, two, three = (progression_sheet(converted, persons).shape[0] for persons in (1, 2, 3))
    assert two - one == three - two > 0
    assert cells_sheet(converted, 3).shape == progression_sheet(converted, 3).shape


def test_a_generator_without_labels_is_refused() -> None:
    with pytest.raises(ConfigError):
        progression_sheet(convert_generator(Generator(replace(GENERATOR, vocabulary=None))))
