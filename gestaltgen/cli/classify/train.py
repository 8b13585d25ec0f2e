"""`gestaltgen classify train`: train classifiers on real and synthetic faces, and measure them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer

from core.errors import ConfigError
from gestaltgen.cli.classify.shared_options import (
    SERVICE,
    SYNTHETIC_PANEL,
    TEST_PANEL,
    BlendOption,
    DeviceOption,
    GeneratorOption,
    ServiceOption,
    SetSeedOption,
    TruncationOption,
    UnknownOption,
    console,
    progress,
)
from gestaltgen.cli.classify.tables import print_accuracies
from gestaltgen.cli.options import choose_device, read_set_option
from recognition.config import ClassifierTrainingConfig
from recognition.networks.architectures import SMALL
from recognition.presets import PRESETS, find_preset, vary_training
from recognition.runs.run_files import RunFiles
from recognition.runs.run_plan import RunSpecification, TestSet
from recognition.runs.set_requests import SetSource
from recognition.runs.training_run import train_and_measure

_TRAINING: Final = "Training"


@dataclass(frozen=True)
class MeasurementOptions:
    """Options about the measurement after the training."""

    test: Annotated[
        Path | None,
        typer.Option(help="Data set to measure on: persons that nothing was trained on.", rich_help_panel=TEST_PANEL),
    ] = None
    unknown_training_images: UnknownOption = False
    threshold: Annotated[
        float | None,
        typer.Option(
            help="A fold counts for a face if its largest probability is at least this, 0: always; default: as the "
            "preset says.",
            rich_help_panel=TEST_PANEL,
        ),
    ] = None


@dataclass(frozen=True)
class SyntheticOptions:
    """Options about the synthetic images that are added to the training data.

    Raises:
        ConfigError: options that contradict each other, or that describe synthetic images of no kind.
    """

    augment: Annotated[
        str | None,
        typer.Option(
            help="Add an image set of this kind: unrelated, age_related, age_progression or blended.",
            rich_help_panel=SYNTHETIC_PANEL,
        ),
    ] = None
    set_from: Annotated[
        Path | None,
        typer.Option(
            help="Add the same image sets as another run, whose folder is given, instead.",
            rich_help_panel=SYNTHETIC_PANEL,
        ),
    ] = None
    service: ServiceOption = SERVICE
    model: GeneratorOption = None
    condition: Annotated[
        list[str] | None,
        typer.Option(help="Repeatable; default: every affected condition.", rich_help_panel=SYNTHETIC_PANEL),
    ] = None
    count: Annotated[
        int | None,
        typer.Option(
            help="Persons for each condition, not images: each person of age_related and age_progression is shown at "
            "every age, and unrelated and blended have as many images for each age. Default: as many as the "
            "generator's training images give, as in Duong et al. 2022.",
            rich_help_panel=SYNTHETIC_PANEL,
        ),
    ] = None
    total_images: Annotated[
        int | None,
        typer.Option(
            help="Instead of --count: images of the whole set, a multiple of what one person of each condition adds.",
            rich_help_panel=SYNTHETIC_PANEL,
        ),
    ] = None
    counts_from: Annotated[
        Path | None,
        typer.Option(
            help="Take the counts from the images of this data set instead of --count.",
            rich_help_panel=SYNTHETIC_PANEL,
        ),
    ] = None
    truncation: TruncationOption = None
    blend: BlendOption = None
    set_seed: SetSeedOption = 0
    synthetic_only: Annotated[
        bool,
        typer.Option(
            "--synthetic-only",
            help="Learn from synthetic images alone, unaffected ones included; real ones still choose the best epoch.",
            rich_help_panel=SYNTHETIC_PANEL,
        ),
    ] = False

    def __post_init__(self) -> None:
        if self.augment is not None and self.set_from is not None:
            raise ConfigError("--augment and --set-from are both given; expected one of them")
        if self.augment is None:
            self._refuse_details()
        numbers = {"--count": self.count, "--total-images": self.total_images, "--counts-from": self.counts_from}
        if len(given := [name for name, value in numbers.items() if value is not None]) > 1:
            raise ConfigError(f"{' and '.join(given)} are given together; expected one of them")
        if self.synthetic_only and self.augment is None and self.set_from is None:
            raise ConfigError("--synthetic-only, and no synthetic images; name their kind: --augment age_progression")
        if self.augment is not None and self.blend is not None and self.augment != "blended":
            raise ConfigError(f"--blend is for --augment blended; leave it out for {self.augment}")

    def _refuse_details(self) -> None:
        """Refuse options that describe synthetic images whose kind is not given."""
        details = {
            "model": self.model,
            "count": self.count,
            "total-images": self.total_images,
            "truncation": self.truncation,
            "blend": self.blend,
            "condition": self.condition or None,
            "counts-from": self.counts_from,
        }
        if given := [f"--{name}" for name, value in details.items() if value is not None]:
            raise ConfigError(f"{given[0]} describes synthetic images; name their kind too: --augment age_progression")

    def source(self) -> SetSource | None:
        """Return where the image sets come from; None if there are none."""
        from recognition.images.service_request import ServiceSetRequest

        if self.set_from is not None:
            return SetSource(recorded_in=self.set_from)
        if self.augment is None:
            return None
        request = ServiceSetRequest(
            self.augment,
            conditions=tuple(self.condition) if self.condition else None,
            seed=self.set_seed,
            model=self.model,
            count=self.count,
            total_images=self.total_images,
            truncation=self.truncation,
            blend=self.blend,
        )
        return SetSource(request=request, counts_from=self.counts_from)


@dataclass(frozen=True)
class ClassifierOptions:
    """Options about the network and its training."""

    preset: Annotated[
        str,
        typer.Option(help=f"Network and training: {', '.join(PRESETS)}; see `presets`.", rich_help_panel=_TRAINING),
    ] = "small"
    network: Annotated[
        str | None,
        typer.Option(
            help="small, resnet50 or efficientnet-b4; default: as the preset says.", rich_help_panel=_TRAINING
        ),
    ] = None
    size: Annotated[
        int | None,
        typer.Option(
            help="Side in pixels to which faces are resized; default: as the preset says.", rich_help_panel=_TRAINING
        ),
    ] = None
    backbone: Annotated[
        Path | None,
        typer.Option(
            help="Weights that resnet50 or efficientnet-b4 start with: .safetensors.", rich_help_panel=_TRAINING
        ),
    ] = None
    folds: Annotated[
        int,
        typer.Option(help="Number of parts of the data set, persons kept together; one classifier for each.", min=2),
    ] = 5
    seeds: Annotated[
        int,
        typer.Option(
            help="Number of ensembles, which differ by the seed of the training; more can be added later.", min=1
        ),
    ] = 1
    fold_seed: Annotated[int, typer.Option(help="Seed of the split into folds.", rich_help_panel=_TRAINING)] = 0
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Vary the preset, as in epochs=10 or class_weights=balanced.", rich_help_panel=_TRAINING
        ),
    ] = None

    def config(self, classes: tuple[str, ...]) -> ClassifierTrainingConfig:
        """Return the training of the preset as the options vary it."""
        named: dict[str, Any] = {"network": self.network, "size": self.size}
        given = {name: value for name, value in named.items() if value is not None}
        return vary_training(find_preset(self.preset).for_classes(classes), given, read_set_option(self.set_ or []))


def train(
    real: Annotated[
        Path, typer.Option(help="Data set to learn from, with person and condition of every face: folder or zip.")
    ],
    measurement: MeasurementOptions,
    synthetic: SyntheticOptions,
    training: ClassifierOptions,
    out: Annotated[Path, typer.Option(help="Folder of the run; a run that is there already is continued.")] = Path(
        "runs/classifier"
    ),
    device: DeviceOption = "auto",
    threads: Annotated[
        int | None,
        typer.Option(help="CPU threads; default: 1 for small, which gains nothing from more, else all.", min=1),
    ] = None,
) -> None:
    """Train classifiers in folds, add synthetic images to what they learn, and measure them on a test set.

    The same command continues a run that was stopped or killed, even in the middle of a download. Nothing is measured
    on an image, or on a person, that a classifier or the generator was trained on.

    Real images only, then with an age progression of the service, and the difference between the two:

    - `gestaltgen classify train --real faces.zip --test unseen.zip --out runs/real`

    - `gestaltgen classify train --real faces.zip --test unseen.zip --augment age_progression --out runs/progression`

    - `gestaltgen classify report runs/real runs/progression --out report`

    The folder gets a classifier for each seed and fold, predictions/, and report/report.html.
    """
    where = choose_device(device)
    specification = RunSpecification(
        real=real,
        configure=training.config,
        folds=training.folds,
        fold_seed=training.fold_seed,
        seeds=training.seeds,
        sets=synthetic.source(),
        real_faces=not synthetic.synthetic_only,
        backbone=training.backbone,
        service=synthetic.service,
        threshold=find_preset(training.preset).threshold if measurement.threshold is None else measurement.threshold,
        test=None if measurement.test is None else TestSet(measurement.test, measurement.unknown_training_images),
    )
    if threads is not None or (training.network or find_preset(training.preset).training.network) == SMALL:
        torch.set_num_threads(threads or 1)
    files = RunFiles(out)
    result = train_and_measure(specification, files, where, progress)
    if result.has_sets:
        share = result.waiting_s / max(result.seconds, 1e-9)
        console.print(f"waited {result.waiting_s:.0f} s of {result.seconds:.0f} s for images ({share:.0%})")
    if result.stopped_by is not None:
        console.print(f"stopped by {result.stopped_by.name}; the same command continues the run")
        raise typer.Exit(128 + result.stopped_by)
    if result.report is None:
        console.print(f"done: classifiers in {out}; measure them: gestaltgen classify predict {out} --test DATASET")
        return
    print_accuracies(console, result.report)
    console.print(f"look at {files.report / 'report.html'}")
