"""People of a data set and the features of their faces, kept in the folder of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from core.errors import DatasetError
from core.progress import SILENT, Progress
from faces.datasets.dataset import Dataset
from recognition.syndromes.cohorts.matching import match
from recognition.syndromes.cohorts.person import Cohort, find_controls, read_cohort
from recognition.syndromes.comparison.settings import ComparisonSettings
from recognition.syndromes.features.descriptors import load_descriptor
from recognition.syndromes.features.extraction import extract
from recognition.syndromes.features.face_features import FaceFeatures

FEATURES: Final = "features"
"""Folder, within that of a comparison, of the features of the faces."""


def read_people(
    dataset: Path,
    out: Path,
    settings: ComparisonSettings,
    fewest: int,
    *,
    flat: bool = False,
    progress: Progress = SILENT,
) -> tuple[Cohort, FaceFeatures]:
    """Read the people of a data set whose faces can be represented, and the features of their faces.

    Args:
        dataset: folder or zip with the columns condition, person, sex, ancestry and age_years.
        out: folder of the comparison; if it does not exist, it is made for its owner alone.
        settings: those of the matching, and the descriptor, are used.
        fewest: pairs without which no syndrome can be asked about. This is checked before any face is looked at.
        flat: see `extract`.

    Raises:
        DatasetError: there is no syndrome with as many pairs, or a condition of the controls that nobody has.
    """
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = load_descriptor(settings.descriptor)
    with Dataset.open(dataset) as data:
        controls = find_controls(settings.controls, data.records)
        _check_pairs(read_cohort(data.records, controls=controls, ancestry=settings.ancestry), settings, fewest)
        features, failures = extract(data, descriptor=descriptor, flat=flat, cache=out / FEATURES, progress=progress)
        cohort = read_cohort(data.records, controls=controls, ancestry=settings.ancestry, failures=failures)
    return cohort, features


def _check_pairs(cohort: Cohort, settings: ComparisonSettings, fewest: int) -> None:
    if not cohort.syndromes or not cohort.controls:
        raise DatasetError(
            f"{len(cohort.syndromes)} syndromes and {len(cohort.controls)} controls can be used; expected one or more "
            "of each: complete the columns condition, sex, ancestry and age_years, and name the controls' conditions"
        )
    matchings = {
        name: match(cohort.patients(name), cohort.controls, settings.rule, settings.method, settings.seed)
        for name in cohort.syndromes
    }
    if all(len(matching.pairs) < fewest for matching in matchings.values()):
        reasons = "; ".join(f"{name}: {matching.describe()}" for name, matching in matchings.items())
        raise DatasetError(f"expected {fewest} or more pairs of a patient and a control for some syndrome; {reasons}")
