"""`gestaltgen evaluate`: does the label steer the images, are they varied, and how far are they from real ones?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
import typer

import weights as shipped
from core.atomic_files import write_file
from core.errors import ConfigError
from core.precision import Precision, resolve_precision
from faces.datasets.dataset import Dataset
from faces.detect import FaceDetector
from faces.images import Pixels, encode_png
from faces.measures import inception as inception_file
from faces.measures.descriptors import FaceDescriber, faces_found
from faces.measures.distances import Features, known, moments, nearest
from faces.measures.reading_statistics import neighbours, spread
from faces.oracle import attribute_network as oracle_file
from faces.oracle.attribute_network import Oracle
from faces.phantoms.phantom_dataset import fresh_phantoms, is_phantoms
from gen import checkpoint
from gen.evaluation.experiments import (
    EVALUATION_SEED,
    TUNING_SEED,
    Experiment,
    Extract,
    Readable,
    asked,
    balanced_rows,
    blends_for,
    cell_names,
    cells_of,
    distances,
    images_to_make,
    is_balanced,
    people_for,
    quick_frechet,
    rows_like,
    vocabulary_of,
)
from gen.evaluation.page import page, pairs_sheet
from gen.evaluation.real_images import (
    THUMBNAIL_PX,
    ImageSubset,
    parted,
    read_real,
    thumbnails,
    whole,
)
from gen.evaluation.report import NOTICE, Figures, Found, GeneratorReport, Pair, oracle_line, to_json, verdicts
from gen.imagesets import expand
from gen.networks import Generator
from gen.training.data import Exclusion
from gestaltgen.cli.console import make_console
from gestaltgen.cli.options import PrecisionOption
from gestaltgen.cli.progress import stepping_bar
from gestaltgen.cli.training.evaluation_table import figures_table

HELD_OUT_SEED: Final = 703
"""Of the phantoms that are drawn as new people where no held-out set is named."""

_HELD_OUT: Final = 400
_PAIRS: Final = 6
_CURVE_IMAGES: Final = 500
_console = make_console()


class FeatureName(StrEnum):
    ORACLE = "oracle"
    DLIB = "dlib"


@dataclass(frozen=True)
class _Options:
    """What was asked for on the command line."""

    count: int
    truncations: tuple[float, ...]
    seed: int
    faces: int
    real_count: int
    precision: Precision


def evaluate(
    weights: Annotated[Path | None, typer.Argument(help="Generator's checkpoint; unset takes the shipped one.")] = None,
    *,
    data: Annotated[Path, typer.Option(help="Data set that it was trained on, as `gestaltgen dataset` makes it.")],
    out: Annotated[Path, typer.Option(help="Folder for evaluation.json, evaluation.png and neighbours.png.")] = Path(
        "evaluation"
    ),
    count: Annotated[int, typer.Option(help="Images of each experiment and truncation.", min=40)] = 2_000,
    truncation: Annotated[list[float] | None, typer.Option(help="Repeatable; unset takes 0.6 and 1.")] = None,
    seed: Annotated[
        int, typer.Option(help="Where the people come from. Tune on another one than you publish.", min=0)
    ] = EVALUATION_SEED,
    phantoms: Annotated[
        bool | None,
        typer.Option("--phantoms/--photographs", help="What the data show; unset: as their records say."),
    ] = None,
    features: Annotated[
        list[FeatureName] | None,
        typer.Option(help="For distances, repeatable; unset: oracle for phantoms, dlib for photographs."),
    ] = None,
    inception: Annotated[
        Path | None, typer.Option(help="Also on Inception features: pytorch-fid's state dict.", dir_okay=False)
    ] = None,
    oracle: Annotated[Path | None, typer.Option(help="Oracle's file; unset takes the shipped one.")] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(help="Data set of real images kept out of training; unset draws phantoms, or leaves one out."),
    ] = None,
    exclude: Annotated[
        Path | None,
        typer.Option(help="The list that the training was given: these images of DATA are the held-out ones."),
    ] = None,
    run: Annotated[Path | None, typer.Option(help="Training run with kept snapshots: adds the curve of them.")] = None,
    faces: Annotated[int, typer.Option(help="Images that dlib searches, of each truncation.", min=1)] = 500,
    real_count: Annotated[
        int, typer.Option(help="Real images that the slower networks (dlib, Inception) see.", min=2)
    ] = 2_000,
    precision: PrecisionOption = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads.", min=1)] = None,
) -> None:
    """Measure a generator: conditions, ages, identity, blends, variety, copies and distances to real images.

    Images are made for the purpose, from seeds that no training uses, and read by the oracle, a network that was
    trained on phantoms and whose own error is known (`gestaltgen oracle test`). It reads phantoms only: with
    photographs the figures that need it are left out, and the report says so.

    For each truncation COUNT images of every condition and age, as many in age progressions and as many in blends:

    - *condition and age-group accuracy*: share of images that are read as they were asked for

    - *age order*: Spearman's correlation of step and read age, mean over people

    - *identity drift*: how far a person's identity moves over a progression, relative to the spread between people

    - *blends*: share of people in whom the first condition grows with its weight

    - *identity spread*: within each condition and age, relative to real images; low means few faces for all

    - *precision, recall, variety*: do images lie among real ones, do real ones lie among them, how different are they

    - *nearest training image*: relative to images never trained on; far below 1 means copies

    - *Fréchet and kernel distance* to the data: compare figures of equal counts and features only

    Example: gestaltgen evaluate runs/mine/generator.safetensors --data faces.zip --run runs/mine --out report
    """
    if threads is not None:
        torch.set_num_threads(threads)
    psis = tuple(dict.fromkeys(truncation or (0.6, 1.0)))
    if not all(0 <= psi <= 1 for psi in psis):
        raise typer.BadParameter(f"truncations {list(psis)}; expected numbers in [0, 1]")
    if held_out and exclude:
        raise typer.BadParameter("--held-out and --exclude both name held-out images; give one of them")
    options = _Options(count, psis, seed, faces, real_count, resolve_precision(precision, "cpu"))
    path = weights or shipped.default()
    generator, info = checkpoint.load_generator(path), checkpoint.read_info(path)
    reader, reader_info = oracle_file.load(oracle or shipped.oracle())
    with ExitStack() as stack:
        dataset = stack.enter_context(Dataset.open(data))
        trained, kept_out = (whole(dataset), None) if exclude is None else parted(dataset, Exclusion.read(exclude))
        if held_out is not None:
            kept_out = whole(stack.enter_context(Dataset.open(held_out)))
        detector = FaceDetector()
        drawn = is_phantoms(dataset) if phantoms is None else phantoms
        extractors = _extractors(features, inception, reader, detector, drawn)
        steady = reader_info.steady if drawn else []
        evaluation = _Evaluation(generator, reader, steady, detector, trained, kept_out, extractors, drawn, options)
        figures, curve = evaluation.figures(), evaluation.curve(run)
        about = {
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "weights": {
                "file": path.name,
                "sha256": info.sha256,
                "side": generator.config.resolution,
                "images_seen": info.images_seen,
                "origin": info.origin,
            },
            "oracle": {"sha256": reader_info.sha256, "origin": reader_info.origin, "figures": reader_info.figures},
            "data": {"file": data.name, "images": len(trained), "side": dataset.size, "phantoms": drawn},
            "held_out": evaluation.held_out_is,
            "seed": seed,
            "people_per_condition_in_progressions": people_for(evaluation.vocabulary, count),
            "people_per_pair_and_age_in_blends": blends_for(evaluation.vocabulary, count),
            "options": {"count": count, "faces": faces, "real_count": real_count, "precision": options.precision},
        }
        report = GeneratorReport(
            about=about,
            figures=figures,
            left_out=evaluation.left_out(),
            cells=cell_names(evaluation.vocabulary),
            steps=evaluation.vocabulary.age_names,
            curve=curve,
            samples=evaluation.samples,
            sample_titles=evaluation.vocabulary.conditions,
            pairs=evaluation.pairs,
        )
    _write(out, report)
    _show(out, report)


class _Evaluation:
    """The experiments of one command, and the pictures that the page takes from them."""

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
        options: _Options,
    ) -> None:
        self.generator, self.oracle, self.detector = generator, oracle, detector
        self.data, self.held_out = data, held_out
        self.steady, self.extractors, self.phantoms, self.options = steady, extractors, phantoms, options
        self.vocabulary = vocabulary_of(generator)
        self.readable = Readable.of(self.vocabulary, oracle.config, phantoms=phantoms)
        with stepping_bar(_console, "reading real images", len(data)) as step:
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
        """Of every truncation."""
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

    def curve(self, run: Path | None) -> tuple[tuple[int, float], ...]:
        """(images seen, Fréchet distance on the first features) of a run's kept generators and of its newest."""
        if run is None:
            return ()
        snapshots = [*sorted((run / "kept").glob("*.safetensors")), *run.glob("generator.safetensors")]
        if not snapshots:
            raise ConfigError(f"{run} holds no generator; expected the folder of a `gestaltgen train` run")
        name = next(iter(self.extractors))
        real, curve = moments(known(self.real.features[name])), {}
        with stepping_bar(_console, "snapshots", len(snapshots)) as step:
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

    def left_out(self) -> dict[str, str]:
        """What makes no sense here, and why."""
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
        with stepping_bar(_console, f"truncation {psi:g}", total) as step:
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
            progressions = experiment.progressions(people_for(vocabulary, options.count), steady=self.steady)
            blends = experiment.blends(blends_for(vocabulary, options.count))
            alike = (
                experiment.render(rows_like(real.labels, request, vocabulary, options.count), request)
                if as_data
                else images
            )
        if not self.samples:
            self.samples = self._samples(experiment)
        conditions, ages = asked(rows, vocabulary)
        cells = len(vocabulary.conditions) * len(vocabulary.ages)
        diversity = None
        if self.phantoms:
            made = conditions * len(vocabulary.ages) + ages
            diversity = spread(
                reading.identity.double().numpy(), made, real.identity, cells_of(real.labels, vocabulary), cells
            )
        searched = min(options.faces, len(images))
        chosen = np.linspace(0, len(images) - 1, searched).round().astype(int)
        seen = faces_found(self.detector, images[chosen])
        features = {name: extract(alike) for name, extract in self.extractors.items()}
        nearest_by, pairs = self._neighbours(features, thumbnails(alike), reference)
        figures = Figures(
            truncation=psi,
            labelled=experiment.labelled(rows, reading),
            progressions=progressions,
            blends=blends,
            spread=diversity,
            faces=Found(seen / searched, searched),
            distances={name: distances(features[name], real.features[name]) for name in features},
            neighbours=nearest_by,
            pairs=pairs,
        )
        return figures, alike

    def _neighbours(
        self, features: Mapping[str, Features], thumbs: Any, reference: Mapping[str, Features]
    ) -> tuple[dict[str, Any], tuple[Pair, ...]]:
        """Neighbours among the training images by the first features and by pixels, and the closest pairs of both."""
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
        """Distances of images that were not trained on to the nearest training image, by features and by pixels."""
        name = next(iter(self.extractors))
        ours, thumbs = known(self.real.features[name]), self.real.thumbnails
        if self.held_out is None and not self.phantoms:
            return {
                "features": nearest(ours, ours, leave_out_self=True)[0],
                "pixels": nearest(thumbs, thumbs, leave_out_self=True)[0],
            }
        parts = [(self.extractors[name](images), thumbnails(images)) for images in self._held_out_images()]
        theirs = known(np.concatenate([features for features, _ in parts]))
        return {
            "features": nearest(theirs, ours)[0],
            "pixels": nearest(np.concatenate([small for _, small in parts]), thumbs)[0],
        }

    def _held_out_images(self) -> Iterator[Pixels]:
        if self.held_out is not None:
            with stepping_bar(_console, "reading held-out images", len(self.held_out)) as step:
                for _, images in self.held_out.chunks():
                    step(len(images))
                    yield images
            return
        count = min(_HELD_OUT, self.options.count)
        with stepping_bar(_console, "drawing new phantoms", count) as step:
            for images in fresh_phantoms(count, self.data.data.size, HELD_OUT_SEED):
                step(1)
                yield images

    def _samples(self, experiment: Experiment) -> tuple[tuple[Pixels, ...], ...]:
        """Images of one person of each condition at every age."""
        steps = len(self.vocabulary.ages)
        request = experiment.request("age_related", count=1)
        images = experiment.render(expand(request, self.vocabulary, {}), request)
        return tuple(tuple(images[at : at + steps]) for at in range(0, len(images), steps))


def _extractors(
    names: list[FeatureName] | None, inception: Path | None, oracle: Oracle, detector: FaceDetector, phantoms: bool
) -> dict[str, Extract]:
    chosen = names or [FeatureName.ORACLE if phantoms else FeatureName.DLIB]
    made: dict[str, Extract] = {}
    for name in chosen:
        made[name.value] = oracle.features if name is FeatureName.ORACLE else FaceDescriber(detector)
    if inception is not None:
        made["Inception"] = inception_file.load(inception).features
    return made


def _write(out: Path, report: GeneratorReport) -> None:
    """Pictures first, the figures last: where evaluation.json is, the rest is."""
    write_file(out / "evaluation.png", page(report))
    if report.pairs:
        write_file(out / "neighbours.png", encode_png(pairs_sheet(report)))
    write_file(out / "evaluation.json", to_json(report).encode())


def _show(out: Path, report: GeneratorReport) -> None:
    _console.print(figures_table(report))
    _say(oracle_line(report))
    side, ours = report.about["data"]["side"], report.about["weights"]["side"]
    if side != ours:
        _say(f"images of {ours} px against data of {side} px: distances count the difference in sharpness too")
    for name, reason in report.left_out.items():
        _say(f"not measured: {name}: {reason}")
    held = [verdict for verdict in verdicts(report) if verdict["met"] is not None]
    _say(f"{sum(verdict['met'] for verdict in held)} of {len(held)} targets met; report in {out}")
    _say(NOTICE)


def _say(text: str) -> None:
    _console.print(text, markup=False, soft_wrap=True)
