"""Analysis of the eye tracking of a study: from files of gaze, key and areas of interest to results and maps."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.atomic_files import write_file
from core.csv_reports import format_csv
from core.errors import DatasetError
from core.json_text import to_json_text
from core.reports.versions import list_versions
from studies.answers.key import AnswerKey
from studies.answers.table import FEWEST
from studies.gaze.area_comparison import (
    ALL,
    AreaDifference,
    AreaSummary,
    compare_areas,
    summarise_areas,
)
from studies.gaze.areas import InterestArea, find_side
from studies.gaze.fixations import SHORTEST_MS, VELOCITY_DEGREES, Fixations
from studies.gaze.gaze_data import GazeData, ReadingOptions, read_gaze
from studies.gaze.maps.cluster_permutation import FLIPS, FORMING_P, ClusterTest, find_clusters
from studies.gaze.maps.heat_maps import CELLS, Maps, Smoothing, average_by, draw_view_maps
from studies.gaze.maps.map_similarity import EPSILON, Similarity, compare_with_saliency
from studies.gaze.paired_differences import pair_within

NOTICE: Final = (
    "Where people looked on synthetic or edited pictures. It says nothing about a person who looked or who is shown, "
    "and is no basis for a diagnosis."
)


@dataclass(frozen=True)
class GazeOptions:
    """Choices for an analysis of gaze.

    Attributes:
        reading: of the files.
        picture_side: width and height of the pictures in pixels; None takes that of the areas' file. Without either
            there are no heat maps.
        smoothing: of heat maps; None takes a 32nd of the picture's side.
        seed: of all random signs and permutations.
    """

    reading: ReadingOptions = field(default_factory=ReadingOptions)
    picture_side: float | None = None
    smoothing: Smoothing | None = None
    seed: int = 0


@dataclass(frozen=True)
class GazeResults:
    """Results of an analysis.

    Attributes:
        settings: what was chosen, with the seed.
        participants, images, views: numbers that are kept.
        excluded, problems: as of `GazeData`.
        summaries, differences: by area.
        clusters: test of the maps' difference by condition (ALL for all faces).
        similarities: of the heat maps to saliency maps.
        maps: mean heat map (cells, cells) by condition and variant.
        data: what they were computed from; not part of the JSON, because it shows single participants.
    """

    settings: Mapping[str, Any]
    participants: int
    images: int
    views: int
    excluded: Mapping[str, int]
    problems: tuple[str, ...]
    summaries: tuple[AreaSummary, ...]
    differences: tuple[AreaDifference, ...]
    clusters: Mapping[str, ClusterTest]
    similarities: tuple[Similarity, ...]
    maps: Mapping[tuple[str, str], Maps]
    data: GazeData = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return all numbers but the maps."""
        return {
            "notice": NOTICE,
            "settings": dict(self.settings),
            "versions": list_versions(),
            "participants": self.participants,
            "images": self.images,
            "views": self.views,
            "excluded": dict(self.excluded),
            "problems": list(self.problems),
            "areas": [asdict(row) for row in self.summaries],
            "differences": [asdict(row) for row in self.differences],
            "clusters": [
                {"condition": condition, "participants": test.units, **asdict(cluster)}
                for condition, test in self.clusters.items()
                for cluster in test.clusters
            ],
            "similarities": [asdict(row) for row in self.similarities],
        }


def analyse_gaze(
    paths: Sequence[Path],
    key: AnswerKey,
    areas: Sequence[InterestArea],
    options: GazeOptions,
    saliency: Mapping[str, Maps] | None = None,
) -> GazeResults:
    """Analyse the eye tracking of a study.

    Args:
        areas: may be empty, for files of metrics or for heat maps alone.
        saliency: maps of a classifier by the code of the image.

    Raises:
        DatasetError: see `read_gaze`; or saliency maps without heat maps.
    """
    data = read_gaze(paths, key, areas, options.reading)
    maps: dict[tuple[str, str], Maps] = {}
    clusters: dict[str, ClusterTest] = {}
    similarities: list[Similarity] = []
    smoothing = options.smoothing
    side = options.picture_side or (find_side(areas) if areas else None)
    if data.fixations is not None and side is not None:
        smoothing = smoothing or Smoothing(side / 32)
        drawn = draw_view_maps(data.fixations, side, smoothing)
        maps, clusters = _compare_maps(data.fixations, drawn, key, options.seed)
        if saliency is not None:
            similarities = _compare_saliency(data.fixations, drawn, saliency, options.seed)
    elif saliency is not None:
        raise DatasetError("saliency maps are compared with heat maps, which need gaze or fixations and --picture-side")
    people = {view.participant for view in data.views}
    images = {view.image for view in data.views}
    count = len({(view.participant, view.image) for view in data.views})
    if data.fixations is not None:
        kept = data.fixations
        people |= {kept.participants[person] for person in kept.view_participant}
        images |= {kept.images[image] for image in kept.view_image}
        count = max(count, len(kept.view_image))
    return GazeResults(
        settings=_describe(options, smoothing, bool(maps), bool(similarities)),
        participants=len(people),
        images=len(images),
        views=count,
        excluded=data.excluded,
        problems=data.problems,
        summaries=tuple(summarise_areas(data.views, key)) if data.views else (),
        differences=tuple(compare_areas(data.views, key, options.seed)) if data.views else (),
        clusters=clusters,
        similarities=tuple(similarities),
        maps=maps,
        data=data,
    )


def _compare_maps(
    fixations: Fixations, drawn: Maps, key: AnswerKey, seed: int
) -> tuple[dict[tuple[str, str], Maps], dict[str, ClusterTest]]:
    """Average the maps by condition and variant, and test edited against reconstructed pictures."""
    images = [key[fixations.images[image]] for image in fixations.view_image]
    conditions = np.array([image.condition for image in images])
    variants = np.array([image.variant for image in images])
    faces = np.unique([image.face for image in images], return_inverse=True)[1]
    looked = drawn.any(axis=(1, 2))
    names = np.unique(conditions).tolist()
    maps, clusters = {}, {}
    for condition in [ALL, *names] if len(names) > 1 else [ALL]:
        chosen = looked if condition == ALL else looked & (conditions == condition)
        for variant in np.unique(variants[chosen]).tolist():
            rows = chosen & (variants == variant)
            if len(np.unique(fixations.view_participant[rows])) >= FEWEST:
                maps[condition, variant] = drawn[rows].mean(axis=0)
        rows = chosen & ((variants == "edited") | (variants == "reconstructed"))
        edited = (variants == "edited")[rows]
        if edited.any() and not edited.all():
            paired = pair_within(fixations.view_participant[rows], faces[rows], edited, drawn[rows])
            if len(paired.values) >= FEWEST:
                clusters[condition] = find_clusters(paired.values, seed)
    return maps, clusters


def _compare_saliency(fixations: Fixations, drawn: Maps, saliency: Mapping[str, Maps], seed: int) -> list[Similarity]:
    means = average_by(fixations.view_image, drawn)
    return compare_with_saliency({fixations.images[image]: mean for image, mean in means.items()}, saliency, seed)


def _describe(options: GazeOptions, smoothing: Smoothing | None, maps: bool, compared: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "seed": options.seed,
        "least share of tracked samples": options.reading.least_tracked,
        "fixations": f"I-VT at {VELOCITY_DEGREES:g} degrees a second, {SHORTEST_MS:g} ms or longer, where the file "
        "does not classify eye movements",
    }
    if options.reading.pixels_per_degree is not None:
        settings["pixels per degree"] = options.reading.pixels_per_degree
    if maps:
        settings |= {
            "sigma of heat maps": str(smoothing),
            "cells of heat maps": CELLS,
            "cluster-forming p": FORMING_P,
            "sign flips of the cluster test": FLIPS,
        }
    if compared:
        settings["epsilon of the divergence"] = EPSILON
    return settings


RESULTS_FILE: Final = "gaze.json"
MAPS_FILE: Final = "maps.npz"
VIEWS_FILE: Final = "views.csv"


def write_results(out: Path, results: GazeResults) -> None:
    """Write gaze.json and maps.npz, which show no single person, and views.csv with a line for each view and area."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"{variant}/{condition}": array for (condition, variant), array in results.maps.items()}
    for condition, test in results.clusters.items():
        arrays |= {f"difference/{condition}": test.difference, f"clusters/{condition}": test.labels}
    if arrays:
        np.savez_compressed(buffer, **arrays)
        write_file(out / MAPS_FILE, buffer.getvalue())
    if results.data.views:
        write_file(out / VIEWS_FILE, format_csv(results.data.views).encode())
    write_file(out / RESULTS_FILE, (to_json_text(results.to_json()) + "\n").encode())
