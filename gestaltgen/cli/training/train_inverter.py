"""`gestaltgen train-encoder` and `train-inversion`: train the two networks of an inverter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

import weights as shipped
from gen.training.loop import RunSettings
from gestaltgen.cli.console import make_console
from gestaltgen.cli.option_groups import expand_options
from gestaltgen.cli.options import read_set_option
from gestaltgen.cli.progress import ConsoleProgress
from gestaltgen.cli.training.execution_options import ExecutionOptions
from inversion.training.recipe import Stage
from inversion.training.regression import SAMPLES
from inversion.training.run import InverterRun, InverterSources, train_inverter


@dataclass(frozen=True)
class SourceOptions:
    """Options that name the files of a run."""

    data: Annotated[
        Path | None, typer.Argument(help="Data set of real faces; without one, training uses generated faces alone.")
    ] = None
    generator: Annotated[
        Path | None, typer.Option(help="Checkpoint of the generator to invert with. Default: the shipped one.")
    ] = None
    discriminator: Annotated[
        Path | None,
        typer.Option(help="Its discriminator, whose features measure likeness. Default: the shipped one, if any."),
    ] = None
    alexnet: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="Measure likeness by LPIPS instead: files of AlexNet's weights and of those of LPIPS."),
    ] = None
    identity: Annotated[
        Path | None, typer.Option(help="IR-SE-50 weights: also keep the identity, for generators of photographs.")
    ] = None
    exclude: Annotated[
        Path | None, typer.Option(help="List of files, sources or persons, one a line, that are not trained on.")
    ] = None
    held_out: Annotated[
        Path | None,
        typer.Option(help="Data set to measure on. Default: new phantoms if DATA are phantoms, else generated faces."),
    ] = None


@dataclass(frozen=True)
class RunOptions(ExecutionOptions):
    """Options about the length of a run, its recipe and what it saves and reports."""

    images: Annotated[int, typer.Option(help="Stop after this number of faces, over all calls.")] = 100_000
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Setting of the recipe, for example learning_rate=0.0001.")
    ] = None
    snapshot: Annotated[int, typer.Option(help="Images between two snapshots.")] = 5_000
    snapshot_minutes: Annotated[float | None, typer.Option(help="Also save a snapshot after this time.")] = None
    report: Annotated[int, typer.Option(help="Images between two reports.")] = 1_000
    licence: Annotated[str, typer.Option(help="Licence of the weights, stored in the file.")] = "Apache-2.0"


@expand_options
def train_encoder(
    files: SourceOptions,
    options: RunOptions,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Inverter to begin with: of this generator, or of the generator that it was fine-tuned from."
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(help="Generated faces that a new encoder is fitted to first; 0 for none.", min=0)
    ] = SAMPLES,
    out: Annotated[Path, typer.Option(help="Folder of the run; a run that is there is resumed.")] = Path(
        "runs/encoder"
    ),
) -> None:
    """Train the encoder of an inverter, which maps a face to the generator's latent. The same command resumes.

    If the generator is small and its discriminator is at hand, the encoder is the discriminator's trunk with a new
    last layer, which is first fitted to SAMPLES generated faces. Otherwise it is a new IR-SE network.

    Half of the faces are generated, so their latents are known; the others are those of DATA. The folder gets
    inverter.safetensors, which `gestaltgen train-inversion` takes.
    """
    _train("encoder", files, options, out, begin=from_, samples=samples)


@expand_options
def train_inversion(
    files: SourceOptions,
    options: RunOptions,
    encoder: Annotated[Path, typer.Option(help="Inverter whose encoder is used; it is trained already.")] = Path(
        "runs/encoder/inverter.safetensors"
    ),
    from_: Annotated[
        Path | None,
        typer.Option("--from", help="Inverter whose hypernetwork to begin with. Default: that of --encoder."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the run; a run that is there is resumed.")] = Path(
        "runs/inversion"
    ),
) -> None:
    """Train the hypernetwork of an inverter (HyperStyle); its encoder stays as it is. The same command resumes.

    The folder gets inverter.safetensors, for `gestaltgen invert --inverter`.
    """
    _train("hypernetwork", files, options, out, begin=encoder, hypernetwork=from_)


def _train(
    stage: Stage,
    files: SourceOptions,
    options: RunOptions,
    out: Path,
    *,
    begin: Path | None,
    hypernetwork: Path | None = None,
    samples: int = 0,
) -> None:
    device = options.apply()
    generator = files.generator or shipped.default()
    sources = InverterSources(
        generator,
        files.discriminator or shipped.companion(generator, "discriminator"),
        data=files.data,
        exclude=files.exclude,
        held_out=files.held_out,
        begin=begin,
        hypernetwork=hypernetwork,
        alexnet=files.alexnet,
        identity=files.identity,
    )
    settings = RunSettings(
        until_images=options.images,
        snapshot_images=options.snapshot,
        snapshot_minutes=options.snapshot_minutes,
        report_images=options.report,
        licence=options.licence,
    )
    run = InverterRun(
        stage,
        sources,
        out,
        settings,
        recipe=read_set_option(options.set_ or []),
        samples=samples,
        device=device,
        change=options.change,
        dry_run=options.dry_run,
    )
    stopped = train_inverter(run, ConsoleProgress(make_console(soft_wrap=True)))
    if stopped is not None:
        raise typer.Exit(128 + stopped)
