"""Question whether the patients with a syndrome are a group, asked of all syndromes of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.errors import DatasetError
from core.progress import SILENT, Progress
from core.statistics.multiple_tests import holm
from faces.images import Pixels
from recognition.syndromes.cohorts.distances import scale_to_unit_length
from recognition.syndromes.cohorts.grouping import GroupTest, Likeness, measure_group, measure_likeness
from recognition.syndromes.cohorts.matching import match
from recognition.syndromes.cohorts.person import Cohort
from recognition.syndromes.cohorts.scores import Floats
from recognition.syndromes.comparison.people import read_people
from recognition.syndromes.comparison.settings import ComparisonSettings
from recognition.syndromes.features.descriptors import load_descriptor
from recognition.syndromes.features.extraction import extract
from recognition.syndromes.features.face_features import FaceFeatures
from recognition.syndromes.features.layout import DESCRIPTOR

_FEWEST: Final = 3
"""Fewest patients of whom it can be asked whether they are a group."""


@dataclass(frozen=True)
class GroupResult:
    """Answer for one syndrome.

    Attributes:
        patients: number of patients, with or without a control.
        test: of the matched patients; None if there are too few.
        likeness: of one more face to all patients; None if no face was given.
        unmatched: patients without a control, each with the reason.
        reason: why there is no test; empty if there is one.
    """

    syndrome: str
    patients: int
    test: GroupTest | None
    likeness: Likeness | None = None
    unmatched: tuple[tuple[str, str], ...] = ()
    reason: str = ""


def measure_groups(
    dataset: Path,
    out: Path,
    settings: ComparisonSettings,
    photograph: Pixels | None = None,
    progress: Progress = SILENT,
) -> tuple[tuple[GroupResult, ...], Cohort]:
    """Ask of each syndrome whether its patients look more like each other than like matched controls.

    Args:
        dataset, out: as of `compare_syndromes`.
        settings: those of the matching, the number of permutations and the descriptor are used.
        photograph: uint8 (h, w, 3) of one more person, who is compared with the patients and their controls.

    Returns:
        Results by syndrome, and the cohort with the problems of its records.

    Raises:
        DatasetError: no syndrome has three pairs; or there is no face on the photograph.
    """
    cohort, features = read_people(dataset, out, settings, _FEWEST, flat=True, progress=progress)
    newcomer = None if photograph is None else _describe(photograph, settings.descriptor)
    results = [_measure_group(name, cohort, features, settings, newcomer) for name in cohort.syndromes]
    results += [GroupResult(name, 0, None, reason="no record of a patient can be used") for name in cohort.absent]
    return tuple(results), cohort


def _describe(photograph: Pixels, descriptor: Path | None) -> Floats:
    features, failures = extract({"photograph": photograph}, descriptor=load_descriptor(descriptor), flat=True)
    for reason in failures.values():
        raise DatasetError(f"the photograph cannot be used: {reason}")
    described: Floats = scale_to_unit_length(features.block(DESCRIPTOR))[0]
    return described


def _measure_group(
    syndrome: str, cohort: Cohort, features: FaceFeatures, settings: ComparisonSettings, newcomer: Floats | None
) -> GroupResult:
    patients = cohort.patients(syndrome)
    matching = match(patients, cohort.controls, settings.rule, settings.method, settings.seed)
    unmatched = tuple((patient.person, str(reason)) for patient, reason in matching.unmatched)
    if len(matching.pairs) < _FEWEST:
        reason = f"{matching.describe()}; expected {_FEWEST} or more"
        return GroupResult(syndrome, len(patients), None, unmatched=unmatched, reason=reason)
    rows = {file: row for row, file in enumerate(features.files)}
    descriptors = scale_to_unit_length(features.block(DESCRIPTOR)[[rows[one.file] for one in matching.people]])
    test = measure_group(
        descriptors,
        matching.labels,
        matching.pair_numbers,
        permutations=settings.permutations,
        seed=settings.seed,
    )
    half = len(matching.pairs)
    likeness = None if newcomer is None else measure_likeness(descriptors[:half], descriptors[half:], newcomer)
    return GroupResult(syndrome, len(patients), test, likeness, unmatched)


def tabulate_groups(results: Sequence[GroupResult]) -> list[list[str]]:
    """Tabulate the answers; the first row is the header. Holm's p is corrected for the number of syndromes tested."""
    asked = any(one.likeness for one in results)
    more = ["intruders", "p of the photograph", "controls as like"] if asked else []
    rows = [["syndrome", "patients", "matched", "improvement", "by chance", "p", "p (Holm)", *more]]
    corrected = iter(holm([one.test.p for one in results if one.test is not None]))
    for one in results:
        cells = [one.syndrome, str(one.patients)]
        if one.test is None:
            rows.append([*cells, one.reason, *[""] * (4 + len(more))])
            continue
        test = one.test
        cells += [str(test.patients), f"{test.improvement:.2f}", f"{test.by_chance:.2f}", f"{test.p:.3f}"]
        cells.append(f"{next(corrected):.3f}")
        if one.likeness is not None:
            cells += [str(one.likeness.intruders), f"{one.likeness.p:.3f}", f"{one.likeness.controls_alike:.2f}"]
        rows.append(cells)
    return rows
