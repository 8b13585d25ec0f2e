"""The images that a run learns from: real faces, and image sets that are pulled from the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from core.errors import ConfigError
from core.progress import Progress
from core.seen_images import SeenImages
from faces.datasets.dataset import Dataset
from gestaltgen_client import Client
from recognition.images.folds import split_into_folds
from recognition.images.image_stack import Stack, join_stacks, stack_images
from recognition.images.leakage import TrainingRecord
from recognition.images.pulled_sets import PulledSet, PullProgress, pull_set
from recognition.images.samples import RealSamples, Samples, load_real_samples
from recognition.runs.run_files import RunFiles
from recognition.runs.run_plan import ClassifierPlan
from recognition.runs.service_connection import check_service
from recognition.runs.set_requests import SETS, parse_fold

_CLASSIFIERS: Final = "the classifiers"
PATIENCE_S: Final = 300.0
"""Seconds for which a service that stopped answering during a pull is waited for."""


@dataclass(frozen=True)
class TrainingMaterial:
    """Images that a run learns from.

    Attributes:
        real: faces at the network's size.
        synthetic: the image sets at that size, by name.
        generators: record of the training images of each set's generator.
        sets: identity of each image set, JSON-able.
        waiting_s: seconds spent waiting for images of the service.
    """

    real: Stack
    synthetic: Mapping[str, Stack]
    generators: Mapping[str, TrainingRecord]
    sets: Mapping[str, Any]
    waiting_s: float

    @cached_property
    def seen(self) -> TrainingRecord:
        """Record of all images that the classifiers and the generators were trained on."""
        faces = (sample.key for part in (self.real, *self.synthetic.values()) for sample in part.samples)
        return TrainingRecord.of(_CLASSIFIERS, SeenImages.of(faces)).union(*self.generators.values())

    def list_sets_for(self, fold: int) -> tuple[str, ...]:
        """List the image sets that a fold learns from."""
        return tuple(name for name in self.synthetic if parse_fold(name) in (None, fold))

    def join_synthetic_faces(self, fold: int) -> Stack | None:
        """Join all synthetic faces that a fold learns from; None if there are none."""
        parts = [self.synthetic[name] for name in self.list_sets_for(fold)]
        return join_stacks(parts) if parts else None


def gather_material(
    plan: ClassifierPlan,
    files: RunFiles,
    service: str,
    check: Callable[[Samples, TrainingRecord], None],
    progress: Progress,
) -> TrainingMaterial:
    """Read the real faces while the image sets are made and fetched; each set is kept in the run's folder.

    Args:
        check: called with the real faces and the record of all training images, before the sets are waited for; it may
            raise an error.

    Raises:
        DatasetError, ConfigError, PullError: as of `load_real_samples` and `pull_set`.
    """
    size = plan.config.size
    with ExitStack() as stack:
        sets = _start_pulls(plan, files, service, progress, stack)
        generators = {name: one.seen for name, one in sets.items()}
        real = stack_images(load_faces(plan.real, plan.classes, progress), size)
        check(real, TrainingRecord.from_samples(real, _CLASSIFIERS).union(*generators.values()))
        _check_validation(plan, files, real, generators, progress)
        synthetic = {
            name: join_stacks([stack_images(part, size) for part in one.shards()]) for name, one in sets.items()
        }
        identities = {
            name: {"set_id": one.set_id, "model": one.model, "weights_sha256": one.weights_sha256, "images": len(one)}
            for name, one in sets.items()
        }
        return TrainingMaterial(real, synthetic, generators, identities, sum(one.waiting_s for one in sets.values()))


def load_faces(path: Path, classes: tuple[str, ...], progress: Progress) -> RealSamples:
    """Load a data set with a progress bar, as it may take minutes; arguments and errors as of `load_real_samples`."""
    with Dataset.open(path) as dataset:
        total = len(dataset)
    with progress.bar(f"reading {path.name}", total) as show:
        return load_real_samples(path, classes, show)


def _check_validation(
    plan: ClassifierPlan, files: RunFiles, real: Samples, generators: Mapping[str, TrainingRecord], progress: Progress
) -> None:
    """Report, or refuse, generators that were trained on faces by which epochs are chosen.

    This does not harm a test, but the figures of the validation part are too good. The generator of one fold must not
    know any of these faces.

    Raises:
        ConfigError: the generator of a fold knows faces of its validation part.
    """
    if not generators:
        return
    validation_parts = [validation for _, validation in split_into_folds(real, plan.folds, plan.fold_seed)]
    for seen, fold in dict.fromkeys((seen, parse_fold(name)) for name, seen in generators.items()):
        known = len(seen.indices_in(real if fold is None else real.subset(validation_parts[fold])))
        if fold is None and known:
            progress.say(
                f"{seen.name} was trained on {known} of the {len(real)} real images, so validation figures are too "
                "good; figures on a test set are not affected"
            )
        elif fold is not None and known:
            raise ConfigError(
                f"{seen.name} was trained on {known} of the {len(validation_parts[fold])} images that choose the epoch "
                f"of fold-{fold}; expected none: train it with --exclude and the list of `gestaltgen classify folds`, "
                f"from the data set, --folds and --fold-seed of this run ({plan.folds} and {plan.fold_seed}). Then "
                f"choose another --out, because {files.path} keeps the images of the old generator"
            )
        elif fold is not None and seen.unknown:
            progress.say(
                f"not known: all images that {seen.name} was trained on, and whether they include the faces that "
                f"choose the epoch of fold-{fold}"
            )


def _start_pulls(
    plan: ClassifierPlan, files: RunFiles, service: str, progress: Progress, stack: ExitStack
) -> dict[str, PulledSet]:
    """Start to pull all sets of a plan, with one progress bar for them."""
    if not plan.requests:
        return {}
    client = stack.enter_context(Client(service))
    if not all((files.set_folder(name) / "set.json").exists() for name in plan.requests):
        check_service(client, service)
    images_done: dict[str, int] = {}
    shows: list[Callable[[int], None]] = []

    def noting(name: str) -> Callable[[PullProgress], None]:
        def note(pulled: PullProgress) -> None:
            images_done[name] = pulled.done
            for show in shows:
                show(sum(images_done.copy().values()))

        return note

    sets = {
        name: stack.enter_context(
            pull_set(client, request, files.set_folder(name), noting(name), classes=plan.classes, patience_s=PATIENCE_S)
        )
        for name, request in plan.requests.items()
    }
    total = sum(len(one) for one in sets.values())
    if all(one.complete for one in sets.values()):
        progress.say(f"{total} synthetic images, all in {files.path / SETS}")
        return sets
    made_by = ", ".join(sorted({one.model for one in sets.values()}))
    progress.say(f"{total} synthetic images of {made_by} at {service}, into {files.path / SETS}")
    shows.append(stack.enter_context(progress.bar("images made, then fetched", total)))
    return sets
