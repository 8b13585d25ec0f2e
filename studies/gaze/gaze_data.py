"""Gaze of a study, read from files and joined to the key, with what was left out and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from core.errors import DatasetError
from studies.answers.csv_rows import check_named_once
from studies.answers.exclusions import IDENTIFIED
from studies.answers.key import AnswerKey
from studies.answers.sessions import identifies_person
from studies.gaze.areas import InterestArea
from studies.gaze.dwell_times import AreaView, measure_areas
from studies.gaze.fixations import Fixations, collect_fixations, find_first_views, join_fixations
from studies.gaze.recordings.column_map import ColumnMap, read_mapped
from studies.gaze.recordings.delimited_files import read_header
from studies.gaze.recordings.samples import PicturePlace
from studies.gaze.recordings.tobii import is_tobii, read_tobii
from studies.gaze.recordings.tobii_metrics import is_metrics, read_tobii_metrics

_LONGEST_GAP_MS: Final = 1000.0
"""Distance of two samples above which a picture was shown more than once, or samples are missing."""


@dataclass(frozen=True)
class ReadingOptions:
    """Choices for reading files of gaze.

    Attributes:
        column_map: for files that are not of Tobii Pro Lab.
        time_unit, place: for Tobii exports that do not state them (see `studies.gaze.recordings.tobii.read_tobii`).
        pixels_per_degree: pixels of the picture in one degree of visual angle.
        least_tracked: share of the samples of a view on which an eye must be tracked; other views are left out.
    """

    column_map: ColumnMap | None = None
    time_unit: str | None = None
    place: PicturePlace | None = None
    pixels_per_degree: float | None = None
    least_tracked: float = 0.5


@dataclass(frozen=True)
class GazeData:
    """Gaze that was read and joined to the key.

    Attributes:
        fixations: of the views that are kept; None if all files hold metrics.
        views: measures by area, of the images that have areas.
        excluded: number of views that are left out, by reason.
        problems: sentences about what may be wrong with the files.
    """

    fixations: Fixations | None
    views: tuple[AreaView, ...]
    excluded: Mapping[str, int]
    problems: tuple[str, ...]


def read_gaze(
    paths: Sequence[Path], key: AnswerKey, areas: Sequence[InterestArea], options: ReadingOptions
) -> GazeData:
    """Read files of gaze and join them to the key.

    Raises:
        DatasetError: a file that cannot be read (see its reader) or is named twice, or no view of an image of the key.
    """
    check_named_once(paths)
    parts: list[Fixations] = []
    measured: list[AreaView] = []
    excluded: Counter[str] = Counter()
    for path in paths:
        header = read_header(path)
        if options.column_map is not None:
            gaze = read_mapped(path, options.column_map)
            parts.append(gaze if isinstance(gaze, Fixations) else collect_fixations(gaze, options.pixels_per_degree))
        elif is_metrics(header):
            views, left_out = read_tobii_metrics(path)
            measured += views
            excluded["second recording of the participant (rows of metrics)"] += left_out
        elif is_tobii(header):
            samples = read_tobii(path, options.time_unit, options.place)
            parts.append(collect_fixations(samples, options.pixels_per_degree))
        else:
            raise DatasetError(
                f"{path} has the columns {', '.join(header)}; expected gaze data or metrics of Tobii Pro Lab, or a map "
                "of the columns"
            )
    problems: list[str] = []
    fixations = None
    if parts:
        joined = join_fixations(parts)
        fixations = _select_views(joined, key, options, excluded, problems)
        measured += measure_areas(fixations, areas)
    kept = _select_area_views(measured, key, excluded) if measured else []
    if not kept and (fixations is None or not fixations.view_image.size):
        raise DatasetError(
            f"no gaze on an image of the key is left; the files show {_name_some(parts, measured)}, and the "
            f"key has {', '.join(list(key)[:3])}, …"
        )
    problems += _check_areas(areas, key, kept, fixations)
    return GazeData(fixations, tuple(kept), {name: count for name, count in excluded.items() if count}, tuple(problems))


def _select_views(
    fixations: Fixations, key: AnswerKey, options: ReadingOptions, excluded: Counter[str], problems: list[str]
) -> Fixations:
    """Select the views that can be analysed; counts the others by reason."""
    codes = [fixations.images[image] for image in fixations.view_image]
    people = [fixations.participants[person] for person in fixations.view_participant]
    both = _find_both_versions(people, codes, key)
    with np.errstate(invalid="ignore"):
        lost = fixations.tracked < options.least_tracked
    reasons = {
        "image that is not in the key": np.array([code not in key for code in codes]),
        IDENTIFIED: np.array([identifies_person(person) for person in people]),
        "participant who saw both versions": np.array([person in both for person in people]),
        "second recording of the participant": ~find_first_views(fixations),
        f"eyes tracked on less than {options.least_tracked:.0%} of the samples": lost,
    }
    kept = np.ones(len(codes), dtype=np.bool_)
    for reason, wrong in reasons.items():
        excluded[reason] += int((kept & wrong).sum())
        kept &= ~wrong
    selected = fixations.select_views(kept)
    if unknown := sorted({code for code in codes if code not in key}):
        problems.append(
            f"{len(unknown)} images are not in the key and are left out, for example {unknown[0]!r}; files are named "
            "as the pack names them"
        )
    if gapped := int((selected.longest_gap_ms > _LONGEST_GAP_MS).sum()):
        problems.append(
            f"{gapped} views have a gap of more than {_LONGEST_GAP_MS:g} ms between samples: the image was shown more "
            "than once, or samples are missing"
        )
    counts = np.bincount(selected.view_participant, minlength=len(fixations.participants))
    if none := int((counts == 0).sum()):
        problems.append(f"{none} participants have no gaze on an image that is kept")
    if short := int(((counts > 0) & (counts < counts.max())).sum()):
        problems.append(f"{short} participants have gaze on fewer images than others, who have {counts.max()}")
    return selected


def _find_both_versions(people: Sequence[str], codes: Sequence[str], key: AnswerKey) -> set[str]:
    versions: dict[str, set[str]] = defaultdict(set)
    for person, code in zip(people, codes, strict=True):
        if code in key:
            versions[person].add(key[code].version)
    return {person for person, seen in versions.items() if len(seen) > 1}


def _select_area_views(views: Sequence[AreaView], key: AnswerKey, excluded: Counter[str]) -> list[AreaView]:
    """Select the first measures of each area of the key's images by participants who saw one version.

    The others are counted by reason.
    """
    both = _find_both_versions([view.participant for view in views], [view.image for view in views], key)
    kept: dict[tuple[str, str, str], AreaView] = {}
    for view in views:
        place = view.participant, view.image, view.area
        if view.image not in key:
            excluded["image that is not in the key (rows of metrics)"] += 1
        elif identifies_person(view.participant):
            excluded[f"{IDENTIFIED} (rows of metrics)"] += 1
        elif view.participant in both:
            excluded["participant who saw both versions (rows of metrics)"] += 1
        elif kept.setdefault(place, view) is not view:
            excluded["second measures of the participant on the same area of the image"] += 1
    return [*kept.values()]


def _name_some(parts: Sequence[Fixations], views: Sequence[AreaView]) -> str:
    names = [name for part in parts for name in part.images] + [view.image for view in views]
    return ", ".join([*list(dict.fromkeys(names))[:3], "…"])


def _check_areas(
    areas: Sequence[InterestArea], key: AnswerKey, views: Sequence[AreaView], fixations: Fixations | None
) -> list[str]:
    problems = []
    if unknown := sorted({area.image for area in areas} - key.keys()):
        problems.append(f"{len(unknown)} images with areas of interest are not in the key, for example {unknown[0]!r}")
    if fixations is not None and areas:
        seen = {fixations.images[image] for image in fixations.view_image}
        if bare := sorted(seen - {area.image for area in areas}):
            problems.append(f"{len(bare)} images that were seen have no areas of interest, for example {bare[0]!r}")
    images = {view.image for view in views}
    by_area = Counter(area for area, _ in {(view.area, view.image) for view in views})
    problems += [
        f"area {area!r} is on {count} of the {len(images)} images that were seen"
        for area, count in sorted(by_area.items())
        if count < len(images)
    ]
    problems += [
        f"area {name!r} is on no image that was seen" for name in sorted({area.area for area in areas} - by_area.keys())
    ]
    return problems
