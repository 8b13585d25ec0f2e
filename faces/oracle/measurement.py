"""Measurement of the networks that read phantoms, on data sets of phantoms."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.errors import DatasetError
from core.progress import SILENT, Progress
from faces.datasets.dataset import Dataset
from faces.images import Pixels
from faces.measures.reading_statistics import drift
from faces.oracle.attribute_network import Oracle, Reading, steady_entries
from faces.oracle.attribute_training import Truth, ageing_phantoms, measure, read_truth
from faces.phantoms.person import PERSON

AGEING_PEOPLE: Final = 60
"""Number of people who are drawn at five ages, to measure how far the reading of an identity drifts."""

_CHUNK: Final = 256


def measure_oracle(oracle: Oracle, path: Path, seed: int, progress: Progress = SILENT) -> dict[str, Any]:
    """Measure an oracle on a data set of phantoms, and the drift of one person's identity over five ages.

    Args:
        oracle: the network.
        path: data set that the oracle was not trained on.
        seed: seed of the people who are drawn at five ages.
        progress: shows the number of phantoms read.

    Returns:
        figures by name, JSON-able.
    """
    with Dataset.open(path) as data, progress.bar("reading", len(data)) as show:
        truth, readings = read_truth(data), []
        for start in range(0, len(data), _CHUNK):
            stop = min(start + _CHUNK, len(data))
            readings.append(oracle.read_pixels(np.stack([data.image(index) for index in range(start, stop)])))
            show(stop)
    figures = measure(oracle, Reading.cat(readings), truth)
    figures["identity_drift"] = _measure_drift(oracle, figures["identity_r2_least_of_ages"], seed)
    return figures


def _measure_drift(oracle: Oracle, least_r2: list[float], seed: int) -> dict[str, Any]:
    """Measure how far the reading of a person's identity drifts over ages, relative to the spread between people."""
    images, people = ageing_phantoms(AGEING_PEOPLE, seed)
    identity = oracle.read_pixels(images).identity.double().numpy().reshape(AGEING_PEOPLE, -1, oracle.config.identity)
    conditions = Truth.of(people).condition.numpy().reshape(AGEING_PEOPLE, -1)[:, 0]
    steady = steady_entries(least_r2) or [*range(oracle.config.identity)]
    return {
        "people": AGEING_PEOPLE,
        "steady_entries": [PERSON[place] for place in steady],
        "ratio": round(drift(identity[:, :, steady], conditions).ratio, 5),
        "ratio_of_all_entries": round(drift(identity, conditions).ratio, 5),
    }


def load_landmarks(path: Path) -> tuple[Pixels, npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Load pictures (n, h, h, 3), landmarks (n, 68, 2) and smiles (n,) of a data set of phantoms.

    Raises:
        DatasetError: the data set has no landmarks, or no smiles.
    """
    with Dataset.open(path) as data:
        points, smiles = data.landmarks(), [record.expression for record in data.records]
        if points is None or None in smiles:
            raise DatasetError(
                f"{path} has no landmarks, or no smiles; expected a data set of `gestaltgen dataset phantoms`"
            )
        return data.images(), points, np.array(smiles, dtype=np.float64)
