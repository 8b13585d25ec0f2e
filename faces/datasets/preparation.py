"""Preparation of a data set of aligned faces from a folder of photographs and, optionally, a table about them.

Nothing is dropped silently: every file and every row of the table ends in exactly one Outcome.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import GestaltError, NoFaceError, UnreadableImageError
from faces.align import Points, align
from faces.datasets.dataset import DatasetWriter
from faces.datasets.records import Record
from faces.detect import FaceDetector, place_by_hand
from faces.images import Pixels, encode_png, read_image
from faces.labels import AgeGroup, find_age_group
from faces.landmark_table import LandmarkTable


@dataclass(frozen=True)
class Outcome:
    """Result for one file, or for one row of the table.

    Attributes:
        file: as in the table, relative to the folder.
        status: "used" or "refused"; "note" says something more about a row that is used.
        reason: "" when used, else "unreadable", "no face", "doubtful face", "too much padding", "no
            alignment", "no such file" or "bad row" (a row of the table), "not in the table" (a file), "left out"
            (as asked) or "failed".
        detail: the message behind the reason.
        image: name in the data set, when used.
        faces: number of faces found; the largest is taken.
        score: confidence of the detector in this face; check pictures below 0.5. None for landmarks set by hand.
        detector: "frontal", "convolutional" for a face that only the second detector found, or "hand".
        cut: whether the picture's border cuts the face.
        padded: share of the aligned square that lies outside the picture, in [0, 1].
    """

    file: str
    status: str = "refused"
    reason: str = ""
    detail: str = ""
    image: str = ""
    faces: int | None = None
    score: float | None = None
    detector: str = ""
    cut: bool | None = None
    padded: float | None = None


@dataclass(frozen=True)
class AlignmentSettings:
    """Settings of the alignment, and limits for faces that are good enough; by default every face is taken.

    Attributes:
        size: side of the aligned pictures in pixels.
        min_score: least confidence of the detector. On the portraits of docs/portraits.md 0.2 leaves out 5
            of 9 things that are not a whole face, and 108 of 1,712 true faces.
        max_padded: largest share of the square that may lie outside the picture, in [0, 1].
        landmark_model: path of another model, see `faces.detect.FaceDetector`.
    """

    size: int
    min_score: float = 0.0
    max_padded: float = 1.0
    landmark_model: Path | None = None


@dataclass(frozen=True)
class AlignmentPlan:
    """Photographs to align, outcomes of those that are refused without being read, and landmarks set by hand."""

    folder: Path
    records: tuple[Record, ...]
    refused: tuple[Outcome, ...]
    landmarks: LandmarkTable = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of outcomes to expect."""
        return len(self.records) + len(self.refused)


def plan_alignment(
    folder: Path,
    records: Sequence[Record] | None = None,
    *,
    bad_rows: Sequence[Outcome] = (),
    leave_out: Iterable[Path] = (),
    wanted: Callable[[str], bool] = lambda file: True,
) -> AlignmentPlan:
    """Match the files of a folder, subfolders included, with the rows of a table.

    Args:
        records: the table's rows, their `file` relative to the folder; None takes every file, unlabelled.
        bad_rows: outcomes of the table's rows that cannot be used.
        leave_out: files that are not photographs, such as the table itself.
        wanted: tells whether to take a file; the others are reported as left out.
    """
    ignored = {path.resolve() for path in leave_out}
    found = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.resolve() not in ignored
    )
    unwanted = [Outcome(file, reason="left out") for file in found if not wanted(file)]
    found = [file for file in found if wanted(file)]
    if records is None:
        return AlignmentPlan(folder, tuple(Record(file) for file in found), tuple(unwanted))
    records = [record for record in records if wanted(record.file)]
    rows, files = {record.file for record in records} | {row.file for row in bad_rows}, set(found)
    refused = [Outcome(record.file, reason="no such file") for record in records if record.file not in files]
    refused += [Outcome(file, reason="not in the table") for file in found if file not in rows]
    refused += [*unwanted, *bad_rows]
    return AlignmentPlan(folder, tuple(record for record in records if record.file in files), tuple(refused))


def align_photographs(
    plan: AlignmentPlan,
    writer: DatasetWriter,
    *,
    settings: AlignmentSettings,
    workers: int = 1,
    estimate_age: Callable[[Pixels], float | None] | None = None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> None:
    """Align the planned photographs and append those with a face to a data set, in the plan's order.

    One bad file does not stop the rest. The data set does not contain the original file names, which may name people;
    the outcomes map one name to the other.

    Args:
        workers: processes; each loads its own landmark model (100 MB).
        estimate_age: reads the age in years from an aligned face, or None if it cannot, for records without age; the
            record says that it is an estimate.
        on_outcome: called once for every file and every row without a file, as soon as its outcome is known.
    """
    for outcome in plan.refused:
        on_outcome(outcome)
    for record, aligned in zip(plan.records, _align_all(plan, settings, workers), strict=True):
        outcome = aligned.outcome
        if aligned.png is not None:
            if estimate_age is not None and record.age_group is None:
                record = _estimate_age(record, aligned.png, estimate_age, writer.ages)
            outcome = replace(outcome, image=writer.add(aligned.png, record, aligned.landmarks).file)
        on_outcome(outcome)


def _estimate_age(
    record: Record, png: bytes, estimate: Callable[[Pixels], float | None], groups: tuple[AgeGroup, ...]
) -> Record:
    years = estimate(read_image(png))
    if years is None:
        return record
    return replace(
        record,
        age_years=round(years, 1),
        age_group=find_age_group(round(years, 1), groups).name,
        age_source="estimated",
    )


@dataclass(frozen=True)
class _Aligned:
    outcome: Outcome
    png: bytes | None = None
    landmarks: npt.NDArray[np.float64] | None = None


def _align_one(file: str, landmarks: Points | None, *, folder: Path, settings: AlignmentSettings) -> _Aligned:
    try:
        photograph = read_image(folder / file)
        if landmarks is None:
            found = FaceDetector(settings.landmark_model).find_in_photograph(photograph)
        else:
            found = place_by_hand(landmarks, photograph)
        aligned = align(photograph, found.landmarks, settings.size)
    except UnreadableImageError as error:
        return _Aligned(Outcome(file, reason="unreadable", detail=str(error)))
    except NoFaceError as error:
        return _Aligned(Outcome(file, reason="no face", detail=str(error), faces=0))
    except GestaltError as error:
        return _Aligned(Outcome(file, reason="no alignment", detail=str(error)))
    except Exception as error:  # one file must not stop the others, whatever error a decoder or detector raises
        return _Aligned(Outcome(file, reason="failed", detail=f"{type(error).__name__}: {error}"))
    outcome = Outcome(
        file,
        faces=found.faces_found,
        score=None if found.by == "hand" else round(found.face.score, 3),
        detector=found.by,
        cut=found.cut,
        padded=round(aligned.padded, 4),
    )
    if found.face.score < settings.min_score:
        detail = f"score {found.face.score:.3f} is below {settings.min_score:g}"
        return _Aligned(replace(outcome, reason="doubtful face", detail=detail))
    if aligned.padded > settings.max_padded:
        detail = f"{aligned.padded:.0%} padded is above {settings.max_padded:.0%}"
        return _Aligned(replace(outcome, reason="too much padding", detail=detail))
    png = encode_png(aligned.image)
    return _Aligned(replace(outcome, status="used"), png, aligned.to_aligned(found.landmarks))


def _align_all(plan: AlignmentPlan, settings: AlignmentSettings, workers: int) -> Iterator[_Aligned]:
    FaceDetector(settings.landmark_model)  # refuse a model that cannot be loaded once, not for each file
    task = partial(_align_one, folder=plan.folder, settings=settings)
    files = [record.file for record in plan.records]
    by_hand = [plan.landmarks.get(file) for file in files]
    if workers == 1:
        yield from map(task, files, by_hand)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield from pool.map(task, files, by_hand, chunksize=4)
