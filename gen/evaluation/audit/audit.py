"""One leakage audit: from a checkpoint, its training data and unseen people to a report in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.atomic_files import write_file
from core.errors import ConfigError
from core.precision import Precision
from core.progress import SILENT, Progress, stepping_bar
from faces.datasets.dataset import Dataset
from faces.detect import FaceDetector
from faces.image_set_request import ImageSetRequest
from faces.images import Pixels, encode_png
from faces.measures import inception as inception_file
from faces.measures.descriptors import FaceDescriber
from faces.oracle import attribute_network as oracle_file
from faces.phantoms.phantom_dataset import is_phantoms
from gen import checkpoint
from gen.checkpoint import CheckpointInfo
from gen.evaluation.audit.closeness import NearestTraining, measure_closeness
from gen.evaluation.audit.descriptions import (
    IDENTITY,
    PERCEPTUAL,
    PIXELS,
    Describe,
    Descriptions,
    describe_phantoms,
    describe_photographs,
    find_nearest,
    join,
    reduce,
)
from gen.evaluation.audit.extraction import extract_people
from gen.evaluation.audit.membership import (
    BLIND,
    COMBINED,
    Scores,
    combine_scores,
    fit_and_score,
    make_discriminator_score,
    measure_attacks,
)
from gen.evaluation.audit.page import draw_pairs, render_page
from gen.evaluation.audit.people import AuditedPeople, choose_people
from gen.evaluation.audit.report import AuditReport, to_json
from gen.evaluation.experiments import CHUNK, EVALUATION_SEED, require_vocabulary, rows_like
from gen.evaluation.real_images import ImageSubset
from gen.labels import Vocabulary
from gen.networks import Discriminator, Generator
from gen.sampler import Sampler

Floats = npt.NDArray[np.float64]

MeasureInversion = Callable[[Generator, Pixels, Callable[[int], None]], Floats]
"""Errors (n,) with which a generator reproduces pictures; the function is told the number of pictures done."""

_PAIRS: Final = 6


@dataclass(frozen=True)
class AuditOptions:
    """Options of an audit, as a user gives them.

    Args:
        weights: checkpoint of the generator.
        data: data set that it was trained on.
        unseen: data set of other people of the same source.
        oracle: file of the oracle, which reads phantoms.
        discriminator: checkpoint of the generator's discriminator, for the attack by its score.
        people: at most so many members, and so many unseen people.
        images: number of generated images.
        inversions: number of members, and of unseen people, whose pictures are inverted.
        false_positives: rates at which true positives are counted, each in (0, 1).
        truncation: psi of the images, in [0, 1].
        seed: of images and choices.
        precision: of the generator's convolutions.
        phantoms: whether the data show phantoms; None takes it from their records.
        inception: state dict of pytorch-fid, for perceptual distances between photographs.
        show_pairs: whether the report has a picture of training people.

    Raises ConfigError for a number outside its range.
    """

    weights: Path
    data: Path
    unseen: Path
    oracle: Path
    discriminator: Path | None = None
    people: int = 2_000
    images: int = 2_000
    inversions: int = 200
    false_positives: tuple[float, ...] = (0.01,)
    truncation: float = 1.0
    seed: int = EVALUATION_SEED
    precision: Precision = "float32"
    phantoms: bool | None = None
    inception: Path | None = None
    show_pairs: bool = False

    def __post_init__(self) -> None:
        if not self.false_positives or not all(0 < rate < 1 for rate in self.false_positives):
            raise ConfigError(f"false positives {list(self.false_positives)}; expected shares between 0 and 1, as 0.01")
        if not 0 <= self.truncation <= 1:
            raise ConfigError(f"truncation {self.truncation}; expected a number in [0, 1]")


def audit_generator(
    options: AuditOptions, measure_inversion: MeasureInversion, progress: Progress = SILENT
) -> AuditReport:
    """Audit a generator.

    Args:
        measure_inversion: error of an inversion without changes of the generator; small errors speak for members.

    Raises:
        GestaltError: a file that cannot be read, or people who do not allow an audit (`choose_people`).
    """
    generator, info = checkpoint.load_generator(options.weights), checkpoint.read_info(options.weights)
    vocabulary = require_vocabulary(generator)
    discriminator = _load_discriminator(options.discriminator, generator)
    with ExitStack() as stack:
        data, others = (stack.enter_context(Dataset.open(path)) for path in (options.data, options.unseen))
        with stepping_bar(progress, "reading keys", len(data) + len(others)) as step:
            people = choose_people(
                data,
                others,
                info.seen_images,
                vocabulary,
                count=options.people,
                false_positives=min(options.false_positives),
                seed=options.seed,
                on_progress=step,
            )
        phantoms = is_phantoms(data) if options.phantoms is None else options.phantoms
        audit = _Audit(options, people, generator, vocabulary, _make_describe(options, phantoms), progress)
        scores = audit.score_by_images()
        if discriminator is not None:
            scores["discriminator"] = audit.score_by_discriminator(discriminator)
        if options.inversions:
            scores["inversion error"] = audit.score_by_inversion(measure_inversion)
        counts = len(people.members), len(people.unseen)
        whole = [kind for kind in scores.values() if (len(kind.members), len(kind.unseen)) == counts]
        scores[COMBINED] = combine_scores(whole, options.seed)
        nearest, unseen_nearest = (audit.find_training_people(rows) for rows in (audit.generated, audit.unseen))
        closeness = tuple(
            measure_closeness(name, nearest[name], unseen_nearest[name], people.persons) for name in nearest
        )
        return AuditReport(
            about=_describe_audit(options, info, people, phantoms, generator.config.resolution),
            closeness=closeness,
            attacks=measure_attacks(scores, options.false_positives),
            blind=measure_attacks({BLIND: audit.score_blindly()}, options.false_positives)[0],
            extraction=tuple(
                extract_people(
                    c.measure,
                    audit.generated[c.measure],
                    audit.unseen[c.measure],
                    nearest[c.measure],
                    c.threshold,
                    people.persons,
                )
                for c in closeness
            ),
            left_out=_explain_omissions(options, people, audit.generated),
            distances={name: (nearest[name].distance, unseen_nearest[name].distance) for name in nearest},
            scores=scores,
            pairs=audit.find_pairs(nearest) if options.show_pairs else (),
        )


def write_report(folder: Path, report: AuditReport) -> None:
    """Write page, pairs if there are any, and then figures, so that a folder with audit.json is complete."""
    write_file(folder / "audit.html", render_page(report).encode())
    if report.pairs:
        write_file(folder / "pairs.png", encode_png(draw_pairs(report.pairs)))
    write_file(folder / "audit.json", to_json(report).encode())


class _Audit:
    """Pictures and their descriptions in one audit."""

    def __init__(
        self,
        options: AuditOptions,
        people: AuditedPeople,
        generator: Generator,
        vocabulary: Vocabulary,
        describe: Describe,
        progress: Progress,
    ) -> None:
        self.options, self.people, self.generator, self.progress = options, people, generator, progress
        self._side, self._vocabulary = generator.config.resolution, vocabulary
        self.trained = self._read("reading training people", people.trained, describe)
        self.unseen = self._read("reading unseen people", people.unseen, describe)
        places = np.searchsorted(people.trained.places, people.members.places)
        self.members = {name: rows[places] for name, rows in self.trained.items()}
        self.images, self.generated = self._render(describe)

    def score_by_images(self) -> dict[str, Scores]:
        """Score people by the distance to the nearest generated image, by each measure."""
        return {
            f"nearest image, {name}": Scores(
                -find_nearest(self.members[name], images, name)[0], -find_nearest(self.unseen[name], images, name)[0]
            )
            for name, images in self.generated.items()
        }

    def score_by_discriminator(self, discriminator: Discriminator) -> Scores:
        """Score people by the discriminator's logit of their pictures."""
        score = make_discriminator_score(discriminator)
        return Scores(*(score(self._pixels(part), part.labels(self._vocabulary)) for part in self._both()))

    def score_by_inversion(self, measure: MeasureInversion) -> Scores:
        """Score the first people by how well the generator reproduces their pictures."""
        pictures = [self._pixels(part, self.options.inversions) for part in self._both()]
        with stepping_bar(self.progress, "inverting people", sum(map(len, pictures))) as step:
            return Scores(*(-measure(self.generator, part, step) for part in pictures))

    def score_blindly(self) -> Scores:
        """Score people by their descriptions alone."""
        name = PERCEPTUAL if PERCEPTUAL in self.members else IDENTITY
        return fit_and_score(self.members[name], self.unseen[name], self.options.seed)

    def find_training_people(self, described: Descriptions) -> dict[str, NearestTraining]:
        """Find the nearest training picture by each measure, for as many images as there are unseen people."""
        count = min(len(self.images), len(self.people.unseen))
        return {name: NearestTraining.of(rows[:count], self.trained[name], name) for name, rows in described.items()}

    def find_pairs(self, nearest: Mapping[str, NearestTraining]) -> tuple[tuple[Pixels, Pixels], ...]:
        """Return the generated images that are nearest to a training person, by identity and by pixels, with it."""
        return tuple(
            (self.images[at], self.people.trained.image(int(nearest[name].place[at])))
            for name in (IDENTITY, PIXELS)
            for at in np.argsort(nearest[name].distance)[:_PAIRS]  # NaN comes last
        )

    def _both(self) -> tuple[ImageSubset, ImageSubset]:
        return self.people.members, self.people.unseen

    def _pixels(self, part: ImageSubset, count: int | None = None) -> Pixels:
        return reduce(np.stack([part.image(index) for index in range(len(part))[:count]]), self._side)

    def _read(self, title: str, part: ImageSubset, describe: Describe) -> Descriptions:
        parts = []
        with stepping_bar(self.progress, title, len(part)) as step:
            for _, images in part.chunks():
                parts.append(describe(reduce(images, self._side)))
                step(len(images))
        return join(parts)

    def _render(self, describe: Describe) -> tuple[Pixels, Descriptions]:
        """Render images with the labels of the training data, and describe them."""
        options = self.options
        request = ImageSetRequest(
            "unrelated",
            self._vocabulary.conditions,
            seed=options.seed,
            truncation=options.truncation,
            precision=options.precision,
        )
        labels = self.people.trained.labels(self._vocabulary)
        rows = rows_like(labels, request, self._vocabulary, options.images)
        sampler = Sampler(self.generator, precision=options.precision)
        images, parts = [], []
        with stepping_bar(self.progress, "rendering images", len(rows)) as step:
            for start in range(0, len(rows), CHUNK):
                images.append(sampler.render(rows[start : start + CHUNK], request))
                parts.append(describe(images[-1]))
                step(len(images[-1]))
        return np.concatenate(images), join(parts)


def _load_discriminator(path: Path | None, generator: Generator) -> Discriminator | None:
    if path is None:
        return None
    net = checkpoint.load(path)
    ours = (generator.config.resolution, generator.config.vocabulary)
    if not isinstance(net, Discriminator) or (net.config.resolution, net.config.vocabulary) != ours:
        raise ConfigError(f"{path} is not the discriminator of a generator of {ours[0]} px with these labels")
    return net


def _make_describe(options: AuditOptions, phantoms: bool) -> Describe:
    if phantoms:
        oracle, info = oracle_file.load(options.oracle)
        return describe_phantoms(oracle, info.steady)
    perceptual = None if options.inception is None else inception_file.load(options.inception).features
    return describe_photographs(FaceDescriber(FaceDetector()), perceptual)


def _explain_omissions(options: AuditOptions, people: AuditedPeople, measures: Descriptions) -> dict[str, str]:
    reasons = {}
    if PERCEPTUAL not in measures:
        reasons["perceptual distances"] = "photographs need --inception"
    if options.discriminator is None:
        reasons["attack by the discriminator"] = "no --discriminator was given"
    if not options.inversions:
        reasons["attack by inversion"] = "--inversions is 0"
    elif options.inversions < max(len(people.members), len(people.unseen)):
        reasons["inversion in the combined attack"] = "only a part of the people was inverted"
    return reasons


def _describe_audit(
    options: AuditOptions, info: CheckpointInfo, people: AuditedPeople, phantoms: bool, side: int
) -> dict[str, Any]:
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "weights": {"file": options.weights.name, "sha256": info.sha256, "side": side, "origin": info.origin},
        "discriminator": None if options.discriminator is None else options.discriminator.name,
        "data": {
            "file": options.data.name,
            "images": len(people.trained),
            "not_listed": people.not_listed,
            "covered": people.covered,
            "all_listed": info.seen_complete,
            "phantoms": phantoms,
        },
        "people": {
            "file": options.unseen.name,
            "members": len(people.members),
            "unseen": len(people.unseen),
            "inverted": options.inversions,
        },
        "images": options.images,
        "truncation": options.truncation,
        "precision": options.precision,
        "seed": options.seed,
    }
