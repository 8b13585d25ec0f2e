"""Patients with one syndrome at three strengths of its features, and controls, with the features of their faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from core.progress import SILENT, Progress
from experiments.syndromes.people import (
    CLEAR,
    CONTROLS,
    HARDLY_VISIBLE,
    MILD,
    SIZE,
    draw_controls,
    draw_patients,
)
from faces.datasets.dataset import Dataset
from faces.phantoms.phantom_dataset import write_phantoms
from recognition.syndromes.cohorts.person import Cohort, read_cohort
from recognition.syndromes.features.extraction import extract
from recognition.syndromes.features.face_features import FaceFeatures

SYNDROME: Final = "EHMT1"
STRENGTHS: Final[Mapping[str, float]] = {"clear": CLEAR, "mild": MILD, "hardly visible": HARDLY_VISIBLE}
"""Strengths by name; patients drawn at each count as those with a syndrome of this name."""


def open_graded_people(
    out: Path, patients: int, controls: int, seed: int, *, flat: bool = False, progress: Progress = SILENT
) -> tuple[Cohort, FaceFeatures]:
    """Draw the people, unless they are there already, and compute their features.

    Args:
        out: folder of the data set and of the features.
        patients: number of patients at each strength.
        controls: number of controls.
        seed: of the people; those of different strengths are different people.
        flat: see `extract`.
    """
    path = out / "people.zip"
    if not path.exists():
        people = [*draw_controls(controls, seed)]
        for place, (name, strength) in enumerate(STRENGTHS.items()):
            drawn = draw_patients(SYNDROME, patients, seed + place, strength)
            people += [replace(person, condition=name) for person in drawn]
        write_phantoms(path, people, size=SIZE, conditions=(*STRENGTHS, CONTROLS), workers=2)
    with Dataset.open(path) as data:
        features, failures = extract(data, flat=flat, cache=out / "features", progress=progress)
        return read_cohort(record for record in data.records if record.file not in failures), features
