"""`gestaltgen train`: train a generator on a labelled data set."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from core.errors import ConfigError
from core.hardware import keep_freed_memory
from core.stop_signals import StopRequest
from faces.datasets.dataset import Dataset
from faces.measures.identities import Identities, identities
from gen.training.batches import RULES
from gen.training.data import Exclusion, TrainingData, load
from gen.training.distributed import Processes, processes_of_torchrun
from gen.training.loop import RunSettings
from gen.training.plan import plan
from gen.training.presets import PRESETS, vary
from gen.training.presets import preset as preset_named
from gen.training.recipe import TRAINING_DTYPES, fastest_precision
from gen.training.run import RunFolder
from gen.training.run import train as run_training
from gen.training.starting import Sources, begin, fitted, read_sources
from gen.training.trainer import Trainer
from gestaltgen.cli.console import make_console
from gestaltgen.cli.options import choose_device, read_set_option
from gestaltgen.cli.progress import stepping_bar
from gestaltgen.cli.training.train_view import progress_line, show_plan, show_warm_start

_SAMPLING_HELP = (
    f"Which images are shown how often: {', '.join(RULES)}, or shares by condition, or condition/age, as JSON or in a "
    "file of it."
)


def train(
    data: Annotated[Path, typer.Argument(help="Data set with labels, as `gestaltgen dataset` makes it.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; a run that is there goes on.")] = Path("runs/run"),
    preset: Annotated[str, typer.Option(help=f"Networks and training: {', '.join(PRESETS)}.")] = "auto",
    images: Annotated[int, typer.Option(help="Stop after so many real images were shown.")] = 200_000,
    sampling: Annotated[str | None, typer.Option(help=_SAMPLING_HELP)] = None,
    size: Annotated[
        int | None, typer.Option(help="Reduce the images to this side in pixels: train small, then grow by --from.")
    ] = None,
    exclude: Annotated[
        Path | None, typer.Option(help="List of files, sources or persons, a name a line, not to be trained on.")
    ] = None,
    from_: Annotated[Path | None, typer.Option("--from", help="Generator to fine-tune, a checkpoint.")] = None,
    discriminator_from: Annotated[Path | None, typer.Option(help="Its discriminator.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Vary the preset, as r1_gamma=2, ada.target=0.5.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help=f"Of the convolutions: {', '.join(TRAINING_DTYPES)}, or auto, the fastest here.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    snapshot: Annotated[int, typer.Option(help="Images between two snapshots.")] = 10_000,
    snapshot_minutes: Annotated[float | None, typer.Option(help="Also a snapshot after so many minutes.")] = None,
    keep: Annotated[int, typer.Option(help="Images between two generators kept for good; 0 keeps the newest.")] = 0,
    report: Annotated[int, typer.Option(help="Images between two reports.")] = 1_000,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write events for TensorBoard.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU where there is one.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; one each for two runs beats two.")] = None,
    licence: Annotated[str, typer.Option(help="Of the weights, stored in them.")] = "Apache-2.0",
    change: Annotated[
        bool, typer.Option("--change", help="Go on with a run although its recipe or data changed.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and stop.")] = False,
) -> None:
    """Train a conditional StyleGAN2-ADA; the same command resumes a run that was stopped or killed.

    The folder gets generator.safetensors (use it with `gestaltgen serve --weights`), sample sheets and a log. On
    several GPUs: `torchrun --nproc-per-node 8 --no-python gestaltgen train …`, the same results with the same batch.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    keep_freed_memory()
    settings = RunSettings(images, snapshot, snapshot_minutes, keep, report, tensorboard, licence)
    where = choose_device(device)
    with processes_of_torchrun(where) as processes:
        console = make_console(quiet=not processes.first, soft_wrap=True)
        exclusion = Exclusion.read(exclude) if exclude else Exclusion()
        sources = read_sources(from_, discriminator_from)
        folder = RunFolder(out)
        if precision == "auto":
            precision = folder.precision() or fastest_precision(where)
        varied = {"precision": precision, "seed": str(seed), **read_set_option(set_ or [])}
        if sampling is not None:
            varied["sampling"] = _rule(sampling)
        with Dataset.open(data) as dataset:
            recipe = vary(preset_named(preset, size or dataset.size, processes.count), varied).training
            identity = _identities(dataset, console) if recipe.identity_weight > 0 else None
            loaded = load(dataset, exclusion, size, identity)
        trainer = _trainer(preset, varied, loaded, sources, where, processes)
        origin = f"{sources.origin} on {loaded.origin}"
        show_plan(console, plan(trainer, loaded, folder, settings), trainer, folder, settings, origin)
        folder.check(trainer, change=change)
        if dry_run:
            return
        _run(trainer, loaded, folder, settings, sources, console, origin=origin, change=change)


def _identities(dataset: Dataset, console: Console) -> Identities:
    with stepping_bar(console, "faces described", len(dataset)) as step:
        return identities(dataset, step)


def _run(
    trainer: Trainer,
    data: TrainingData,
    folder: RunFolder,
    settings: RunSettings,
    sources: Sources,
    console: Console,
    *,
    origin: str,
    change: bool,
) -> None:
    """Resume or begin, train, and say how it ended."""
    stop = StopRequest()
    with ExitStack() as stack:
        if trainer.processes.first:
            stack.enter_context(folder.locked())
        if folder.images_seen() is None:
            show_warm_start(console, begin(trainer, sources))
        else:
            folder.resume(trainer, change=change)
        stack.enter_context(stop.listen())
        run_training(
            trainer,
            data,
            folder,
            settings,
            origin=origin,
            stop=stop,
            on_progress=lambda progress: console.print(progress_line(progress)),
            begun_as=sources.seen,
        )
    if stop.signal is not None and trainer.images_seen < settings.until_images:
        console.print(f"stopped by {stop.signal.name} after {trainer.images_seen} images; the same command goes on")
        raise typer.Exit(128 + stop.signal)
    console.print(f"done: {folder.generator}")


def _trainer(
    name: str,
    varied: Mapping[str, str],
    data: TrainingData,
    sources: Sources,
    device: torch.device,
    processes: Processes,
) -> Trainer:
    side = data.images.images.shape[2]
    chosen = fitted(preset_named(name, side, processes.count), data.vocabulary, sources)
    # The discriminator's classifier follows its weight, what it reads of an identity the data.
    chosen = fitted(vary(chosen, varied), data.vocabulary, Sources(), data.images.identity_size)
    return Trainer(chosen.generator, chosen.discriminator, chosen.training, data.images, device, processes)


def _rule(text: str) -> str:
    """A rule of sampling: as it stands, or the content of the file that it names."""
    if not text.endswith(".json"):
        return text
    try:
        return Path(text).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--sampling {text} cannot be read ({error}); expected a JSON file of shares") from None
