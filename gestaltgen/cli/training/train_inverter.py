"""`gestaltgen train-encoder` and `train-inversion`: train the two networks of an inverter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias, get_type_hints

import numpy as np
import torch
import typer
from rich.console import Console

import weights as shipped
from core.errors import ConfigError
from core.hardware import keep_freed_memory
from core.setting_values import value_of
from core.stop_signals import StopRequest
from faces.datasets.dataset import Dataset
from faces.images import to_tensor
from faces.phantoms.phantom_dataset import fresh_phantoms, is_phantoms
from gen import checkpoint
from gen.checkpoint import fingerprint
from gen.labels import Vocabulary
from gen.networks import Discriminator, Generator
from gen.training.data import Exclusion, TrainingData, load
from gen.training.distributed import processes_of_torchrun
from gen.training.loop import RunSettings, run_steps
from gen.training.telemetry import Progress
from gestaltgen.cli.console import make_console
from gestaltgen.cli.options import device_named, discriminator_of, likeness, pairs
from gestaltgen.cli.progress import stepping_bar
from inversion import inverter_file
from inversion.config import EncoderConfig, HypernetworkConfig, TrunkConfig
from inversion.inverter import Inverter
from inversion.inverter_file import InverterInfo
from inversion.networks.feature_networks import AlexNetDistance, IdentityNetwork
from inversion.networks.trunk_encoder import TrunkEncoder
from inversion.similarity import Perceptual
from inversion.training.recipe import InversionTrainingConfig, Stage
from inversion.training.regression import SAMPLES, regress
from inversion.training.snapshots import InverterFolder
from inversion.training.trainer import InversionReport, InversionTrainer, all_labels

SMALL: Final = (
    EncoderConfig(128, (16, 32, 128, 256), (2, 2, 2, 2)),
    HypernetworkConfig(128, (32, 64, 128, 160), (1, 2, 2, 2), shared_width=64, other_width=64),
)
"""Networks for generators of 128 px or less and for CPUs, 20 MB together; larger ones get those that were published.
Where the generator's discriminator is at hand, its trunk is the encoder of a small one."""

LEAST_GAIN: Final = 0.01
"""Of what is trained here: a pass that lowers the error of a face by less is its last, and does not count."""

HELD_OUT: Final = 32
HELD_OUT_SEED: Final = 704
"""Of faces that are made to measure by, where no held-out set is named."""

Data: TypeAlias = Annotated[
    Path | None, typer.Argument(help="Data set of real faces; unset trains on the generator's own faces alone.")
]
GeneratorFile: TypeAlias = Annotated[
    Path | None, typer.Option("--generator", help="Checkpoint to invert with; unset takes the shipped one.")
]
DiscriminatorFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--discriminator", help="Its discriminator, whose features measure likeness; unset: as shipped."),
]
AlexNet: TypeAlias = Annotated[
    tuple[Path, Path] | None, typer.Option(help="Likeness by LPIPS instead: AlexNet's weights and those of LPIPS.")
]
IdentityFile: TypeAlias = Annotated[
    Path | None, typer.Option("--identity", help="IR-SE-50 weights: also keep who it is, on photographs.")
]
Out: TypeAlias = Annotated[Path, typer.Option(help="Folder of the run; a run that is there goes on.")]
Images: TypeAlias = Annotated[int, typer.Option(help="Stop after so many faces were shown.")]
Exclude: TypeAlias = Annotated[
    Path | None, typer.Option(help="List of files, sources or persons, a name a line, not to be trained on.")
]
HeldOut: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Data set to measure by; unset draws new phantoms for phantoms, else the generator makes faces."),
]
Set: TypeAlias = Annotated[list[str] | None, typer.Option("--set", help="Vary the recipe, as learning_rate=0.0001.")]
Snapshot: TypeAlias = Annotated[int, typer.Option(help="Images between two snapshots.")]
Minutes: TypeAlias = Annotated[float | None, typer.Option(help="Also a snapshot after so many minutes.")]
Reported: TypeAlias = Annotated[int, typer.Option(help="Images between two reports.")]
Device: TypeAlias = Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU where there is one.")]
Threads: TypeAlias = Annotated[int | None, typer.Option(help="CPU threads.")]
Licence: TypeAlias = Annotated[str, typer.Option(help="Of the weights, stored in them.")]
Change: TypeAlias = Annotated[bool, typer.Option("--change", help="Go on although the recipe or the data changed.")]
DryRun: TypeAlias = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and stop.")]


@dataclass(frozen=True)
class _Files:
    """What was named on the command line."""

    data: Path | None
    generator: Path | None
    discriminator: Path | None
    alexnet: tuple[Path, Path] | None
    identity: Path | None
    begin: Path | None
    held_out: Path | None
    exclude: Path | None
    samples: int = 0
    hypernetwork: Path | None = None


def train_encoder(
    data: Data = None,
    generator: GeneratorFile = None,
    discriminator: DiscriminatorFile = None,
    alexnet: AlexNet = None,
    identity: IdentityFile = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", help="Inverter to go on with, be it that of the generator this one came from."),
    ] = None,
    samples: Annotated[
        int, typer.Option(help="Faces that a new encoder is fitted to first; 0 begins with nothing.", min=0)
    ] = SAMPLES,
    out: Out = Path("runs/encoder"),
    images: Images = 100_000,
    exclude: Exclude = None,
    held_out: HeldOut = None,
    set_: Set = None,
    snapshot: Snapshot = 5_000,
    snapshot_minutes: Minutes = None,
    report: Reported = 1_000,
    device: Device = "auto",
    threads: Threads = None,
    licence: Licence = "Apache-2.0",
    change: Change = False,
    dry_run: DryRun = False,
) -> None:
    """Train the encoder of an inverter: a face to the generator's latent. The same command resumes.

    Where the generator's discriminator is at hand and small enough, the encoder is its trunk, and begins with the last
    layer that fits SAMPLES generated faces best; else it is an IR-SE network and begins with nothing.

    Half of the faces are the generator's own, whose latents are known, the others those of DATA. The folder gets
    inverter.safetensors, from which `gestaltgen train-inversion` goes on.
    """
    named = _Files(data, generator, discriminator, alexnet, identity, from_, held_out, exclude, samples)
    settings = RunSettings(images, snapshot, snapshot_minutes, 0, report, False, licence)
    _train("encoder", named, out, settings, set_ or [], device, threads, change=change, dry_run=dry_run)


def train_inversion(
    data: Data = None,
    encoder: Annotated[Path, typer.Option(help="Inverter whose encoder is trained.")] = Path(
        "runs/encoder/inverter.safetensors"
    ),
    from_: Annotated[
        Path | None, typer.Option("--from", help="Inverter whose hypernetwork to go on with; unset: that of --encoder.")
    ] = None,
    generator: GeneratorFile = None,
    discriminator: DiscriminatorFile = None,
    alexnet: AlexNet = None,
    identity: IdentityFile = None,
    out: Out = Path("runs/inversion"),
    images: Images = 100_000,
    exclude: Exclude = None,
    held_out: HeldOut = None,
    set_: Set = None,
    snapshot: Snapshot = 5_000,
    snapshot_minutes: Minutes = None,
    report: Reported = 1_000,
    device: Device = "auto",
    threads: Threads = None,
    licence: Licence = "Apache-2.0",
    change: Change = False,
    dry_run: DryRun = False,
) -> None:
    """Train the hypernetwork of an inverter (HyperStyle) beside its encoder, which stays. The same command resumes.

    The folder gets inverter.safetensors, for `gestaltgen invert --inverter`.
    """
    named = _Files(data, generator, discriminator, alexnet, identity, encoder, held_out, exclude, hypernetwork=from_)
    settings = RunSettings(images, snapshot, snapshot_minutes, 0, report, False, licence)
    _train("hypernetwork", named, out, settings, set_ or [], device, threads, change=change, dry_run=dry_run)


def _train(
    stage: Stage,
    named: _Files,
    out: Path,
    settings: RunSettings,
    varied: list[str],
    device: str,
    threads: int | None,
    *,
    change: bool,
    dry_run: bool,
) -> None:
    if threads is not None:
        torch.set_num_threads(threads)
    keep_freed_memory()
    where, folder = device_named(device), InverterFolder(out)
    with processes_of_torchrun(where) as processes, ExitStack() as stack:
        console = make_console(quiet=not processes.first, soft_wrap=True)
        source = named.generator or shipped.default()
        generator = checkpoint.load_generator(source)
        loaded = _data(named, generator)
        config = _recipe(stage, varied, loaded)
        judge = discriminator_of(named.discriminator, source, generator) if named.samples else None
        inverter, before = _inverter(named.begin, generator, judge)
        if named.hypernetwork is not None:
            inverter.hypernet = inverter_file.load(named.hypernetwork, generator, of_another=True).hypernet
        trainer = InversionTrainer(
            inverter,
            config,
            loaded.images if loaded else None,
            loaded.vocabulary if loaded else None,
            perceptual=_perceptual(named, source, generator, where),
            identity=IdentityNetwork(named.identity).to(where) if named.identity else None,
            device=where,
            processes=processes,
        )
        faces, faces_are = _held_out(named, generator)
        taught = loaded.origin if loaded else "its own faces alone"
        origin = f"{stage} for {source.name} on {taught}"
        if before.origin:
            origin = f"{before.origin}; {origin}"
        _show_plan(console, trainer, folder, settings, origin, faces_are)
        folder.check(trainer, change=change)
        if dry_run:
            return
        stop = StopRequest()
        if processes.first:
            stack.enter_context(folder.locked())
        if folder.images_seen() is not None:
            folder.resume(trainer, change=change)
        elif judge is not None and named.begin is None and isinstance(inverter.w_encoder, TrunkEncoder):
            _begin(console, inverter.w_encoder, judge.to(where), inverter.generator, named.samples)
        info = replace(
            before,
            generator=fingerprint(generator),
            origin=origin,
            licence=settings.licence,
            limits=None,
            least_gain=LEAST_GAIN,
            figures={},
        )
        stack.enter_context(stop.heard())

        def save(_: bool) -> None:
            seen = dict(before.images_seen) | {stage: trainer.images_seen}
            folder.save(trainer, replace(info, images_seen=seen), faces)

        run_steps(trainer, folder, settings, save=save, stop=stop, on_progress=lambda p: console.print(_line(p)))
        if stop.signal is not None and trainer.images_seen < settings.until_images:
            console.print(f"stopped by {stop.signal.name} after {trainer.images_seen} images; the same command goes on")
            raise typer.Exit(128 + stop.signal)
        console.print(f"done: {folder.inverter}")


def _data(named: _Files, generator: Generator) -> TrainingData | None:
    if named.data is None:
        if named.exclude is not None:
            raise ConfigError(f"--exclude {named.exclude} without data; name the data set that it is about")
        return None
    side = generator.config.resolution
    with Dataset.open(named.data) as dataset:
        return load(dataset, Exclusion.read(named.exclude) if named.exclude else Exclusion(), side)


def _recipe(stage: Stage, varied: list[str], data: TrainingData | None) -> InversionTrainingConfig:
    kinds = get_type_hints(InversionTrainingConfig)
    values: dict[str, Any] = {} if data else {"synthetic_share": 1.0}
    for name, text in pairs(varied).items():
        if name not in kinds or name == "stage":
            raise ConfigError(
                f"unknown setting {name!r}; expected one of {', '.join(k for k in kinds if k != 'stage')}"
            )
        values[name] = value_of(name, text, kinds[name])
    return InversionTrainingConfig(stage, **values)


def _inverter(begin: Path | None, generator: Generator, judge: Discriminator | None) -> tuple[Inverter, InverterInfo]:
    """The networks to train, and what the file says of them that they come from; a new encoder takes the trunk of the
    generator's discriminator, if that is small."""
    if begin is not None:
        return inverter_file.load(begin, generator, of_another=True), inverter_file.read_info(begin)
    small = generator.config.resolution <= 128
    encoder: EncoderConfig | TrunkConfig
    encoder, hypernetwork = SMALL if small else (EncoderConfig(), HypernetworkConfig())
    if judge is not None and small:
        encoder = TrunkConfig(judge.config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Inverter(generator, encoder, hypernetwork), InverterInfo(fingerprint(generator))


def _begin(console: Console, encoder: TrunkEncoder, judge: Discriminator, generator: Generator, samples: int) -> None:
    """Fit the last layer of a new encoder to generated faces."""
    with stepping_bar(console, "faces for the first encoder", samples) as step:
        error = regress(encoder, judge, generator, all_labels(generator.config.vocabulary), samples, on_progress=step)
    console.print(f"begins with an encoder that misses {error:.0%} of the variance of latents it has not seen")


def _perceptual(named: _Files, source: Path, generator: Generator, device: torch.device) -> Perceptual | None:
    if named.alexnet is not None:
        return AlexNetDistance(*named.alexnet).to(device)
    return likeness(named.discriminator, source, generator, device)


def _held_out(named: _Files, generator: Generator) -> tuple[torch.Tensor, str]:
    """Faces to measure by that are not learnt from, and what they are."""
    side = generator.config.resolution
    if named.held_out is not None:
        with Dataset.open(named.held_out) as dataset:
            if dataset.size != side:
                raise ConfigError(f"{named.held_out} is of {dataset.size} px; expected {side}, the generator's size")
            faces = [dataset.image(index) for index in range(min(len(dataset), HELD_OUT))]
        return to_tensor(np.stack(faces)), f"{len(faces)} of {named.held_out.name}"
    if named.data is not None and _shows_phantoms(named.data):
        drawn = list(fresh_phantoms(HELD_OUT, side, HELD_OUT_SEED))
        return to_tensor(np.concatenate(drawn)), f"{HELD_OUT} phantoms drawn for the purpose"
    return torch.cat(list(_made(generator))), f"{HELD_OUT} faces that the generator makes"


def _shows_phantoms(path: Path) -> bool:
    with Dataset.open(path) as dataset:
        return is_phantoms(dataset)


@torch.no_grad()
def _made(generator: Generator) -> Iterator[torch.Tensor]:
    draw = torch.Generator().manual_seed(HELD_OUT_SEED)
    vocabulary = generator.config.vocabulary or Vocabulary()
    cells = vocabulary.every_label()
    for place in range(HELD_OUT):
        z = torch.randn(1, generator.config.z_dim, generator=draw)
        c = cells[place % len(cells)][None] if generator.config.vocabulary else None
        yield generator(z, c).clamp(-1, 1)


def _show_plan(
    console: Console,
    trainer: InversionTrainer,
    folder: InverterFolder,
    settings: RunSettings,
    origin: str,
    held_out: str,
) -> None:
    config, stands = trainer.config, folder.images_seen()
    count = sum(parameter.numel() for parameter in trainer.learner.parameters())
    real = f"{len(trainer.data.images)} real faces" if trainer.data else "no real faces"
    run = f"new, to {settings.until_images} images" if stands is None else f"resumes after {stands} images"
    rows = {
        "learns": f"{config.stage}, {count:,} parameters",
        "from": f"{real}; {config.synthetic} of {config.batch} in a batch are the generator's own",
        "origin": origin,
        "recipe": ", ".join(f"{name} {getattr(config, name)}" for name in get_type_hints(InversionTrainingConfig)),
        "measured by": held_out,
        "run": f"{run}, in {folder.path}",
    }
    for name, value in rows.items():
        console.print(f"[bold]{name:<12}[/bold] {value}")
    for name, (was, now) in ({} if stands is None else folder.changes(trainer.settings())).items():
        console.print(f"  other than in the run that is there: {name} was {was!r}, is {now!r}")


def _line(progress: Progress[InversionReport]) -> str:
    r = progress.report
    parts = [
        f"{r.images_seen:>9} images",
        f"{progress.seconds_per_kimg:.1f} s/kimg",
        f"left {timedelta(seconds=round(progress.left_s))}",
        f"L2 {r.l2:.4f}" + (f" of the encoder's {r.l2_encoder:.4f}" if r.l2_encoder != r.l2 else ""),
        f"features {r.perceptual:.4f}" if r.perceptual else "",
        f"identity {r.identity:.3f}" if r.identity else "",
        f"latent {r.latent:.3f}" if r.latent else "",
        f"gradient {r.gradient:.2g}",
    ]
    return "  ".join(part for part in parts if part)
