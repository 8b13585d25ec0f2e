"""The fit of random heads whose truth is known, against the mean head of their age and sex."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from faces.heads import HeadModel, fit_heads, load_head_model
from faces.heads.priors import HeadParameters, HeadPrior

Floats = npt.NDArray[np.float64]

EYE_DISTANCE_PX: Final = 100.0
CAMERA_M: Final = 1.0

_AREAS: Final = ((0, 17), (17, 22), (22, 27), (27, 36), (36, 42), (42, 48), (48, 68))
"""Jaw, brows, nose, eyes and mouth: landmarks of one area err together."""

_RELATIVE_ERROR: Final = np.repeat([2.0, 1.4, 1.0], (17, 10, 41))
_SHARED: Final = 0.2
"""Share of the variance of errors that all landmarks of an area have in common."""


@dataclass(frozen=True)
class Case:
    """A condition of the measurement.

    Attributes:
        name: for the table.
        error: mean distance of a landmark from its true place, in eye distances.
        known: whether age and sex are given.
        near: whether the camera is CAMERA_M away instead of far away.
    """

    name: str
    error: float = 0.0
    known: bool = True
    near: bool = False


CASES: Final = (
    Case("exact"),
    Case("exact, age and sex unknown", known=False),
    Case(f"exact, camera {CAMERA_M:g} m away", near=True),
    *(Case(f"{error} %", error=error / 100) for error in (2, 4, 8)),
    *(Case(f"{error} %, age and sex unknown", error=error / 100, known=False) for error in (2, 4, 8)),
)


@dataclass(frozen=True)
class Measurement:
    """Results of a case; distances in % of the eye distance, after similarity alignment.

    Attributes:
        mean_head: mean distance of the mean head of that age and sex from the truth, with expression.
        fit: that of the fit.
        mean_head_at_rest: as mean_head, from the truth at rest.
        fit_at_rest: that of the fit at rest.
        depth: mean error along the viewing direction, at rest: of the mean head and of the fit.
        depth_correlation: between true and fitted depth of points, less that of the mean head.
        smile_correlation: between true and fitted intensity.
        smile_error: mean absolute error of it.
        age_error: mean absolute error in years.
        failures: number of faces that could not be fitted.
        cpu_ms: processor time for a face.
    """

    mean_head: float
    fit: float
    mean_head_at_rest: float
    fit_at_rest: float
    depth: tuple[float, float]
    depth_correlation: float
    smile_correlation: float
    smile_error: float
    age_error: float
    failures: int
    cpu_ms: float


def measure(count: int, seed: int) -> Iterator[tuple[Case, Measurement]]:
    """Draw heads of all ages up to 80 years and both sexes, turned by some degrees, and measure every case on them."""
    random = np.random.default_rng(seed)
    model = load_head_model()
    prior = HeadPrior(model)
    ages, females = random.uniform(0, 80, count), (random.random(count) < 0.5).astype(np.float64)
    heads = prior.draw(ages, females, seed)
    turned = _turn(model.landmark_points(heads.points(model)), random.normal(0, [8, 6, 5], (count, 3)))
    noise = _draw_errors(count, random)
    mean = prior.mean_heads(ages, females)
    sexes = ["female" if female else "male" for female in females]
    scale = EYE_DISTANCE_PX / model.eye_distances(heads.points(model))[:, None, None]
    for case in CASES:
        seen = turned[:, :, :2] / (1 + turned[:, :, 2:] / CAMERA_M if case.near else 1.0)
        landmarks = seen * scale + noise * case.error * EYE_DISTANCE_PX
        begin = time.process_time()
        fits = fit_heads(landmarks, ages.tolist() if case.known else None, sexes if case.known else None)
        seconds = time.process_time() - begin
        rows = np.array([row for row in range(count) if row not in fits.failures])
        known = HeadParameters(heads.phenotype[rows], heads.changes[rows], heads.actions[rows])
        truth, resting = known.points(model), known.points(model, at_rest=True)
        fitted = fits.resting[rows].astype(np.float64)
        off, off_mean = _misplacement(model, fitted, resting), _misplacement(model, mean[rows], resting)
        smile = known.smile(model)
        yield (
            case,
            Measurement(
                mean_head=_distance(_misplacement(model, mean[rows], truth)),
                fit=_distance(_misplacement(model, fits.points[rows].astype(np.float64), truth)),
                mean_head_at_rest=_distance(off_mean),
                fit_at_rest=_distance(off),
                depth=(float(np.abs(off_mean[..., 2]).mean()), float(np.abs(off[..., 2]).mean())),
                depth_correlation=_correlation(off_mean[..., 2], off_mean[..., 2] - off[..., 2]),
                smile_correlation=_correlation(smile, fits.smile[rows]),
                smile_error=float(np.abs(smile - fits.smile[rows]).mean()),
                age_error=float(np.abs(ages[rows] - fits.age[rows]).mean()),
                failures=len(fits.failures),
                cpu_ms=1000 * seconds / count,
            ),
        )


def table(results: list[tuple[Case, Measurement]]) -> str:
    """Write results as a table in Markdown."""
    lines = [
        "| landmarks | mean head | fit | nearer by | at rest: mean head | fit | nearer by | depth: mean head | fit | r "
        "| smile: r | error | age: error in years | failed | CPU ms a face |",
        "|---|" + "--:|" * 14,
    ]
    for case, x in results:
        cells = [
            case.name,
            *(f"{x.mean_head:.1f}", f"{x.fit:.1f}", f"{1 - x.fit / x.mean_head:.0%}"),
            *(f"{x.mean_head_at_rest:.1f}", f"{x.fit_at_rest:.1f}", f"{1 - x.fit_at_rest / x.mean_head_at_rest:.0%}"),
            *(f"{x.depth[0]:.1f}", f"{x.depth[1]:.1f}", f"{x.depth_correlation:.2f}"),
            *(
                f"{x.smile_correlation:.2f}",
                f"{x.smile_error:.2f}",
                f"{x.age_error:.0f}",
                f"{x.failures}",
                f"{x.cpu_ms:.0f}",
            ),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _turn(points: Floats, degrees: Floats) -> Floats:
    """Turn points (n, p, 3) about their centre by yaw, pitch and roll (n, 3)."""
    a, b, c = np.radians(degrees).T
    zero, one = np.zeros_like(a), np.ones_like(a)
    yaw = np.array([[np.cos(a), zero, np.sin(a)], [zero, one, zero], [-np.sin(a), zero, np.cos(a)]])
    pitch = np.array([[one, zero, zero], [zero, np.cos(b), -np.sin(b)], [zero, np.sin(b), np.cos(b)]])
    roll = np.array([[np.cos(c), -np.sin(c), zero], [np.sin(c), np.cos(c), zero], [zero, zero, one]])
    centred = points - points.mean(axis=1, keepdims=True)
    return np.asarray(np.einsum("ijn,jkn,kln,npl->npi", roll, pitch, yaw, centred))


def _draw_errors(count: int, random: np.random.Generator) -> Floats:
    """Draw errors (n, 68, 2) of landmarks whose mean length is 1, larger at the jaw and brows, as dlib's are."""
    errors = random.normal(size=(count, 68, 2)) * (1 - _SHARED) ** 0.5
    for begin, end in _AREAS:
        errors[:, begin:end] += random.normal(size=(count, 1, 2)) * _SHARED**0.5
    errors *= _RELATIVE_ERROR[:, None]
    return np.asarray(errors / np.linalg.norm(errors, axis=2).mean())


def _misplacement(model: HeadModel, points: Floats, truth: Floats) -> Floats:
    """Compute how far each point (n, p, 3) is from the truth after similarity alignment, in % of the eye distance."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (points, truth))
    u, s, vt = np.linalg.svd(np.einsum("npi,npj->nij", a, b))
    scale = s.sum(axis=1) / (a**2).sum(axis=(1, 2))
    aligned = scale[:, None, None] * (a @ (u @ vt))
    return np.asarray((aligned - b) / model.eye_distances(truth)[:, None, None] * 100)


def _distance(misplacement: Floats) -> float:
    return float(np.linalg.norm(misplacement, axis=2).mean())


def _correlation(a: Floats, b: Floats) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
