"""Nearest neighbours: the share of patients among the faces that are nearest to a face."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from recognition.syndromes.cohorts.distances import scale_to_unit_length
from recognition.syndromes.features.layout import DESCRIPTOR, Layout
from recognition.syndromes.models.estimator import Floats, Matrix
from recognition.syndromes.models.reasons import Reason

WEIGHTINGS = ("uniform", "distance")


def check_neighbours(count: int, weighting: str, faces: int) -> None:
    """Check that there are enough faces for a number of neighbours, and that the weighting is one of WEIGHTINGS.

    Raises:
        ConfigError: they are too few, or it is another one.
    """
    if not 1 <= count <= faces:
        raise ConfigError(f"{count} neighbours among {faces} faces; expected 1 or more, and as many faces")
    if weighting not in WEIGHTINGS:
        raise ConfigError(f"weighting is {weighting!r}; expected one of {', '.join(WEIGHTINGS)}")


def unit_descriptors(X: Matrix, layout: Layout) -> Floats:
    """Return the descriptors (n, d) of faces, scaled to length 1."""
    return scale_to_unit_length(X[:, layout[DESCRIPTOR]])


def measure_to_faces(rows: Floats, known: Floats) -> Floats:
    """Compute the Euclidean distances (n, m) from rows (n, d) to known faces (m, d).

    Each is computed on its own, so that it does not depend on the other rows.
    """
    return np.array([np.linalg.norm(known - row, axis=1) for row in rows]).reshape(len(rows), len(known))


def share_patients(distances: Floats, patients: npt.NDArray[np.bool_], count: int, weighting: str) -> Floats:
    """Compute the share of patients (n,) among the `count` nearest of m faces; of equally near faces the first counts.

    Args:
        distances: (n, m).
        patients: (m,).
        weighting: "uniform", or "distance" for weights 1 / distance; a face at distance 0 then decides alone.
    """
    nearest = _sort_nearest(distances, count)
    weights = _weigh(np.take_along_axis(distances, nearest, axis=1), weighting)
    shares: Floats = (weights * patients[nearest]).sum(axis=1)
    return shares


def count_patients(
    name: str, distances: Floats, patients: npt.NDArray[np.bool_], count: int, weighting: str = "uniform"
) -> Reason:
    """Count the patients among the nearest faces of one face, whose distances are (m,), as a reason.

    Neither persons nor distances are named: whoever has a photograph of somebody could find that person among the
    patients by them.

    Args:
        name: of the blocks by which the distances are measured.
    """
    share = float(share_patients(distances[None], patients, count, weighting)[0])
    nearest = _sort_nearest(distances[None], count)[0]
    return Reason("block", name, share - 0.5, nearest=(int(patients[nearest].sum()), count))


def _sort_nearest(distances: Floats, count: int) -> npt.NDArray[np.int64]:
    return np.argsort(distances, axis=1, kind="stable")[:, :count]


def _weigh(distances: Floats, weighting: str) -> Floats:
    """Compute the weights (n, k) of neighbours, which add up to 1."""
    weights = np.ones_like(distances)
    if weighting == "distance":
        at_once = distances == 0
        decided = at_once.any(axis=1, keepdims=True)
        weights = np.where(decided, at_once, 1 / np.where(at_once, 1, distances))
    normalised: Floats = weights / weights.sum(axis=1, keepdims=True)
    return normalised
