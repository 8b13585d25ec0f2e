"""Results of the experiment: OUT/table.md, OUT/results.json and OUT/maps.png."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from core.atomic_files import write_file
from experiments.explanation.people import (
    AFFECTED,
    CONFOUNDED,
    Confounder,
    Scale,
    add_mark,
    draw_test_persons,
    draw_with,
    set_smile,
)
from faces.phantoms.person import Phantom
from recognition.ensemble import Ensemble
from recognition.explanation.regions.masks import OUTSIDE
from recognition.explanation.truth.measurement import TruthMeasurement, compute_face_logits, measure_truth
from recognition.explanation.truth.phantom_faces import draw_phantom_face
from recognition.explanation.truth.truth_picture import draw_truth
from recognition.explanation.truth.truth_table import (
    find_planted,
    format_conditions,
    format_methods,
    measure_conditions,
    measure_methods,
)

PLACES: Final[Mapping[Confounder, str]] = {"mark": OUTSIDE, "smile": "mouth"}
"""Region in which each confounder lies."""


@dataclass(frozen=True)
class PlantedFigures:
    """How far a classifier goes by its confounder, and how often methods find it.

    Attributes:
        move: mean fall of the logit of the confounded condition if the confounder is removed.
        move_without: the same for the classifiers without a confounder.
        found: method -> share of faces whose most relevant region is that of the confounder, and share of faces where
            the map's largest value lies there.
        found_without: the same for the classifiers without a confounder, on the same persons without the mark, or with
            their own smile.
    """

    move: float
    move_without: float
    found: Mapping[str, tuple[float, float]]
    found_without: Mapping[str, tuple[float, float]]


def measure_clean(out: Path, ensemble: Ensemble, scale: Scale) -> TruthMeasurement:
    """Measure the classifiers without a confounder, or continue."""
    persons = draw_test_persons(scale.test_persons)
    return measure_truth(ensemble.classifiers, persons, out / "measured-none", on_face=_Counter(len(persons)))


def measure_confounded(out: Path, ensemble: Ensemble, confounder: Confounder, scale: Scale) -> TruthMeasurement:
    """Measure classifiers with a confounder on persons who carry it, or continue."""
    persons = _select_confounded(scale)
    if confounder == "smile":
        persons = [set_smile(person, True) for person in persons]
    folder, edit = out / f"measured-{confounder}", add_mark if confounder == "mark" else (lambda image: image)
    return measure_truth(ensemble.classifiers, persons, folder, edit, _Counter(len(persons)))


def write_results(out: Path, ensembles: Mapping[Confounder, Ensemble], scale: Scale) -> str:
    """Measure what is not measured yet, and write all results; returns the tables."""
    measured: dict[Confounder, TruthMeasurement] = {"none": measure_clean(out, ensembles["none"], scale)}
    for confounder in PLACES:
        measured[confounder] = measure_confounded(out, ensembles[confounder], confounder, scale)
    methods, conditions = measure_methods(measured["none"]), measure_conditions(measured["none"])
    planted = {
        confounder: _measure_planted(measured, ensembles, confounder, region, scale)
        for confounder, region in PLACES.items()
    }
    about = {"scale": asdict(scale), "methods": [asdict(row) for row in methods]}
    about |= {"conditions": [asdict(row) for row in conditions]}
    about |= {"planted": {name: asdict(figures) for name, figures in planted.items()}}
    write_file(out / "results.json", (json.dumps(about, indent=1) + "\n").encode())
    tables = [format_methods(methods), format_conditions(conditions), "\n".join(_format_planted(planted)) + "\n"]
    write_file(out / "table.md", "\n".join(tables).encode())
    shown = [draw_phantom_face(person, scale.size) for person in draw_test_persons(1)]
    write_file(out / "maps.png", draw_truth([ensembles["none"].classifiers[0]] * len(shown), shown))
    return "\n".join(tables)


def _measure_planted(
    measured: Mapping[Confounder, TruthMeasurement],
    ensembles: Mapping[Confounder, Ensemble],
    confounder: Confounder,
    region: str,
    scale: Scale,
) -> PlantedFigures:
    clean = measured["none"]
    return PlantedFigures(
        _measure_move(ensembles[confounder], confounder, scale),
        _measure_move(ensembles["none"], confounder, scale),
        find_planted(measured[confounder], region),
        find_planted(clean.select(clean.conditions == CONFOUNDED), region),
    )


def _measure_move(ensemble: Ensemble, confounder: Confounder, scale: Scale) -> float:
    """Measure how far the logit of the confounded condition falls without the confounder; persons take turns."""
    target = ensemble.classes.index(CONFOUNDED)
    moves = []
    for index, person in enumerate(_select_confounded(scale)):
        pictures = [draw_with(person, confounder, planted, scale.size) for planted in (True, False)]
        logits = compute_face_logits(ensemble.classifiers[index % len(ensemble.classifiers)], pictures)[:, target]
        moves.append(logits[0] - logits[1])
    return float(np.mean(moves))


def _select_confounded(scale: Scale) -> list[Phantom]:
    return draw_test_persons(scale.test_persons)[AFFECTED.index(CONFOUNDED) :: len(AFFECTED)]


def _format_planted(planted: Mapping[Confounder, PlantedFigures]) -> Iterator[str]:
    for confounder, figures in planted.items():
        yield (
            f"\n**{confounder}**: without it the logit of {CONFOUNDED} falls by {figures.move:.2f} "
            f"({figures.move_without:.2f} without a planted confounder).\n"
        )
        yield f"| method | {PLACES[confounder]} most relevant | not planted | largest value there | not planted |"
        yield "|---|---|---|---|---|"
        for method, (first, peak) in figures.found.items():
            other_first, other_peak = figures.found_without[method]
            yield f"| {method} | {first:.2f} | {other_first:.2f} | {peak:.2f} | {other_peak:.2f} |"


class _Counter:
    """Prints every tenth face."""

    def __init__(self, count: int) -> None:
        self._count, self._done = count, 0

    def __call__(self) -> None:
        self._done += 1
        if self._done % 10 == 0:
            print(f"{self._done} of {self._count} faces measured", flush=True)
