"""`gestaltgen oracle …`: train and measure the networks that read phantoms."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
import typer
from rich import box
from rich.table import Table

import weights as shipped
from core.errors import DatasetError
from faces.datasets.dataset import Dataset
from faces.oracle import attribute_network as oracle_file
from faces.oracle import landmark_network, landmark_training
from faces.oracle.attribute_network import SIDE
from faces.oracle.attribute_training import OracleTrainingConfig, read_truth
from faces.oracle.attribute_training import train_oracle as train_oracle
from faces.oracle.measurement import load_landmarks, measure_oracle
from faces.phantoms.phantom_dataset import synthesise
from gestaltgen.cli.console import make_console
from gestaltgen.cli.error_messages import ReportingGroup
from gestaltgen.cli.progress import ConsoleProgress

TRAINING_SEED: Final = 701
TEST_SEED: Final = 702

app = typer.Typer(
    cls=ReportingGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Train and test the networks that read a phantom's condition, age, smile, identity and landmarks from its "
    "picture.",
)
_console = make_console()
_progress = ConsoleProgress(_console)


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="File to write.", dir_okay=False)] = Path("oracle.safetensors"),
    folder: Annotated[Path, typer.Option(help="Folder for phantoms; those that are there are used again.")] = Path(
        "data"
    ),
    phantoms: Annotated[int, typer.Option(help="Number of phantoms to train on.", min=64)] = 12_000,
    seed: Annotated[
        int, typer.Option(help="Seed of these phantoms; generators are trained on seed 0.")
    ] = TRAINING_SEED,
    test_phantoms: Annotated[int, typer.Option(help="Number of phantoms to measure on.", min=20)] = 3_000,
    test_seed: Annotated[
        int, typer.Option(help="Seed of these; a different one, so that they are other people.")
    ] = TEST_SEED,
    epochs: Annotated[
        int, typer.Option(help="Number of times that each phantom is shown.", min=1)
    ] = OracleTrainingConfig().epochs,
    workers: Annotated[int, typer.Option(help="Number of processes that draw phantoms.", min=1)] = 2,
    threads: Annotated[int | None, typer.Option(help="Number of CPU threads for training.", min=1)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and stop.")] = False,
) -> None:
    """Train the oracle on phantoms of its own seed, and measure it on others.

    Takes minutes on a CPU: on one core, about a minute to draw 3,000 phantoms, and a minute to train on 20,000. The
    same command gives the same oracle on the same machine. Its figures are stored in the file.
    """
    if seed == test_seed:
        raise DatasetError(f"--seed and --test-seed are both {seed}; expected two, or the test is no test")
    config = OracleTrainingConfig(epochs=epochs)
    sets = {
        (phantoms, seed): _phantoms_path(folder, phantoms, seed),
        (test_phantoms, test_seed): _phantoms_path(folder, test_phantoms, test_seed),
    }
    for (count, number), path in sets.items():
        state = "is there" if path.exists() else "will be drawn"
        _say(f"{count} phantoms of {SIDE} px, seed {number}: {path} {state}")
    _say(f"{epochs} epochs in batches of {config.batch}; writes {out}")
    if dry_run:
        return
    if threads is not None:
        torch.set_num_threads(threads)
    for (count, number), path in sets.items():
        if not path.exists():
            with _progress.bar("drawing", count) as step:
                synthesise(path, count=count, size=SIDE, seed=number, workers=workers, on_progress=step)
    learning, testing = sets.values()
    with Dataset.open(learning) as data:
        images, truth = data.images(), read_truth(data)
    began = time.process_time()
    with _progress.bar("training", config.epochs * (len(images) // config.batch)) as step:
        oracle = train_oracle(images, truth, config, on_progress=lambda done, of, loss: step(done))
    minutes = (time.process_time() - began) / 60
    figures = measure_oracle(oracle, testing, test_seed, progress=_progress)
    origin = (
        f"trained on {phantoms} phantoms of seed {seed} for {epochs} epochs, "
        f"{minutes:.1f} CPU minutes; measured on {test_phantoms} of seed {test_seed}"
    )
    oracle_file.save(out, oracle, figures=figures, origin=origin)
    _print_figures(figures, f"{out}, {os.path.getsize(out) / 1e6:.1f} MB")


@app.command("test")
def measure_on(
    data: Annotated[Path, typer.Argument(help="Data set of `gestaltgen dataset phantoms`, of a seed of its own.")],
    oracle: Annotated[Path | None, typer.Option(help="File of the oracle. Default: the shipped one.")] = None,
    ageing_seed: Annotated[int, typer.Option(help="Seed of the people who are drawn at five ages.")] = TEST_SEED,
) -> None:
    """Measure an oracle on phantoms that it has not seen.

    Example: gestaltgen dataset phantoms unseen.zip --count 1000 --size 128 --seed 704, then
    gestaltgen oracle test unseen.zip
    """
    path = oracle or shipped.oracle()
    net, info = oracle_file.load(path)
    _print_figures(measure_oracle(net, data, ageing_seed, progress=_progress), f"{path}: {info.origin}")


@app.command()
def train_landmarks(
    data: Annotated[Path, typer.Argument(help="Data set of `gestaltgen dataset phantoms` of 128 px to learn from.")],
    test: Annotated[Path, typer.Option(help="Another data set, of another seed, to measure on.")],
    out: Annotated[Path, typer.Option(help="File to write.", dir_okay=False)] = Path("landmarks.safetensors"),
    epochs: Annotated[int, typer.Option(help="Number of times that each phantom is shown.", min=1)] = 10,
    threads: Annotated[int | None, typer.Option(help="Number of CPU threads.", min=1)] = None,
) -> None:
    """Train the network that finds the landmarks of phantoms; dlib's network misplaces their mouths.

    Example: gestaltgen dataset phantoms learn.zip --count 24000 --size 128 --seed 703, gestaltgen dataset phantoms
    test.zip --count 1000 --size 128 --seed 704, then gestaltgen oracle train-landmarks learn.zip --test test.zip
    """
    if threads is not None:
        torch.set_num_threads(threads)
    config = OracleTrainingConfig(epochs=epochs)
    images, points, _ = load_landmarks(data)
    with _progress.bar("training", config.epochs * (len(images) // config.batch)) as step:
        network = landmark_training.train_landmarks(
            images, points, config, on_progress=lambda done, of, loss: step(done)
        )
    unseen, true, smile = load_landmarks(test)
    figures = landmark_training.measure(network.find(unseen), true, smile)
    origin = f"trained on {len(images)} phantoms of {data.name} for {epochs} epochs; measured on {len(unseen)} others"
    landmark_network.save(out, network, figures=figures, origin=origin)
    table = Table("on unseen phantoms", box=box.SIMPLE)
    table.add_column(str(figures["phantoms"]), justify="right")
    table.add_row("mean error of a landmark, pixels", f"{figures['error_px']:.2f}")
    table.add_row("  of those of the mouth", f"{figures['error_mouth_px']:.2f}")
    table.add_row("smile, correlation with what was drawn", f"{figures['smile_correlation']:.3f}")
    table.add_row("  with the true landmarks", f"{figures['smile_correlation_of_true_landmarks']:.3f}")
    _say(f"{out}, {os.path.getsize(out) / 1e6:.1f} MB")
    _console.print(table)


def _phantoms_path(folder: Path, count: int, seed: int) -> Path:
    return folder / f"oracle-phantoms{SIDE}-seed{seed}-{count}.zip"


def _print_figures(figures: dict[str, Any], title: str) -> None:
    table = Table("on unseen phantoms", box=box.SIMPLE)
    table.add_column(str(figures["phantoms"]), justify="right")
    table.add_row("condition read right", f"{figures['condition_accuracy']:.1%}")
    table.add_row("age group read right", f"{figures['age_group_accuracy']:.1%}")
    near = f"  within a tenth of a border ({figures['phantoms_near_border']})"
    table.add_row(near, f"{figures['age_group_accuracy_near_border']:.1%}")
    table.add_row("mean error of the age, years", f"{figures['age_error_years']:.2f}")
    table.add_row("mean error of the smile", f"{figures['smile_error']:.3f}")
    table.add_row("identity, variance explained", f"{np.mean(figures['identity_r2']):.2f}")
    drifting = figures["identity_drift"]
    title_of_drift = f"identity, drift over ages / spread ({drifting['people']} people)"
    table.add_row(title_of_drift, f"{drifting['ratio']:.3f}")
    table.add_row("  with entries that not every age shows", f"{drifting['ratio_of_all_entries']:.3f}")
    _say(title)
    _console.print(table)


def _say(text: str) -> None:
    _console.print(text, markup=False, soft_wrap=True)
