from __future__ import annotations

import numpy as np
import pytest
import torch

from core.errors import DatasetError
from recognition.explanation.regions.relevance import measure_relevance, sum_channels

MASKS = {"left": np.array([[True, False], [True, False]]), "corner": np.array([[False, True], [False, False]])}


def test_channels_are_summed_by_their_absolute_values() -> None:
    maps = torch.tensor([[[[1.0]], [[-2.0]], [[0.5]]]])
    assert sum_channels(maps).tolist() == [[[3.5]]]


def test_relevance_is_the_mean_over_the_region() -> None:
    maps = np.array([[[1.0, 5.0], [3.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert measure_relevance(maps, MASKS).tolist() == [[2.0, 5.0], [0.0, 0.0]]
    assert measure_relevance(maps, MASKS, scaled=True).tolist() == [[0.25, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize("mask", [np.zeros((2, 2), bool), np.ones((3, 2), bool)])
def test_masks_that_are_empty_or_of_another_size_are_refused(mask: np.ndarray) -> None:
    with pytest.raises(DatasetError):
        measure_relevance(np.ones((1, 2, 2)), {"nose": mask})
