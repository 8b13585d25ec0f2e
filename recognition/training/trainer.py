"""Training of one classifier in a folder, epoch by epoch; the best epoch is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from core.errors import DatasetError, TrainingError
from core.json_text import replace_nonfinite
from core.optimizer_state import optimizer_tensors, restore_optimizer
from core.precision import autocast_to, resolve_training_precision
from recognition.classifier import CLASSIFIER, Classifier, build_network, compute_logits
from recognition.config import ClassifierTrainingConfig
from recognition.images.image_stack import Stack, join_stacks, stack_images
from recognition.images.leakage import TrainingRecord
from recognition.images.samples import Samples
from recognition.networks.backbone_weights import load_backbone
from recognition.training.batches import (
    augment_images,
    derive_seed,
    draw_epoch_order,
    make_generator,
    split_into_batches,
)
from recognition.training.curves import draw_curves
from recognition.training.optimizer import build_optimizer, learning_rate_at, set_rate
from recognition.training.run_folder import ClassifierFolder
from recognition.training.weighting import compute_class_weights, compute_image_weights, soft_cross_entropy

SNAPSHOT_S: Final = 600.0
"""Seconds of an epoch after which the state is also saved within it."""

_CHOICES: Final = {"loss": -1, "accuracy": 1, "balanced_accuracy": 1}
"""Sign of a figure: 1 if more is better, -1 if less is."""


@dataclass(frozen=True)
class ValidationFigures:
    """Figures of a validation part: mean loss, accuracy, and mean of the classes' accuracies."""

    loss: float
    accuracy: float
    balanced_accuracy: float


@dataclass(frozen=True)
class EpochReport:
    """Report on one epoch. The accuracy of the training is that on augmented images, by the largest share of a label.

    Attributes:
        epoch: number of the epoch, from 1.
        images: images shown in the epoch.
        seconds: duration of the training since it was last resumed, without validation.
        best: True if the epoch is better than all before it.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    validation_balanced_accuracy: float
    images: int
    seconds: float
    best: bool


@dataclass(frozen=True)
class TrainingResult:
    """State of a training.

    Attributes:
        classifier: file of the best epoch; None before the end of the first epoch.
        epochs: number of epochs trained so far.
        best_epoch: from 1; 0 before the end of the first epoch.
        validation: figures of the best epoch; None before the end of the first epoch.
        finished: False if it was stopped on request; the same call continues.
    """

    classifier: Path | None
    epochs: int
    best_epoch: int
    validation: ValidationFigures | None
    finished: bool


def train(
    config: ClassifierTrainingConfig,
    train: Samples,
    extra: Samples | None,
    validation: Samples,
    out: Path,
    *,
    weights: Path | None = None,
    device: torch.device | str = "cpu",
    about: Mapping[str, Any] | None = None,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
    stop: Callable[[], bool] = lambda: False,
    snapshot_s: float = SNAPSHOT_S,
) -> TrainingResult:
    """Train a classifier, or continue the training in a folder; an interruption does not change the result.

    Args:
        train: faces to learn from, usually real ones.
        extra: further faces, such as a synthetic set; shuffled among the others.
        validation: faces of other persons, which choose the best epoch and the end.
        out: folder of the run, see `recognition.training.run_folder`.
        weights: weights of the backbone, see `recognition.networks.backbone_weights`.
        about: facts to store in config.json and in the classifier's file, such as the identity of a pulled set, as JSON
            can hold them.
        on_epoch: called after each epoch.
        stop: called after each batch; once it returns True, the state is saved and the call returns.
        snapshot_s: the state is saved after each epoch, and within an epoch after this number of seconds.

    Raises:
        DatasetError: no faces, labels of different classes, a class without training faces, or a person or picture on
            both sides.
        ConfigError: settings that make no sense for these faces, or a folder that holds another run.
        CheckpointError: weights that do not fit.
        TrainingError: a loss that is no number, or a disk that refuses; the last state is intact.
    """
    training_faces = stack_images(train, config.size)
    if extra is not None and len(extra):
        training_faces = join_stacks([training_faces, stack_images(extra, config.size)])
    validation_faces = stack_images(validation, config.size)
    _check_faces(training_faces, validation_faces)
    folder = ClassifierFolder(out)
    with folder.lock():
        run = TrainingRun(
            config, training_faces, validation_faces, folder, weights, torch.device(device), dict(about or {})
        )
        return run.run(on_epoch, stop, snapshot_s)


@dataclass
class _Place:
    """Place of a training; the sums are over the batches of the current epoch."""

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    right: int = 0
    images: int = 0
    best_epoch: int = 0
    best: dict[str, float] | None = None
    finished: bool = False


class TrainingRun:
    """Network, optimizer and data of a training, at a place."""

    def __init__(
        self,
        config: ClassifierTrainingConfig,
        shown: Stack,
        held: Stack,
        folder: ClassifierFolder,
        weights: Path | None,
        device: torch.device,
        about: dict[str, Any],
    ) -> None:
        self.config, self.shown, self.held, self.folder, self.device = config, shown, held, folder, device
        self.precision = resolve_training_precision(config.precision, device)
        self.network = build_network(config, len(shown.classes))
        self.backbone = None if weights is None else load_backbone(self.network, weights)
        self.network.to(device)
        self.class_weights = compute_class_weights(config.class_weights, shown.classes, shown.labels)
        self.image_weights = (
            compute_image_weights(shown.labels, shown.classes) if config.sampling == "balanced" else None
        )
        soft = bool((shown.labels.amax(dim=1) < 1).any())
        self.over_images = config.loss_total == "as-published" and soft
        self.optimizer = build_optimizer(config, self.network)
        self.about = about
        self.seen = _build_record(shown, held)
        self.place = _Place()
        self.pixels, self.labels = shown.pixels.to(device), shown.labels.to(device)

    def run(
        self, on_epoch: Callable[[EpochReport], None], stop: Callable[[], bool], snapshot_s: float
    ) -> TrainingResult:
        """Train from the place in the folder to the end, or until asked to stop."""
        stored = self.folder.begin(self.collect_settings(), self.describe())
        if stored is not None:
            self.place = _Place(**stored)
            if not self.is_finished():
                self.restore(self.folder.read_tensors())
        self.folder.cut_metrics(self.place.epoch)
        while not self.is_finished():
            report = self.train_epoch(stop, snapshot_s)
            if report is None:
                self.save()
                break
            self.folder.add_metrics(replace_nonfinite(asdict(report)))
            if self.is_finished():
                with self.folder.explain_write_errors():
                    draw_curves(
                        self.folder.read_metrics(), self.folder.curves, f"{self.config.network}, {self.config.size} px"
                    )
            self.save()
            on_epoch(report)
        return self.make_result()

    def is_finished(self) -> bool:
        """Return whether the training has ended."""
        return self.place.finished

    def train_epoch(self, stop: Callable[[], bool], snapshot_s: float) -> EpochReport | None:
        """Train the current epoch from its current batch; None if asked to stop before its end."""
        config, place = self.config, self.place
        batches = split_into_batches(
            draw_epoch_order(config, len(self.shown), self.image_weights, place.epoch), config.batch
        )
        began = saved = time.monotonic()
        self.network.train()
        while place.batch < len(batches):
            if stop():
                return None
            self.train_step(batches[place.batch], place.epoch + place.batch / len(batches))
            if time.monotonic() - saved > snapshot_s and place.batch < len(batches):
                self.save()
                saved = time.monotonic()
        seconds = time.monotonic() - began
        figures = self.measure()
        best = self.is_better(figures)
        place.epoch += 1
        if best:
            place.best, place.best_epoch = asdict(figures), place.epoch
            self.save_classifier()
        report = EpochReport(
            epoch=place.epoch,
            learning_rate=learning_rate_at(config, place.epoch - 1),
            train_loss=place.loss_sum / place.images,
            train_accuracy=place.right / place.images,
            validation_loss=figures.loss,
            validation_accuracy=figures.accuracy,
            validation_balanced_accuracy=figures.balanced_accuracy,
            images=place.images,
            seconds=round(seconds, 3),
            best=best,
        )
        place.batch, place.loss_sum, place.right, place.images = 0, 0.0, 0, 0
        stale = config.patience is not None and place.epoch - place.best_epoch > config.patience
        place.finished = stale or place.epoch >= config.epochs
        return report

    def train_step(self, places: Tensor, epochs: float) -> None:
        """Train on one batch."""
        config, place = self.config, self.place
        images = augment_images(self.pixels, places, config, make_generator(config.seed, 3, place.epoch, place.batch))
        labels = self.labels[places.to(self.device)]
        targets = labels * (1 - config.label_smoothing) + config.label_smoothing / labels.shape[1]
        set_rate(self.optimizer, learning_rate_at(config, epochs))
        with _seed_draws(self.device, derive_seed(config.seed, 4, place.epoch, place.batch)):
            with autocast_to(self.precision, self.device):
                logits = self.network(images)
            loss = soft_cross_entropy(logits, targets, self.class_weights.to(self.device), over_images=self.over_images)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is {value} in epoch {place.epoch + 1}; the last state is intact: begin anew with a lower "
                f"learning rate than {config.learning_rate:g}, or in float32"
            )
        self.optimizer.step()
        place.batch += 1
        place.images += len(places)
        place.loss_sum += value * len(places)
        place.right += int((logits.argmax(dim=1) == labels.argmax(dim=1)).sum())

    def measure(self) -> ValidationFigures:
        """Measure the network on the validation part."""
        logits = compute_logits(self.network, self.held, self.precision)
        labels = self.held.labels
        truth = labels.argmax(dim=1)
        right = logits.argmax(dim=1) == truth
        shares = [
            float(right[truth == name].double().mean()) for name in range(labels.shape[1]) if (truth == name).any()
        ]
        loss = soft_cross_entropy(logits, labels, self.class_weights, over_images=self.over_images)
        return ValidationFigures(float(loss), float(right.double().mean()), math.fsum(shares) / len(shares))

    def is_better(self, figures: ValidationFigures) -> bool:
        """Compare figures with the best so far; NaN is never better, and the first epoch always is."""
        name = self.config.select
        sign = _CHOICES[name]
        return self.place.best is None or sign * getattr(figures, name) > sign * self.place.best[name]

    def collect_settings(self) -> dict[str, Any]:
        """Return everything that the result depends on."""
        return {
            "config": self.config.to_json(),
            "precision": self.precision,
            "classes": list(self.shown.classes),
            "backbone_sha256": self.backbone,
            "train_digest": self.shown.digest(),
            "validation_digest": self.held.digest(),
            "about": self.about,
        }

    def describe(self) -> dict[str, Any]:
        """Return the further content of config.json."""
        return {
            "images": {
                "train_real": sum(not sample.synthetic for sample in self.shown.samples),
                "train_synthetic": sum(sample.synthetic for sample in self.shown.samples),
                "validation": len(self.held),
            },
            "training_shares": dict(zip(self.shown.classes, self.shown.labels.mean(dim=0).tolist(), strict=True)),
            "class_weights": dict(zip(self.shown.classes, self.class_weights.tolist(), strict=True)),
            "parameters": sum(parameter.numel() for parameter in self.network.parameters()),
            "device": self.device.type,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }

    def save(self) -> None:
        """Save the state; that of a finished training is the place alone, as its tensors are of no further use."""
        tensors: dict[str, Tensor] = {}
        if not self.place.finished:
            tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
            tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer_tensors(self.optimizer).items()}
        self.folder.save_state(tensors, self.collect_settings(), asdict(self.place))

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        self.network.load_state_dict(parts["network"])
        restore_optimizer(self.optimizer, parts["optimizer"])

    def save_classifier(self) -> None:
        about = {
            **self.about,
            "epoch": self.place.best_epoch,
            "validation": self.place.best,
            "backbone_sha256": self.backbone,
        }
        config = replace(self.config, precision=self.precision)
        classifier = Classifier(self.network, self.shown.classes, config, self.seen, self.precision, about)
        with self.folder.explain_write_errors():
            classifier.save(self.folder.classifier)

    def make_result(self) -> TrainingResult:
        place = self.place
        return TrainingResult(
            self.folder.classifier if place.best_epoch else None,
            place.epoch,
            place.best_epoch,
            None if place.best is None else ValidationFigures(**place.best),
            place.finished,
        )


def _build_record(shown: Stack, held: Stack) -> TrainingRecord:
    """Record all faces of both parts, and the training images of the generators of synthetic ones."""
    keys = TrainingRecord.from_samples(shown, CLASSIFIER).keys | TrainingRecord.from_samples(held, CLASSIFIER).keys
    seen = TrainingRecord(CLASSIFIER, keys)
    return seen if shown.seen is None else seen.union(shown.seen)


@contextmanager
def _seed_draws(device: torch.device, seed: int) -> Iterator[None]:
    """Seed PyTorch's default random streams within the context, and restore them afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _check_faces(shown: Stack, held: Stack) -> None:
    """Check that both parts fit together and that every class has training faces."""
    if shown.classes != held.classes:
        raise DatasetError(
            f"training faces are of the classes {', '.join(shown.classes)} and validation faces of "
            f"{', '.join(held.classes)}; expected the same ones in the same order"
        )
    if len(shown) < 2:
        raise DatasetError(f"{len(shown)} training faces; expected two or more")
    for name, share in zip(shown.classes, shown.labels.sum(dim=0).tolist(), strict=True):
        if share <= 0:
            raise DatasetError(f"no training face is of class {name!r}; add some, or leave the class out")
    persons = {sample.person for sample in shown.samples} & {sample.person for sample in held.samples}
    keys = {sample.key for sample in shown.samples} & {sample.key for sample in held.samples}
    for what, both in (("person", persons), ("picture", keys)):
        if both:
            raise DatasetError(
                f"{len(both)} {what}s are in the training and in the validation part (as {min(both)[:24]!r}); expected "
                "each on one side, or early stopping is blind: split with recognition.images.folds, and give "
                "pictures of one person one name"
            )
