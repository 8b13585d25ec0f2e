"""Identities of the people of a data set, as numbers that no label determines; training keeps people apart by them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from core.errors import DatasetError
from faces.datasets.dataset import Dataset
from faces.detect import FaceDetector
from faces.labels import CONDITIONS
from faces.measures.descriptors import FaceDescriber
from faces.measures.distances import drop_unknown_rows
from faces.phantoms.person import identity_vector, phantom
from faces.phantoms.phantom_dataset import TRUTH

Identities = npt.NDArray[np.float32]


def identities(data: Dataset, on_progress: Callable[[int], None] = lambda done: None) -> Identities:
    """Compute identities (n, k): the true ones of phantoms (`faces.phantoms.person.identity_vector`), dlib's
    descriptors of photographs.

    Args:
        on_progress: called with the number of photographs described since the last call.

    Returns:
        Rows of NaN where no face is found.

    Raises:
        DatasetError: the table of phantoms does not list the pictures.
    """
    table = data.other_file(TRUTH)
    if table is not None:
        return _true_identities(data, table.decode())
    describe, described = FaceDescriber(FaceDetector()), []
    for index in range(len(data)):
        described.append(describe(data.image(index)[None])[0])
        on_progress(1)
    return np.array(described, dtype=np.float32)


def standardise(identity: Identities) -> Identities:
    """Scale identities (n, k) to mean 0 and deviation 1 of every number over the known rows; constant numbers become 0.

    Raises:
        DatasetError: no row is known.
    """
    found = drop_unknown_rows(identity)
    if not len(found):
        raise DatasetError(f"no face is found on any of {len(identity)} pictures; train with identity_weight=0")
    deviation = found.std(axis=0)
    scaled: Identities = (identity - found.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    return scaled


def _true_identities(data: Dataset, table: str) -> Identities:
    rows = {row["file"]: row for row in csv.DictReader(io.StringIO(table))}
    try:
        people = [phantom(CONDITIONS[0], 0, 0, int(rows[record.file]["identity"])) for record in data.records]
    except (KeyError, ValueError) as error:
        raise DatasetError(
            f"{data.path}/{TRUTH} lacks {error}; expected a row for each picture with its file and identity: "
            "draw the set anew with `gestaltgen dataset phantoms`, or remove the table"
        ) from None
    return np.array([identity_vector(person) for person in people], dtype=np.float32)
