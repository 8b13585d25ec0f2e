"""One leakage audit: from a checkpoint, its training data and unseen people to a report in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from core import tensor_files
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
from faces.measures.training_people import TrainingPeople
from faces.oracle import attribute_network as oracle_file
from faces.phantoms.phantom_dataset import is_phantoms
from gen import checkpoint
from gen.checkpoint import CheckpointInfo
from gen.evaluation.audit.closeness import Closeness, NearestTraining, measure_closeness
from gen.evaluation.audit.descriptions import (
    IDENTITY,
    PERCEPTUAL,
    Describe,
    Descriptions,
    describe_phantoms,
    describe_photographs,
)
from gen.evaluation.audit.extraction import Extraction, extract_people
from gen.evaluation.audit.membership import (
    BLIND,
    COMBINED,
    Floats,
    Scores,
    combine_scores,
    make_discriminator_score,
    measure_attacks,
)
from gen.evaluation.audit.page import draw_pairs, render_page
from gen.evaluation.audit.people import AuditedPeople, choose_people
from gen.evaluation.audit.pictures import AuditedPictures
from gen.evaluation.audit.report import AuditReport, to_json
from gen.evaluation.experiments import CHUNK, EVALUATION_SEED, require_vocabulary, rows_like
from gen.labels import Vocabulary
from gen.networks import Discriminator, Generator
from gen.sampler import Sampler
from gen.training.data import Exclusion

MeasureInversion: TypeAlias = Callable[[Generator, Pixels, Callable[[int], None]], Floats]
"""Errors (n,) with which a generator reproduces pictures; the function is told the number of pictures done."""


@dataclass(frozen=True)
class AuditOptions:
    """Options of an audit, as a user gives them.

    Args:
        weights: checkpoint of the generator.
        data: data set that it was trained on.
        unseen: data set of other people of the same source.
        oracle: file of the oracle, which reads phantoms.
        exclude: list of pictures of `data` that the training left out; None for none.
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
        hold_back: share of unseen people in (0, 1) who may be as near to a training person as an image that is held
            back; the report then has descriptors of the training people. None for a report without them.

    Raises ConfigError for a number outside its range.
    """

    weights: Path
    data: Path
    unseen: Path
    oracle: Path
    exclude: Path | None = None
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
    hold_back: float | None = None

    def __post_init__(self) -> None:
        if not self.false_positives or not all(0 < rate < 1 for rate in self.false_positives):
            raise ConfigError(f"false positives {list(self.false_positives)}; expected shares between 0 and 1, as 0.01")
        if not 0 <= self.truncation <= 1:
            raise ConfigError(f"truncation {self.truncation}; expected a number in [0, 1]")
        if self.hold_back is not None and not 0 < self.hold_back < 1:
            raise ConfigError(f"hold_back {self.hold_back}; expected a share between 0 and 1, as 0.01")


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
        people = _choose_people(options, info, data, others, vocabulary, progress)
        phantoms = is_phantoms(data) if options.phantoms is None else options.phantoms
        images = _render_images(generator, people, vocabulary, options, progress)
        pictures = AuditedPictures(people, images, _make_describe(options, phantoms), progress)
        training_people = _describe_training_people(options, info, people, pictures, phantoms)
        scores = _score_people(options, pictures, generator, discriminator, vocabulary, measure_inversion)
        nearest, unseen_nearest = (
            pictures.find_training_people(described) for described in (pictures.generated, pictures.unseen)
        )
        closeness = tuple(
            measure_closeness(name, nearest[name], unseen_nearest[name], people.persons) for name in nearest
        )
        return AuditReport(
            about=_describe_audit(options, info, people, phantoms, generator.config.resolution),
            closeness=closeness,
            attacks=measure_attacks(scores, options.false_positives),
            blind=measure_attacks({BLIND: pictures.score_blindly(options.seed)}, options.false_positives)[0],
            extraction=tuple(_extract(c, pictures, nearest[c.measure], people.persons) for c in closeness),
            left_out=_explain_omissions(options, people, pictures.generated),
            distances={name: (nearest[name].distance, unseen_nearest[name].distance) for name in nearest},
            scores=scores,
            pairs=pictures.find_pairs(nearest) if options.show_pairs else (),
            training_people=training_people,
        )


def write_report(folder: Path, report: AuditReport) -> None:
    """Write page, pairs if there are any, and then figures, so that a folder with audit.json is complete."""
    write_file(folder / "audit.html", render_page(report).encode())
    if report.pairs:
        write_file(folder / "pairs.png", encode_png(draw_pairs(report.pairs)), private=True)
    write_file(folder / "audit.json", to_json(report).encode())


def _choose_people(
    options: AuditOptions,
    info: CheckpointInfo,
    data: Dataset,
    others: Dataset,
    vocabulary: Vocabulary,
    progress: Progress,
) -> AuditedPeople:
    """Choose members and unseen people as the options say; arguments and errors as of `choose_people`."""
    with stepping_bar(progress, "reading keys", len(data) + len(others)) as step:
        return choose_people(
            data,
            others,
            info.seen_images,
            vocabulary,
            count=options.people,
            false_positives=min(options.false_positives),
            seed=options.seed,
            exclusion=None if options.exclude is None else Exclusion.read(options.exclude),
            on_progress=step,
        )


def _describe_training_people(
    options: AuditOptions, info: CheckpointInfo, people: AuditedPeople, pictures: AuditedPictures, phantoms: bool
) -> TrainingPeople | None:
    """Return the descriptors of the training people, if they are asked for."""
    if options.hold_back is None:
        return None
    return TrainingPeople.calibrate(
        pictures.trained[IDENTITY],
        pictures.unseen[IDENTITY],
        share=options.hold_back,
        people=len(set(people.persons)),
        weights_sha256=info.sha256,
        reader="oracle" if phantoms else "dlib",
        reader_sha256=tensor_files.sha256(options.oracle) if phantoms else "",
    )


def _score_people(
    options: AuditOptions,
    pictures: AuditedPictures,
    generator: Generator,
    discriminator: Discriminator | None,
    vocabulary: Vocabulary,
    measure_inversion: MeasureInversion,
) -> dict[str, Scores]:
    """Score members and unseen people by every attack that the options allow, and by those together."""
    scores = pictures.score_by_images()
    if discriminator is not None:
        judge = make_discriminator_score(discriminator)
        scores["discriminator"] = pictures.score_people("judging people", judge, vocabulary)
    if options.inversions:
        scores["inversion error"] = pictures.score_people(
            "inverting people",
            lambda images, _, on_progress: -measure_inversion(generator, images, on_progress),
            vocabulary,
            options.inversions,
        )
    most = max(len(kind.members) for kind in scores.values()), max(len(kind.unseen) for kind in scores.values())
    of_all = [kind for kind in scores.values() if (len(kind.members), len(kind.unseen)) == most]
    return scores | {COMBINED: combine_scores(of_all, options.seed)}


def _extract(
    closeness: Closeness, pictures: AuditedPictures, nearest: NearestTraining, persons: Sequence[str]
) -> Extraction:
    """Extract training people from generated images by one measure; `persons` as of `AuditedPeople`."""
    name = closeness.measure
    return extract_people(name, pictures.generated[name], pictures.unseen[name], nearest, closeness.threshold, persons)


def _render_images(
    generator: Generator, people: AuditedPeople, vocabulary: Vocabulary, options: AuditOptions, progress: Progress
) -> Pixels:
    """Render images with the labels of the training data."""
    request = ImageSetRequest(
        "unrelated",
        vocabulary.conditions,
        seed=options.seed,
        truncation=options.truncation,
        precision=options.precision,
    )
    rows = rows_like(people.trained.labels(vocabulary), request, vocabulary, options.images)
    sampler, images = Sampler(generator, precision=options.precision), []
    with stepping_bar(progress, "rendering images", len(rows)) as step:
        for start in range(0, len(rows), CHUNK):
            images.append(sampler.render(rows[start : start + CHUNK], request))
            step(len(images[-1]))
    return np.concatenate(images)


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
