"""Training run of an inverter: its files, its networks, and its steps until the end or a stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, get_type_hints

import numpy as np
import torch
from torch import Tensor

from core import progress as reporting
from core.errors import ConfigError
from core.hardware import keep_freed_memory
from core.setting_values import parse_value
from core.stop_signals import StopRequest
from faces.datasets.dataset import Dataset
from faces.images import to_tensor
from faces.phantoms.phantom_dataset import fresh_phantoms, is_phantoms
from gen import checkpoint
from gen.checkpoint import fingerprint
from gen.labels import Vocabulary
from gen.networks import Discriminator, Generator
from gen.training.data import Exclusion, TrainingData, load
from gen.training.distributed import Processes, processes_of_torchrun
from gen.training.loop import RunSettings, run_steps
from gen.training.telemetry import Progress
from inversion import inverter_file
from inversion.config import EncoderConfig, HypernetworkConfig, TrunkConfig
from inversion.inverter import Inverter
from inversion.inverter_file import InverterInfo, load_discriminator
from inversion.networks.feature_networks import AlexNetDistance, IdentityNetwork
from inversion.networks.trunk_encoder import TrunkEncoder
from inversion.similarity import DiscriminatorDistance, Perceptual
from inversion.training.recipe import InversionTrainingConfig, Stage
from inversion.training.regression import fit_trunk_encoder
from inversion.training.snapshots import InverterFolder
from inversion.training.trainer import InversionReport, InversionTrainer, list_labels

SMALL: Final = (
    EncoderConfig(128, (16, 32, 128, 256), (2, 2, 2, 2)),
    HypernetworkConfig(128, (32, 64, 128, 160), (1, 2, 2, 2), shared_width=64, other_width=64),
)
"""Networks for generators of 128 px or less, 20 MB together, which CPUs can train; generators of more pixels get the
published ones. If the discriminator of a small generator is at hand, its trunk is the encoder."""

LEAST_GAIN: Final = 0.01
"""Least relative gain of an inverter that is trained here: a pass that lowers the error of a face by less is its last
one, and does not count."""

HELD_OUT: Final = 32
"""Number of held-out faces that snapshots are measured on."""

HELD_OUT_SEED: Final = 704
"""Seed of the held-out faces that are drawn or generated because no held-out data set is named."""


@dataclass(frozen=True)
class InverterSources:
    """Files that a training run of an inverter reads.

    Attributes:
        generator: checkpoint of the generator.
        discriminator: its discriminator; None if there is none.
        data: data set of real faces; None trains on generated faces alone.
        exclude: list of files, sources or persons of the data set that are not trained on.
        held_out: data set that snapshots are measured on.
        begin: inverter whose networks training begins with; None makes new ones.
        hypernetwork: inverter whose hypernetwork training begins with instead.
        alexnet: weights of AlexNet and of LPIPS, the perceptual distance instead of the discriminator's features.
        identity: weights of the identity network, IR-SE-50; None leaves the identity loss out.
    """

    generator: Path
    discriminator: Path | None = None
    data: Path | None = None
    exclude: Path | None = None
    held_out: Path | None = None
    begin: Path | None = None
    hypernetwork: Path | None = None
    alexnet: tuple[Path, Path] | None = None
    identity: Path | None = None


@dataclass(frozen=True)
class InverterRun:
    """One training run of an inverter.

    Attributes:
        stage: the network that is trained.
        sources: files that the run reads.
        folder: folder of the run; a run that is there is resumed.
        settings: number of images, snapshots and reports.
        device: device of the networks.
        recipe: settings of `InversionTrainingConfig` that differ from its defaults, as text by name.
        samples: number of generated faces that a new encoder on the discriminator's trunk is fitted to first; 0 fits
            none, and takes no trunk.
        change: resume even if the recipe or the data changed.
        dry_run: report what would be done, and do nothing.
    """

    stage: Stage
    sources: InverterSources
    folder: Path
    settings: RunSettings
    device: torch.device
    recipe: Mapping[str, str] = field(default_factory=dict)
    samples: int = 0
    change: bool = False
    dry_run: bool = False


def train_inverter(run: InverterRun, progress: reporting.Progress = reporting.SILENT) -> signal.Signals | None:
    """Train one network of an inverter, in every process of torchrun; the first process reports.

    Args:
        run: the run.
        progress: shows the plan of the run, its reports and its result.

    Returns:
        the signal that stopped the run before its end; None if it reached the end.

    Raises:
        ConfigError: files or settings that do not fit each other, or a run in the folder with other settings.
        CheckpointError: a file of networks that is missing, damaged or of another kind.
        TrainingError: losses or weights that are no numbers, or a file that cannot be written.
    """
    keep_freed_memory()
    with processes_of_torchrun(run.device) as processes:
        return _train(run, processes, progress if processes.first else reporting.SILENT)


def _train(run: InverterRun, processes: Processes, progress: reporting.Progress) -> signal.Signals | None:
    """Prepare a run, say what it will do, and do it unless it is a dry run."""
    sources, folder = run.sources, InverterFolder(run.folder)
    generator = checkpoint.load_generator(sources.generator)
    data = _load_data(sources, generator)
    config = make_recipe(run.stage, run.recipe, real_faces=data is not None)
    discriminator = _load_discriminator(run, generator)
    trunk = discriminator if run.samples else None
    inverter, before = _make_inverter(sources, generator, trunk)
    trainer = InversionTrainer(
        inverter,
        config,
        data.images if data else None,
        data.vocabulary if data else None,
        perceptual=_make_distance(sources, discriminator, run.device),
        identity=IdentityNetwork(sources.identity).to(run.device) if sources.identity else None,
        device=run.device,
        processes=processes,
    )
    faces, faces_name = _load_held_out(sources, generator)
    origin = f"{run.stage} for {sources.generator.name} on {data.origin if data else 'its own faces alone'}"
    if before.origin:
        origin = f"{before.origin}; {origin}"
    for line in describe_run(trainer, folder, run.settings, origin, faces_name):
        progress.say(line)
    folder.check(trainer, change=run.change)
    if run.dry_run:
        return None
    info = replace(
        before,
        generator=fingerprint(generator),
        origin=origin,
        licence=run.settings.licence,
        limits=None,
        least_gain=LEAST_GAIN,
        figures={},
    )
    return _run_until_end(run, trainer, folder, info, faces, trunk, processes, progress)


def _run_until_end(
    run: InverterRun,
    trainer: InversionTrainer,
    folder: InverterFolder,
    info: InverterInfo,
    faces: Tensor,
    trunk: Discriminator | None,
    processes: Processes,
    progress: reporting.Progress,
) -> signal.Signals | None:
    """Resume or begin the run in its folder, and train until its end or a stop.

    Args:
        info: what the file of the inverter will say, except for the images of this run.
        faces: held-out faces (n, 3, h, h) that snapshots are measured on.
        trunk: discriminator whose trunk a new encoder was made of; None if there is none.

    Returns:
        the signal that stopped the run before its end; None if it reached the end.
    """
    settings, inverter, stop = run.settings, trainer.inverter, StopRequest()
    with ExitStack() as stack:
        if processes.first:
            stack.enter_context(folder.lock())
        if folder.images_seen() is not None:
            folder.resume(trainer, change=run.change)
        elif trunk is not None and run.sources.begin is None and isinstance(inverter.w_encoder, TrunkEncoder):
            _fit_encoder(inverter.w_encoder, trunk.to(run.device), inverter.generator, run.samples, progress)
        stack.enter_context(stop.listen())
        show = stack.enter_context(progress.bar(f"{run.stage}, images", settings.until_images))

        def save(_: bool) -> None:
            seen = dict(info.images_seen) | {run.stage: trainer.images_seen}
            folder.save(trainer, replace(info, images_seen=seen), faces)

        def report(step: Progress[InversionReport]) -> None:
            show(step.report.images_seen)
            progress.say(describe_step(step))

        run_steps(trainer, folder, settings, save=save, stop=stop, on_progress=report)
    if stop.signal is not None and trainer.images_seen < settings.until_images:
        progress.say(f"stopped by {stop.signal.name} after {trainer.images_seen} images; the same command goes on")
        return stop.signal
    progress.say(f"done: {folder.inverter}")
    return None


def make_recipe(stage: Stage, settings: Mapping[str, str], *, real_faces: bool) -> InversionTrainingConfig:
    """Make the recipe of a stage from settings that are given as text.

    Args:
        stage: the network that is trained.
        settings: values by name, as people write them on a command line.
        real_faces: there is a data set; without one all faces of a batch are generated.

    Raises:
        ConfigError: an unknown setting, or a value that makes no sense.
    """
    kinds = get_type_hints(InversionTrainingConfig)
    values: dict[str, Any] = {} if real_faces else {"synthetic_share": 1.0}
    for name, text in settings.items():
        if name not in kinds or name == "stage":
            known = ", ".join(kind for kind in kinds if kind != "stage")
            raise ConfigError(f"unknown setting {name!r}; expected one of {known}")
        values[name] = parse_value(name, text, kinds[name])
    return InversionTrainingConfig(stage, **values)


def describe_run(
    trainer: InversionTrainer, folder: InverterFolder, settings: RunSettings, origin: str, held_out: str
) -> Iterator[str]:
    """Describe what a run is about to do, in lines of text, with the settings that differ from a run that is there."""
    config, images_seen = trainer.config, folder.images_seen()
    count = sum(parameter.numel() for parameter in trainer.learner.parameters())
    real = f"{len(trainer.data.images)} real faces" if trainer.data else "no real faces"
    state = f"new, to {settings.until_images} images" if images_seen is None else f"resumes after {images_seen} images"
    rows = {
        "learns": f"{config.stage}, {count:,} parameters",
        "from": f"{real}; {config.synthetic} of {config.batch} in a batch are the generator's own",
        "origin": origin,
        "recipe": ", ".join(f"{name} {getattr(config, name)}" for name in get_type_hints(InversionTrainingConfig)),
        "measured by": held_out,
        "run": f"{state}, in {folder.path}",
    }
    for name, value in rows.items():
        yield f"{name:<12} {value}"
    changes = {} if images_seen is None else folder.changes(trainer.settings())
    for name, (was, now) in changes.items():
        yield f"  differs from the run that is there: {name} was {was!r}, is {now!r}"


def describe_step(step: Progress[InversionReport]) -> str:
    """Describe the steps since the last report in one line."""
    figures = step.report
    parts = [
        f"{figures.images_seen:>9} images",
        f"{step.seconds_per_kimg:.1f} s/kimg",
        f"left {timedelta(seconds=round(step.left_s))}",
        f"L2 {figures.l2:.4f}"
        + (f" of the encoder's {figures.l2_encoder:.4f}" if figures.l2_encoder != figures.l2 else ""),
        f"features {figures.perceptual:.4f}" if figures.perceptual else "",
        f"identity {figures.identity:.3f}" if figures.identity else "",
        f"latent {figures.latent:.3f}" if figures.latent else "",
        f"gradient {figures.gradient:.2g}",
    ]
    return "  ".join(part for part in parts if part)


def _load_data(sources: InverterSources, generator: Generator) -> TrainingData | None:
    if sources.data is None:
        if sources.exclude is not None:
            raise ConfigError(f"--exclude {sources.exclude} without data; name the data set that it is about")
        return None
    exclusion = Exclusion.read(sources.exclude) if sources.exclude else Exclusion()
    with Dataset.open(sources.data) as dataset:
        return load(dataset, exclusion, generator.config.resolution)


def _load_discriminator(run: InverterRun, generator: Generator) -> Discriminator | None:
    """Load the discriminator if the run needs it: for the perceptual distance, or for a new encoder."""
    path = run.sources.discriminator
    needed = run.samples > 0 or run.sources.alexnet is None
    return load_discriminator(path, generator) if path is not None and needed else None


def _make_distance(
    sources: InverterSources, discriminator: Discriminator | None, device: torch.device
) -> Perceptual | None:
    if sources.alexnet is not None:
        return AlexNetDistance(*sources.alexnet).to(device)
    return None if discriminator is None else DiscriminatorDistance(discriminator.to(device))


def _make_inverter(
    sources: InverterSources, generator: Generator, trunk: Discriminator | None
) -> tuple[Inverter, InverterInfo]:
    """Load or make the networks to train, with what the file that they come from says of them.

    A new encoder for a small generator takes the trunk of its discriminator.
    """
    if sources.begin is not None:
        inverter = inverter_file.load(sources.begin, generator, of_another=True)
        info = inverter_file.read_info(sources.begin)
    else:
        small = generator.config.resolution <= 128
        encoder: EncoderConfig | TrunkConfig
        encoder, hypernetwork = SMALL if small else (EncoderConfig(), HypernetworkConfig())
        if trunk is not None and small:
            encoder = TrunkConfig(trunk.config)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            inverter, info = Inverter(generator, encoder, hypernetwork), InverterInfo(fingerprint(generator))
    if sources.hypernetwork is not None:
        inverter.hypernet = inverter_file.load(sources.hypernetwork, generator, of_another=True).hypernet
    return inverter, info


def _fit_encoder(
    encoder: TrunkEncoder, trunk: Discriminator, generator: Generator, samples: int, progress: reporting.Progress
) -> None:
    """Fit the last layer of a new encoder to generated faces."""
    labels = list_labels(generator.config.vocabulary)
    with reporting.stepping_bar(progress, "faces for the first encoder", samples) as step:
        error = fit_trunk_encoder(encoder, trunk, generator, labels, samples, on_progress=step)
    progress.say(f"begins with an encoder that misses {error:.0%} of the variance of latents it has not seen")


def _load_held_out(sources: InverterSources, generator: Generator) -> tuple[Tensor, str]:
    """Return faces that are measured but not trained on, (n, 3, h, h), and a description of them."""
    side = generator.config.resolution
    if sources.held_out is not None:
        with Dataset.open(sources.held_out) as dataset:
            if dataset.size != side:
                raise ConfigError(f"{sources.held_out} is of {dataset.size} px; expected {side}, the generator's size")
            images = [dataset.image(index) for index in range(min(len(dataset), HELD_OUT))]
        return to_tensor(np.stack(images)), f"{len(images)} of {sources.held_out.name}"
    if sources.data is not None and _shows_phantoms(sources.data):
        drawn = list(fresh_phantoms(HELD_OUT, side, HELD_OUT_SEED))
        return to_tensor(np.concatenate(drawn)), f"{HELD_OUT} phantoms drawn for the purpose"
    return torch.cat(list(_generate_faces(generator))), f"{HELD_OUT} faces that the generator makes"


def _shows_phantoms(path: Path) -> bool:
    with Dataset.open(path) as dataset:
        return is_phantoms(dataset)


@torch.no_grad()
def _generate_faces(generator: Generator) -> Iterator[Tensor]:
    """Generate HELD_OUT faces (1, 3, h, h) over all labels in turn."""
    draws = torch.Generator().manual_seed(HELD_OUT_SEED)
    labels = (generator.config.vocabulary or Vocabulary()).every_label()
    for place in range(HELD_OUT):
        z = torch.randn(1, generator.config.z_dim, generator=draws)
        c = labels[place % len(labels)][None] if generator.config.vocabulary else None
        yield generator(z, c).clamp(-1, 1)
