"""Report of an evaluation: figures beside their targets, as JSON and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from core.json_text import to_json_text
from faces.images import Pixels
from faces.measures.reading_statistics import Neighbours, Spread
from gen.evaluation.experiments import Blends, Distances, LabelAgreement, Progressions

NOTICE: Final = "Synthetic images of people who do not exist, and no basis for a diagnosis."


@dataclass(frozen=True)
class FaceDetections:
    """Share of the searched images in which dlib finds a face."""

    share: float
    searched: int


@dataclass(frozen=True)
class Pair:
    """A generated image and its nearest training image.

    Attributes:
        by: "features" or "pixels", the kind of distance.
        distance: distance of that kind.
        image: place among the generated images.
        training: place among the training images.
    """

    by: str
    distance: float
    image: int
    training: int


@dataclass(frozen=True)
class Figures:
    """All figures at one truncation; None if a figure does not apply (see `GeneratorReport.left_out`)."""

    truncation: float
    labelled: LabelAgreement
    progressions: Progressions
    blends: Blends | None
    spread: Spread | None
    faces: FaceDetections
    distances: Mapping[str, Distances]
    neighbours: Mapping[str, Neighbours]
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Target:
    """Bound that a figure must reach.

    Args:
        name: name of the figure.
        bound: the value.
        at_most: whether smaller is better.
        truncations: truncations at which it must hold.
    """

    name: str
    bound: float
    at_most: bool = False
    truncations: tuple[float, ...] = (0.6,)

    def is_met(self, value: float) -> bool:
        return value <= self.bound if self.at_most else value >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.bound:.3g}"


TARGETS: Final = (
    Target("condition accuracy", 0.92, truncations=(0.6, 1.0)),
    Target("age-group accuracy", 0.80),
    Target("age order along progressions", 0.95),
    Target("identity drift / spread between people", 1 / 3, at_most=True),
    Target("people whose blend responds", 0.90),
    Target("dlib finds a face", 0.98),
    Target("identity spread, least of all cells", 0.70, truncations=(1.0,)),
)


@dataclass(frozen=True)
class GeneratorReport:
    """Report of an evaluation of a generator.

    Attributes:
        about: what was evaluated, with what, and how: names, checksums, seeds, counts.
        figures: one for each truncation.
        left_out: figure -> reason why it does not apply.
        cells: names of the conditions and ages of `Spread.ratio`.
        steps: names of the age groups.
        curve: (images seen, Fréchet distance) of a run's snapshots.
        samples, pairs: pictures for the page.
    """

    about: Mapping[str, Any]
    figures: tuple[Figures, ...]
    left_out: Mapping[str, str]
    cells: tuple[str, ...]
    steps: tuple[str, ...]
    curve: tuple[tuple[int, float], ...] = ()
    samples: tuple[tuple[Pixels, ...], ...] = field(default=(), repr=False)
    sample_titles: tuple[str, ...] = ()
    pairs: tuple[tuple[Pixels, Pixels], ...] = field(default=(), repr=False)


def values(figures: Figures) -> dict[str, float | None]:
    """List the figures that have a name, in the order in which they are shown."""
    f, order, drift = figures, figures.progressions.order, figures.progressions.drift
    of_all = figures.progressions.drift_of_all
    named: dict[str, float | None] = {
        "condition accuracy": f.labelled.condition.overall if f.labelled.condition else None,
        "age-group accuracy": f.labelled.age_group.overall if f.labelled.age_group else None,
        "age order along progressions": order.correlation if order else None,
        "identity drift / spread between people": drift.ratio if drift else None,
        "  with entries that not every age shows": of_all.ratio if of_all else None,
        "people whose blend responds": f.blends.response.rising if f.blends else None,
        "  with every step upwards": f.blends.response.strictly_rising if f.blends else None,
        "dlib finds a face": f.faces.share,
        "identity spread, mean of all cells": f.spread.mean if f.spread else None,
        "identity spread, least of all cells": f.spread.least if f.spread else None,
    }
    for name, d in f.distances.items():
        named |= {
            f"Fréchet distance, {name}": d.frechet,
            f"  of as many real images ({name})": d.frechet_floor,
            f"kernel distance, {name}": d.kernel,
            f"  standard error ({name})": d.kernel_error,
            f"precision, {name}": d.precision,
            f"recall, {name}": d.recall,
            f"variety against real images, {name}": d.variety,
        }
    for name, n in f.neighbours.items():
        named[f"nearest training image / held-out's, {name}"] = n.ratio
        named[f"  nearer than 99 % of held-out ({name})"] = n.nearer
    return named


def oracle_line(report: GeneratorReport) -> str:
    """Describe the oracle's own error, which limits the figures of every generator; empty if the oracle was not
    used."""
    oracle = report.about["oracle"]["figures"]
    if not report.about["data"]["phantoms"] or "identity_drift" not in oracle:
        return ""
    return (
        f"The oracle itself, on {oracle['phantoms']} unseen phantoms: condition {oracle['condition_accuracy']:.1%}, "
        f"age group {oracle['age_group_accuracy']:.1%} (within a tenth of a border "
        f"{oracle['age_group_accuracy_near_border']:.1%}), identity drift {oracle['identity_drift']['ratio']:.2f}."
    )


def check_targets(report: GeneratorReport) -> list[dict[str, Any]]:
    """Compare every target with its value; `met` is None if nothing was measured."""
    found = []
    for target in TARGETS:
        for figures in report.figures:
            if figures.truncation in target.truncations:
                value = values(figures)[target.name]
                found.append(
                    {
                        "figure": target.name,
                        "truncation": figures.truncation,
                        "value": value,
                        "target": target.bound,
                        "relation": "<=" if target.at_most else ">=",
                        "met": None if value is None else target.is_met(value),
                    }
                )
    return found


def to_json(report: GeneratorReport) -> str:
    """Convert the whole report, without its pictures, to JSON; numbers that are not finite become null."""
    data = {
        "version": 1,
        "notice": NOTICE,
        "about": report.about,
        "targets": check_targets(report),
        "left_out": report.left_out,
        "cells": report.cells,
        "age_groups": report.steps,
        "truncations": {str(f.truncation): asdict(f) | {"summary": values(f)} for f in report.figures},
        "frechet_over_images_seen": report.curve,
    }
    return to_json_text(data)
