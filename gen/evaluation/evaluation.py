"""One evaluation of a generator: from a checkpoint and its data set to a report in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.atomic_files import write_file
from core.errors import ConfigError
from core.precision import Precision
from core.progress import SILENT, Progress, stepping_bar
from faces.datasets.dataset import Dataset
from faces.detect import FaceDetector
from faces.images import Pixels, encode_png
from faces.measures import inception as inception_file
from faces.measures.descriptors import FaceDescriber, count_faces
from faces.measures.distances import Features, drop_unknown_rows, moments, nearest
from faces.measures.reading_statistics import neighbours, spread
from faces.oracle import attribute_network as oracle_file
from faces.oracle.attribute_network import Oracle, OracleInfo
from faces.phantoms.phantom_dataset import fresh_phantoms, is_phantoms
from gen import checkpoint
from gen.checkpoint import CheckpointInfo
from gen.evaluation.experiments import (
    EVALUATION_SEED,
    TUNING_SEED,
    Experiment,
    Extract,
    ReadableLabels,
    balanced_rows,
    blends_for,
    cell_names,
    find_requested_cells,
    images_to_make,
    is_balanced,
    measure_distances,
    number_cells,
    people_for,
    quick_frechet,
    require_vocabulary,
    rows_like,
)
from gen.evaluation.page import page, pairs_sheet
from gen.evaluation.real_images import (
    THUMBNAIL_PX,
    ImageSubset,
    read_real,
    select_all,
    split_by_exclusion,
    thumbnails,
)
from gen.evaluation.report import FaceDetections, Figures, GeneratorReport, Pair, to_json
from gen.imagesets import expand
from gen.networks import Generator
from gen.training.data import Exclusion

HELD_OUT_SEED: Final = 703
"""Seed of the phantoms that are drawn as new people if no held-out set is named."""

_HELD_OUT: Final = 400
_PAIRS: Final = 6
_CURVE_IMAGES: Final = 500


class FeatureName(StrEnum):
    """Networks whose features distances are computed on."""

    ORACLE = "oracle"
    DLIB = "dlib"


@dataclass(frozen=True)
class ExperimentOptions:
    """Size and seed of the experiments.

    Args:
        count: images of each experiment and truncation.
        truncations: values of psi, each in [0, 1].
        seed: of the people.
        faces: number of images of each truncation in which dlib searches for a face.
        real_count: number of real images for the slower networks (dlib, Inception).
        precision: of the generator's convolutions.

    Raises ConfigError for a truncation outside [0, 1].
    """

    count: int = 2_000
    truncations: tuple[float, ...] = (0.6, 1.0)
    seed: int = EVALUATION_SEED
    faces: int = 500
    real_count: int = 2_000
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if not all(0 <= psi <= 1 for psi in self.truncations):
            raise ConfigError(f"truncations {list(self.truncations)}; expected numbers in [0, 1]")


@dataclass(frozen=True)
class EvaluationOptions:
    """Options of an evaluation, as a user gives them.

    Args:
        weights: checkpoint of the generator.
        data: data set that it was trained on.
        oracle: file of the oracle.
        experiments: their size and seed.
        phantoms: whether the data show phantoms; None takes it from their records.
        features: features for distances; if empty, the oracle's for phantoms and dlib's for photographs.
        inception: state dict of pytorch-fid, for distances on Inception features too.
        held_out: data set of real images that were kept out of training.
        exclude: list that the training was given; these images of `data` are the held-out ones.
        run: folder of a training run with kept generators, for a curve over them.

    Raises ConfigError if both `held_out` and `exclude` are given.
    """

    weights: Path
    data: Path
    oracle: Path
    experiments: ExperimentOptions = ExperimentOptions()
    phantoms: bool | None = None
    features: Sequence[FeatureName] = ()
    inception: Path | None = None
    held_out: Path | None = None
    exclude: Path | None = None
    run: Path | None = None

    def __post_init__(self) -> None:
        if self.held_out and self.exclude:
            raise ConfigError("--held-out and --exclude both name held-out images; give one of them")


def evaluate_generator(options: EvaluationOptions, progress: Progress = SILENT) -> GeneratorReport:
    """Measure a generator.

    Args:
        progress: shows how far the experiments have got.

    Raises:
        GestaltError: a file that cannot be read, or data of another vocabulary than the generator's.
    """
    generator, info = checkpoint.load_generator(options.weights), checkpoint.read_info(options.weights)
    reader, reader_info = oracle_file.load(options.oracle)
    snapshots = [] if options.run is None else list_snapshots(options.run)
    with ExitStack() as stack:
        dataset = stack.enter_context(Dataset.open(options.data))
        trained, kept_out = select_all(dataset), None
        if options.exclude is not None:
            trained, kept_out = split_by_exclusion(dataset, Exclusion.read(options.exclude))
        if options.held_out is not None:
            kept_out = select_all(stack.enter_context(Dataset.open(options.held_out)))
        detector = FaceDetector()
        phantoms = is_phantoms(dataset) if options.phantoms is None else options.phantoms
        extractors = _make_extractors(options, reader, detector, phantoms)
        steady = reader_info.steady if phantoms else []
        evaluation = Evaluation(
            generator, reader, steady, detector, trained, kept_out, extractors, phantoms, options.experiments, progress
        )
        figures, curve = evaluation.figures(), evaluation.curve(snapshots)
        return GeneratorReport(
            about=_describe_evaluation(options, info, reader_info, evaluation),
            figures=figures,
            left_out=evaluation.explain_omissions(),
            cells=cell_names(evaluation.vocabulary),
            steps=evaluation.vocabulary.age_names,
            curve=curve,
            samples=evaluation.samples,
            sample_titles=evaluation.vocabulary.conditions,
            pairs=evaluation.pairs,
        )


def _describe_evaluation(
    options: EvaluationOptions, info: CheckpointInfo, oracle: OracleInfo, evaluation: Evaluation
) -> dict[str, Any]:
    """Return the files and settings of an evaluation, which its report states."""
    vocabulary, data, asked_for = evaluation.vocabulary, evaluation.data, options.experiments
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "weights": {
            "file": options.weights.name,
            "sha256": info.sha256,
            "side": evaluation.generator.config.resolution,
            "images_seen": info.images_seen,
            "origin": info.origin,
        },
        "oracle": {"sha256": oracle.sha256, "origin": oracle.origin, "figures": oracle.figures},
        "data": {
            "file": options.data.name,
            "images": len(data),
            "side": data.data.size,
            "phantoms": evaluation.phantoms,
        },
        "held_out": evaluation.held_out_is,
        "seed": asked_for.seed,
        "people_per_condition_in_progressions": people_for(vocabulary, asked_for.count),
        "people_per_pair_and_age_in_blends": blends_for(vocabulary, asked_for.count),
        "options": {
            "count": asked_for.count,
            "faces": asked_for.faces,
            "real_count": asked_for.real_count,
            "precision": asked_for.precision,
        },
    }


def list_snapshots(run: Path) -> list[Path]:
    """List the kept generators of a training run and its newest.

    Raises:
        ConfigError: the folder holds none.
    """
    snapshots = [*sorted((run / "kept").glob("*.safetensors")), *run.glob("generator.safetensors")]
    if not snapshots:
        raise ConfigError(f"{run} holds no generator; expected the folder of a `gestaltgen train` run")
    return snapshots


def write_report(folder: Path, report: GeneratorReport) -> None:
    """Write the pictures of a report and then its figures, so that a folder with evaluation.json is complete."""
    write_file(folder / "evaluation.png", page(report))
    if report.pairs:
        write_file(folder / "neighbours.png", encode_png(pairs_sheet(report)))
    write_file(folder / "evaluation.json", to_json(report).encode())


class Evaluation:
    """Experiments of one evaluation, and the images for the page."""

    def __init__(
        self,
        generator: Generator,
        oracle: Oracle,
        steady: list[int],
        detector: FaceDetector,
        data: ImageSubset,
        held_out: ImageSubset | None,
        extractors: Mapping[str, Extract],
        phantoms: bool,
        options: ExperimentOptions,
        progress: Progress = SILENT,
    ) -> None:
        self.progress = progress
        self.generator, self.oracle, self.detector = generator, oracle, detector
        self.data, self.held_out = data, held_out
        self.steady, self.extractors, self.phantoms, self.options = steady, extractors, phantoms, options
        self.vocabulary = require_vocabulary(generator)
        self.readable = ReadableLabels.of(self.vocabulary, oracle.config, phantoms=phantoms)
        with stepping_bar(self.progress, "reading real images", len(data)) as step:
            self.real = read_real(
                data,
                self.vocabulary,
                extractors,
                oracle if phantoms else None,
                slow_count=options.real_count,
                on_progress=step,
            )
        self.held_out_is = (
            f"{len(held_out)} images of {held_out.data.path.name}"
            if held_out
            else "phantoms drawn for the purpose"
            if phantoms
            else "each training image against the others"
        )
        self.samples: tuple[tuple[Pixels, ...], ...] = ()
        self.pairs: tuple[tuple[Pixels, Pixels], ...] = ()

    def figures(self) -> tuple[Figures, ...]:
        """Measure the generator at every truncation."""
        reference = self._reference()
        found, pairs = [], []
        for psi in self.options.truncations:
            figures, pictures = self._at(psi, reference)
            found.append(figures)
            pairs += [(pair, pictures[pair.image]) for pair in figures.pairs]
        pairs.sort(key=lambda entry: (entry[0].by, entry[0].distance))
        best = [[entry for entry in pairs if entry[0].by == by][:_PAIRS] for by in ("features", "pixels")]
        self.pairs = tuple((picture, self.data.image(pair.training)) for half in best for pair, picture in half)
        return tuple(found)

    def curve(self, snapshots: Sequence[Path]) -> tuple[tuple[int, float], ...]:
        """Measure snapshots of a training run: (images seen, Fréchet distance on the first features)."""
        if not snapshots:
            return ()
        name = next(iter(self.extractors))
        real, curve = moments(drop_unknown_rows(self.real.features[name])), {}
        with stepping_bar(self.progress, "snapshots", len(snapshots)) as step:
            for path in snapshots:
                seen = checkpoint.read_info(path).images_seen
                curve[seen] = quick_frechet(
                    checkpoint.load_generator(path),
                    real,
                    self.extractors[name],
                    labels=self.real.labels,
                    n=min(_CURVE_IMAGES, self.options.count),
                    seed=TUNING_SEED,
                    precision=self.options.precision,
                )
                step(1)
        return tuple(sorted(curve.items()))

    def explain_omissions(self) -> dict[str, str]:
        """Explain which figures cannot be measured here, by the name of the figure."""
        reasons = {
            "condition": self.readable.conditions,
            "age group": self.readable.ages,
            "blends": self.readable.conditions,
            "identity": None if self.phantoms else "the oracle reads the identity of phantoms only",
        }
        return {name: reason for name, reason in reasons.items() if reason}

    def _at(self, psi: float, reference: Mapping[str, Features]) -> tuple[Figures, Pixels]:
        options, vocabulary, real = self.options, self.vocabulary, self.real
        as_data = not is_balanced(real.labels, vocabulary)
        total = images_to_make(vocabulary, self.readable, options.count, as_data=as_data)
        with stepping_bar(self.progress, f"truncation {psi:g}", total) as step:
            experiment = Experiment(
                self.generator,
                self.oracle,
                self.readable,
                truncation=psi,
                seed=options.seed,
                precision=options.precision,
                on_progress=step,
            )
            request = experiment.request("unrelated")
            rows = balanced_rows(request, vocabulary, options.count)
            images = experiment.render(rows, request)
            reading = self.oracle.read_pixels(images)
            progressions = experiment.measure_progressions(people_for(vocabulary, options.count), steady=self.steady)
            blends = experiment.measure_blends(blends_for(vocabulary, options.count))
            alike = (
                experiment.render(rows_like(real.labels, request, vocabulary, options.count), request)
                if as_data
                else images
            )
        if not self.samples:
            self.samples = self._samples(experiment)
        conditions, ages = find_requested_cells(rows, vocabulary)
        cells = len(vocabulary.conditions) * len(vocabulary.ages)
        diversity = None
        if self.phantoms:
            made = conditions * len(vocabulary.ages) + ages
            diversity = spread(
                reading.identity.double().numpy(), made, real.identity, number_cells(real.labels, vocabulary), cells
            )
        searched = min(options.faces, len(images))
        chosen = np.linspace(0, len(images) - 1, searched).round().astype(int)
        seen = count_faces(self.detector, images[chosen])
        features = {name: extract(alike) for name, extract in self.extractors.items()}
        nearest_by, pairs = self._neighbours(features, thumbnails(alike), reference)
        figures = Figures(
            truncation=psi,
            labelled=experiment.measure_labels(rows, reading),
            progressions=progressions,
            blends=blends,
            spread=diversity,
            faces=FaceDetections(seen / searched, searched),
            distances={name: measure_distances(features[name], real.features[name]) for name in features},
            neighbours=nearest_by,
            pairs=pairs,
        )
        return figures, alike

    def _neighbours(
        self, features: Mapping[str, Features], thumbs: Any, reference: Mapping[str, Features]
    ) -> tuple[dict[str, Any], tuple[Pair, ...]]:
        """Find neighbours among the training images by the first features and by pixels, and the closest pairs of
        both."""
        name = next(iter(features))
        found, pairs = {}, []
        scale = 3**0.5 * THUMBNAIL_PX
        for by, label, ours, theirs, places, unit in (
            ("features", f"{name} features", features[name], self.real.features[name], self.real.places[name], 1.0),
            ("pixels", "pixels", thumbs, self.real.thumbnails, np.arange(len(self.data)), scale),
        ):
            usable, among = np.isfinite(ours).all(axis=1), np.isfinite(theirs).all(axis=1)
            distance, place = nearest(ours[usable], theirs[among])
            distance = distance / unit
            found[label] = neighbours(distance, reference[by] / unit)
            images, training = np.flatnonzero(usable), places[among]
            for best in np.argsort(distance)[:_PAIRS]:
                pairs.append(Pair(by, float(distance[best]), int(images[best]), int(training[place[best]])))
        return found, tuple(pairs)

    def _reference(self) -> dict[str, Features]:
        """Compute distances of images outside the training to the nearest training image, by features and by pixels."""
        name = next(iter(self.extractors))
        ours, thumbs = drop_unknown_rows(self.real.features[name]), self.real.thumbnails
        if self.held_out is None and not self.phantoms:
            return {
                "features": nearest(ours, ours, leave_out_self=True)[0],
                "pixels": nearest(thumbs, thumbs, leave_out_self=True)[0],
            }
        parts = [(self.extractors[name](images), thumbnails(images)) for images in self._read_held_out_images()]
        theirs = drop_unknown_rows(np.concatenate([features for features, _ in parts]))
        return {
            "features": nearest(theirs, ours)[0],
            "pixels": nearest(np.concatenate([small for _, small in parts]), thumbs)[0],
        }

    def _read_held_out_images(self) -> Iterator[Pixels]:
        if self.held_out is not None:
            with stepping_bar(self.progress, "reading held-out images", len(self.held_out)) as step:
                for _, images in self.held_out.chunks():
                    step(len(images))
                    yield images
            return
        count = min(_HELD_OUT, self.options.count)
        with stepping_bar(self.progress, "drawing new phantoms", count) as step:
            for images in fresh_phantoms(count, self.data.data.size, HELD_OUT_SEED):
                step(1)
                yield images

    def _samples(self, experiment: Experiment) -> tuple[tuple[Pixels, ...], ...]:
        """Render images of one person of each condition at every age."""
        steps = len(self.vocabulary.ages)
        request = experiment.request("age_related", count=1)
        images = experiment.render(expand(request, self.vocabulary, {}), request)
        return tuple(tuple(images[at : at + steps]) for at in range(0, len(images), steps))


def _make_extractors(
    options: EvaluationOptions, oracle: Oracle, detector: FaceDetector, phantoms: bool
) -> dict[str, Extract]:
    names = options.features or [FeatureName.ORACLE if phantoms else FeatureName.DLIB]
    extractors: dict[str, Extract] = {
        name.value: oracle.features if name is FeatureName.ORACLE else FaceDescriber(detector) for name in names
    }
    if options.inception is not None:
        extractors["Inception"] = inception_file.load(options.inception).features
    return extractors
