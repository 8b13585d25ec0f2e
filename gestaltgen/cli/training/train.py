"""`gestaltgen train`: train a generator on a labelled data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from core.hardware import keep_freed_memory
from core.stop_deadline import enforce_stop
from core.stop_signals import StopRequest
from gen.training.batches import BALANCE_LIMIT, RULES
from gen.training.distributed import processes_of_torchrun
from gen.training.loop import RunSettings
from gen.training.presets import PRESETS
from gen.training.recipe import TRAINING_DTYPES
from gen.training.run import TrainingOptions, execute_run, prepare_run
from gestaltgen.cli.console import make_console
from gestaltgen.cli.option_groups import expand_options
from gestaltgen.cli.options import read_set_option
from gestaltgen.cli.progress import ConsoleProgress
from gestaltgen.cli.training.execution_options import ExecutionOptions
from gestaltgen.cli.training.training_screen import TrainingScreen
from recognition.condition_loss import open_condition_loss

_DATA: Final = "Data"
_NETWORKS: Final = "Networks and recipe"
_SAVING: Final = "Snapshots and reports"
_PRESET_HELP: Final = (
    f"Networks and recipe: {', '.join(PRESETS)}. auto takes gpu, or on a CPU cpu with images of at most 128 px, which "
    "a CPU can train in a day."
)
_SAMPLING_HELP: Final = (
    f"Rule by which images are shown: {', '.join(RULES)}; or shares by condition or condition/age, as JSON or as the "
    "name of a JSON file."
)


@dataclass(frozen=True)
class DataOptions:
    """Options about the images that are learnt from."""

    sampling: Annotated[str | None, typer.Option(help=_SAMPLING_HELP, rich_help_panel=_DATA)] = None
    size: Annotated[
        int | None,
        typer.Option(
            help="Reduce the images to this side in pixels; grow later with --from.",
            rich_help_panel=_DATA,
        ),
    ] = None
    exclude: Annotated[
        Path | None,
        typer.Option(
            help="List of images to leave out: files, sources or persons, one a line.",
            rich_help_panel=_DATA,
        ),
    ] = None
    balance: Annotated[
        Path | None,
        typer.Option(
            help="CSV with the columns image and group (for example smiling and resting). The groups are shown "
            f"equally often within each condition and age group, but none more than {BALANCE_LIMIT:g} times as often "
            "as it occurs.",
            rich_help_panel=_DATA,
        ),
    ] = None


@dataclass(frozen=True)
class NetworkOptions:
    """Options about the networks and their recipe."""

    preset: Annotated[str, typer.Option(help=_PRESET_HELP, rich_help_panel=_NETWORKS)] = "auto"
    from_: Annotated[
        Path | None,
        typer.Option("--from", help="Checkpoint of a generator to fine-tune.", rich_help_panel=_NETWORKS),
    ] = None
    discriminator_from: Annotated[
        Path | None, typer.Option(help="Checkpoint of its discriminator.", rich_help_panel=_NETWORKS)
    ] = None
    condition_loss: Annotated[
        Path | None,
        typer.Option(
            help="Classifier of `gestaltgen classify train`, for a loss on how well it reads the conditions of "
            "generated images; with --set condition_loss_weight=0.5, for example.",
            dir_okay=False,
            rich_help_panel=_NETWORKS,
        ),
    ] = None
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a value of the preset, for example r1_gamma=2.", rich_help_panel=_NETWORKS),
    ] = None
    precision: Annotated[
        str,
        typer.Option(
            help=f"Of the convolutions: {', '.join(TRAINING_DTYPES)}, or auto, the fastest here.",
            rich_help_panel=_NETWORKS,
        ),
    ] = "auto"
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.", rich_help_panel=_NETWORKS)] = 0


@dataclass(frozen=True)
class SavingOptions:
    """Options about the length of a run and what it saves and reports."""

    images: Annotated[int, typer.Option(help="Stop after so many real images were shown.")] = 200_000
    snapshot: Annotated[int, typer.Option(help="Images between two snapshots.", rich_help_panel=_SAVING)] = 10_000
    snapshot_minutes: Annotated[
        float | None, typer.Option(help="Save a snapshot also after so many minutes.", rich_help_panel=_SAVING)
    ] = None
    keep: Annotated[
        int,
        typer.Option(
            help="Images between two generators kept for good; 0 keeps the newest.",
            rich_help_panel=_SAVING,
        ),
    ] = 0
    report: Annotated[int, typer.Option(help="Images between two reports.", rich_help_panel=_SAVING)] = 1_000
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write events for TensorBoard.", rich_help_panel=_SAVING)
    ] = False
    licence: Annotated[
        str,
        typer.Option(help="Licence of the weights, stored in the checkpoints.", rich_help_panel=_SAVING),
    ] = "Apache-2.0"

    def settings(self) -> RunSettings:
        """Return the settings of the run.

        Raises:
            ConfigError: a number that is too small.
        """
        return RunSettings(
            until_images=self.images,
            snapshot_images=self.snapshot,
            snapshot_minutes=self.snapshot_minutes,
            keep_images=self.keep,
            report_images=self.report,
            tensorboard=self.tensorboard,
            licence=self.licence,
        )


@expand_options
def train(
    data: Annotated[Path, typer.Argument(help="Data set with labels, as `gestaltgen dataset` makes it.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the run; a run that it holds is resumed.")] = Path("runs/run"),
    images: DataOptions,
    networks: NetworkOptions,
    saving: SavingOptions,
    execution: ExecutionOptions,
) -> None:
    """Train a conditional StyleGAN2-ADA; the same command resumes a run that was stopped or killed.

    The folder gets generator.safetensors (use it with `gestaltgen serve --weights`), sample sheets and a log. On
    several GPUs: `torchrun --nproc-per-node 8 --no-python gestaltgen train …`, the same results with the same batch.

    The plan is shown first. If the machine is too small for it, there is a warning, and a smaller run is proposed.
    Ctrl-C and SIGTERM stop the run within 20 seconds; a snapshot is saved if the current step ends in this time.
    """
    keep_freed_memory()
    options = _collect_options(data, out, images, networks, saving)
    device = execution.apply()
    with processes_of_torchrun(device) as processes:
        screen = TrainingScreen(make_console(quiet=not processes.first, soft_wrap=True))
        with screen.heartbeat.run(), enforce_stop(lambda number: screen.show_late_stop(number, out)):
            run = prepare_run(
                options,
                device,
                processes,
                progress=ConsoleProgress(screen.console),
                on_activity=screen.heartbeat.begin,
            )
            screen.show_plan(run)
            run.folder.check(run.trainer, change=execution.change)
            if execution.dry_run:
                return
            stop = StopRequest()
            done = execute_run(
                run,
                change=execution.change,
                stop=stop,
                on_warm_start=screen.show_warm_start,
                on_progress=screen.show_progress,
                on_first_step=lambda step: screen.show_first_step(step, run),
                on_activity=screen.heartbeat.begin,
            )
    if stop.signal is not None and not done:
        screen.say(f"stopped by {stop.signal.name} after {run.trainer.images_seen} images; the same command goes on")
        raise typer.Exit(128 + stop.signal)
    screen.say(f"done: {run.folder.generator}")


def _collect_options(
    data: Path, out: Path, images: DataOptions, networks: NetworkOptions, saving: SavingOptions
) -> TrainingOptions:
    return TrainingOptions(
        data=data,
        out=out,
        preset=networks.preset,
        run=saving.settings(),
        sampling=images.sampling,
        size=images.size,
        exclude=images.exclude,
        balance=images.balance,
        generator=networks.from_,
        discriminator=networks.discriminator_from,
        settings=read_set_option(networks.set_ or []),
        precision=networks.precision,
        seed=networks.seed,
        condition_loss=None if networks.condition_loss is None else open_condition_loss(networks.condition_loss),
    )
