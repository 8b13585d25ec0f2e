"""Training run of a generator in a folder: it is prepared from options, resumed if it exists, reported and saved.

The folder of a run holds what every run saves (`core.run_folders.TrainingFolder`), and:

generator.safetensors       the running average: the checkpoint to use
discriminator.safetensors   to fine-tune from
kept/N.safetensors          the running average after N images, if they are kept
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch

from core.errors import ConfigError
from core.precision import Precision
from core.progress import SILENT, stepping_bar
from core.progress import Progress as Reporter
from core.run_folders import TrainingFolder
from core.seen_images import NOTHING, UNKNOWN, SeenImages
from core.stop_signals import StopRequest
from faces.contact_sheets import contact_sheet
from faces.datasets.dataset import Dataset
from faces.image_set_request import ImageSetRequest
from faces.images import Pixels, encode_png
from faces.measures.identities import identities
from gen import checkpoint
from gen.imagesets import expand
from gen.inference.generator import InferenceGenerator
from gen.labels import Vocabulary
from gen.sampler import Sampler
from gen.torch_inference import convert_generator
from gen.training.data import Exclusion, TrainingData, load, read_groups
from gen.training.distributed import Processes
from gen.training.loop import FirstStep, RunSettings, run_steps
from gen.training.losses import ConditionLoss, MakeConditionLoss
from gen.training.plan import Proposal, TrainingPlan, make_plan, propose_smaller_run
from gen.training.presets import choose_preset, choose_size, make_preset, vary
from gen.training.recipe import fastest_precision
from gen.training.starting import Sources, begin, fit_preset, read_sources
from gen.training.telemetry import Progress
from gen.training.trainer import StepReport, Trainer
from gen.training.warm_start import WarmStartReport

FOOTER: Final = "Synthetic images, no basis for a diagnosis."


class RunFolder(TrainingFolder):
    """Folder of a run. Every file in it appears whole or not at all; the module docstring lists them.

    Args:
        path: path of the folder, which is made if it does not exist.
    """

    fixed = ("generator", "discriminator", "training.batch")
    begin_anew = "--from {path}/generator.safetensors"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.generator = path / "generator.safetensors"
        self.discriminator = path / "discriminator.safetensors"
        self.kept = path / "kept"

    def read_seen(self) -> SeenImages:
        """Read which images the run in this folder was trained on so far; none for a new one."""
        if not self.state.exists():
            return NOTHING
        return checkpoint.read_info(self.generator).seen_images if self.generator.exists() else UNKNOWN

    def save(
        self,
        trainer: Trainer,
        data: TrainingData,
        *,
        origin: str,
        licence: str,
        keep: bool,
        seen: SeenImages = UNKNOWN,
    ) -> None:
        """Write a snapshot. If the process is killed at any moment, the folder holds the previous snapshot or this one.

        Args:
            origin, licence: metadata of the checkpoints.
            keep: whether to keep this generator permanently, beside the newest.
            seen: all images that the networks were trained on.

        Raises:
            TrainingError: weights are not finite, or a file cannot be written. Files that a resumed run needs are not
                replaced then.
        """
        trainer.check_weights()
        trainer.average.update_label_centres()
        about: dict[str, Any] = {
            "origin": origin,
            "licence": licence,
            "images_seen": trainer.images_seen,
            "training_counts": data.counts,
            "seen": seen,
        }
        with self.explain_write_errors():
            if keep:
                checkpoint.save(self.kept / f"{trainer.images_seen:09d}.safetensors", trainer.average, **about)
            checkpoint.save(self.generator, trainer.average, **about)
            checkpoint.save(self.discriminator, trainer.discriminator, **about)
            self.save_state(trainer)


def train(
    trainer: Trainer,
    data: TrainingData,
    folder: RunFolder,
    settings: RunSettings,
    *,
    origin: str,
    stop: StopRequest,
    on_progress: Callable[[Progress[StepReport]], None],
    on_first_step: Callable[[FirstStep], None] = lambda step: None,
    on_activity: Callable[[str], None] = lambda activity: None,
    begun_as: SeenImages = NOTHING,
) -> None:
    """Run the steps, with the snapshots and sheets of a generator. It raises the errors of `run_steps`.

    Args:
        begun_as: images on which the networks of a new run were trained before. A resumed run knows them.
    """
    # With --change a run may continue with other data; the earlier images still count as seen.
    seen = data.seen | (begun_as if folder.images_seen() is None else folder.read_seen())
    if trainer.condition_loss is not None:
        seen |= trainer.condition_loss.seen

    def save(keep: bool) -> None:
        folder.save(trainer, data, origin=origin, licence=settings.licence, keep=keep, seen=seen)
        precision: Precision = "float32" if trainer.config.precision == "float32" else "bfloat16"
        average = convert_generator(trainer.average)
        for name, sheet in (("progressions", progression_sheet), ("cells", cells_sheet)):
            folder.save_sheet(name, trainer.images_seen, encode_png(sheet(average, precision=precision)))

    run_steps(
        trainer,
        folder,
        settings,
        save=save,
        stop=stop,
        on_progress=on_progress,
        on_first_step=on_first_step,
        on_activity=on_activity,
    )


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training run, as a user gives them.

    Args:
        data: data set with labels.
        out: folder of the run.
        preset: name of networks and recipe.
        run: settings of length, reports and snapshots.
        sampling: rule by which images are shown, JSON of shares, or the name of a JSON file; None for the preset's.
        size: side in pixels to which the images are reduced; None for the data's, or what `auto` takes.
        exclude: list of images that are not to be trained on.
        balance: table of groups of images that are shown evenly.
        generator: checkpoint to fine-tune.
        discriminator: checkpoint of its discriminator.
        settings: values of the preset to change, by name.
        precision: of the convolutions; "auto" for the fastest.
        seed: seed of all random numbers.
        condition_loss: makes a loss on the conditions of generated images, for the conditions of the data; None for
            no such loss.
    """

    data: Path
    out: Path
    preset: str
    run: RunSettings
    sampling: str | None = None
    size: int | None = None
    exclude: Path | None = None
    balance: Path | None = None
    generator: Path | None = None
    discriminator: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    precision: str = "auto"
    seed: int = 0
    condition_loss: MakeConditionLoss | None = None


@dataclass(frozen=True)
class PreparedRun:
    """A run that is ready to begin or to resume; nothing is written yet.

    Args:
        options: options of the user.
        preset: name of the preset.
        trainer: trainer with new networks.
        data: training data.
        folder: folder of the run.
        sources: networks that are fine-tuned.
        origin: origin of the weights, to be stored with them.
        plan: plan of the run.
    """

    options: TrainingOptions
    preset: str
    trainer: Trainer
    data: TrainingData
    folder: RunFolder
    sources: Sources
    origin: str
    plan: TrainingPlan

    def propose(self) -> Proposal | None:
        """Find a smaller run that fits the machine; None if there is none, or if a checkpoint is fine-tuned."""
        if self.sources.generator is not None:
            return None
        return propose_smaller_run(self.preset, self.trainer, self.options.run.until_images, self.plan.machine)


def prepare_run(
    options: TrainingOptions,
    device: torch.device,
    processes: Processes = Processes(),
    *,
    progress: Reporter = SILENT,
    on_activity: Callable[[str], None] = lambda activity: None,
) -> PreparedRun:
    """Read data and checkpoints, make the networks, and plan the run.

    Args:
        progress: shows the progress of slow parts.
        on_activity: called with a description of each activity as it begins.

    Raises:
        GestaltError: options, data or checkpoints that do not fit each other.
    """
    exclusion = Exclusion.read(options.exclude) if options.exclude else Exclusion()
    groups = read_groups(options.balance) if options.balance else None
    on_activity("reading checkpoints")
    sources = read_sources(options.generator, options.discriminator)
    on_cpu, fine_tunes = device.type == "cpu", sources.generator is not None
    name = choose_preset(options.preset, on_cpu=on_cpu, fine_tunes=fine_tunes)
    folder = RunFolder(options.out)
    precision = options.precision
    if precision == "auto":
        precision = folder.precision() or fastest_precision(device)
    settings = {"precision": precision, "seed": str(options.seed), **options.settings}
    if options.sampling is not None:
        settings["sampling"] = read_sampling(options.sampling)
    on_activity(f"reading {options.data}")
    with Dataset.open(options.data) as dataset:
        size = choose_size(options.preset, options.size, dataset.size, on_cpu=on_cpu, fine_tunes=fine_tunes)
        recipe = vary(make_preset(name, size, processes.count), settings).training
        identity = None
        if recipe.identity_weight > 0:
            with stepping_bar(progress, "faces described", len(dataset)) as step:
                identity = identities(dataset, step)
        data = load(dataset, exclusion, size, identity, groups)
    on_activity("making the networks")
    loss = None if options.condition_loss is None else options.condition_loss(data.vocabulary.conditions, device)
    trainer = _make_trainer(name, settings, data, sources, device, processes, loss)
    origin = f"{sources.origin} on {data.origin}" + (
        "" if loss is None else f", with the condition loss of {loss.name}"
    )
    plan = make_plan(trainer, data, folder, options.run)
    return PreparedRun(options, name, trainer, data, folder, sources, origin, plan)


def execute_run(
    run: PreparedRun,
    *,
    change: bool,
    stop: StopRequest,
    on_warm_start: Callable[[Mapping[str, WarmStartReport]], None],
    on_progress: Callable[[Progress[StepReport]], None],
    on_first_step: Callable[[FirstStep], None] = lambda step: None,
    on_activity: Callable[[str], None] = lambda activity: None,
) -> bool:
    """Begin or resume a run, and train until it is done or a stop is requested.

    Args:
        change: whether recipe and data may differ from those of the run in the folder.
        on_warm_start: called with the origin of every tensor when a new run begins.
        on_progress, on_first_step, on_activity: as in `gen.training.loop.run_steps`.

    Returns:
        whether the run is done.
    """
    trainer, folder, settings = run.trainer, run.folder, run.options.run
    with ExitStack() as stack:
        if trainer.processes.first:
            stack.enter_context(folder.lock())
        stack.enter_context(stop.listen())
        if folder.images_seen() is None:
            on_warm_start(begin(trainer, run.sources))
        else:
            folder.resume(trainer, change=change)
        train(
            trainer,
            run.data,
            folder,
            settings,
            origin=run.origin,
            stop=stop,
            on_progress=on_progress,
            on_first_step=on_first_step,
            on_activity=on_activity,
            begun_as=run.sources.seen,
        )
    return stop.signal is None or trainer.images_seen >= settings.until_images


def read_sampling(text: str) -> str:
    """Return a sampling rule unchanged, or the content of the JSON file that it names.

    Raises:
        ConfigError: the file cannot be read.
    """
    if not text.endswith(".json"):
        return text
    try:
        return Path(text).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--sampling {text} cannot be read ({error}); expected a JSON file of shares") from None


def _make_trainer(
    name: str,
    settings: Mapping[str, str],
    data: TrainingData,
    sources: Sources,
    device: torch.device,
    processes: Processes,
    condition_loss: ConditionLoss | None,
) -> Trainer:
    side = data.images.images.shape[2]
    chosen = fit_preset(make_preset(name, side, processes.count), data.vocabulary, sources)
    # The weight decides on the discriminator's classifier, and the data on the identities that it reads.
    chosen = fit_preset(vary(chosen, settings), data.vocabulary, Sources(), data.images.identity_size)
    networks = (chosen.generator, chosen.discriminator)
    return Trainer(*networks, chosen.training, data.images, device, processes, condition_loss)


def progression_sheet(generator: InferenceGenerator, persons: int = 2, precision: Precision = "float32") -> Pixels:
    """Draw a contact sheet, uint8 (h, w, 3): age progressions of the same few people in every condition."""
    seeds = tuple(range(persons))
    request = ImageSetRequest("age_progression", _vocabulary(generator).conditions, seeds=seeds, precision=precision)
    return _sheet(generator, request, persons)


def cells_sheet(generator: InferenceGenerator, persons: int = 3, precision: Precision = "float32") -> Pixels:
    """Draw a contact sheet, uint8 (h, w, 3), without truncation: for each condition and age group people of its own."""
    vocabulary = _vocabulary(generator)
    seeds = tuple(range(persons * len(vocabulary.conditions) * len(vocabulary.ages)))
    request = ImageSetRequest("unrelated", vocabulary.conditions, seeds=seeds, truncation=1.0, precision=precision)
    return _sheet(generator, request, persons)


def _sheet(generator: InferenceGenerator, request: ImageSetRequest, persons: int) -> Pixels:
    """Draw a sheet with a line for each condition and person and a column for each age group."""
    vocabulary = _vocabulary(generator)
    rows = expand(request, vocabulary, {})
    images = Sampler(generator, precision=request.arithmetic).render(rows, request)
    tiles: dict[tuple[str, str], list[Pixels]] = {}
    for row, image in zip(rows, images, strict=True):
        tiles.setdefault((row.condition, row.age_group), []).append(image)
    lines = [(condition, person) for condition in vocabulary.conditions for person in range(persons)]
    return contact_sheet(
        [[tiles[condition, age][person] for age in vocabulary.age_names] for condition, person in lines],
        row_titles=[condition for condition, _ in lines],
        column_titles=list(vocabulary.age_names),
        footer=FOOTER,
    )


def _vocabulary(generator: InferenceGenerator) -> Vocabulary:
    if generator.config.vocabulary is None:
        raise ConfigError("the generator has no vocabulary; expected a conditional one")
    return generator.config.vocabulary
