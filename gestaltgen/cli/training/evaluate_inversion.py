"""`gestaltgen evaluate-inversion`: an inverter on held-out faces, method by method."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
import typer
from rich.table import Table

import weights as shipped
from core.atomic_files import write_file
from core.errors import ConfigError
from core.precision import resolve_precision
from faces.contact_sheets import contact_sheet
from faces.datasets.dataset import Dataset
from faces.detect import FaceDetector
from faces.images import Pixels, encode_png, to_tensor, to_uint8
from faces.measures.descriptors import FaceDescriber
from faces.oracle import attribute_network as oracle_file
from faces.phantoms.phantom_dataset import fresh_phantoms, is_phantoms
from gen import checkpoint
from gestaltgen.cli.console import make_console
from gestaltgen.cli.options import PrecisionOption, likeness
from gestaltgen.cli.progress import stepping_bar
from inversion import inverter_file
from inversion.evaluation import Invert, Measured, MethodFigures, fast_methods, measure, slow_methods
from inversion.quality import Judge, QualityLimits

SEED: Final = 705
"""Of the phantoms that are drawn to measure by; no training draws from it."""

NOTICE: Final = "Reconstructions are edited images, and no basis for a diagnosis."
_SHOWN: Final = 8
_console = make_console()


def evaluate_inversion(
    inverter: Annotated[Path, typer.Argument(help="Trained inverter.")],
    data: Annotated[
        Path | None, typer.Option(help="Data set of faces kept out of training; unset draws phantoms for the purpose.")
    ] = None,
    generator: Annotated[
        Path | None, typer.Option(help="Checkpoint that it belongs to; unset takes the shipped one.")
    ] = None,
    discriminator: Annotated[
        Path | None, typer.Option(help="Its discriminator, whose features measure likeness; unset: as shipped.")
    ] = None,
    count: Annotated[int, typer.Option(help="Faces.", min=20)] = 300,
    optimised: Annotated[int, typer.Option(help="Faces that are also inverted by optimisation.", min=0)] = 8,
    steps: Annotated[int, typer.Option(help="Of each part of an optimisation.", min=1)] = 300,
    passes: Annotated[int, typer.Option(help="Of the hypernetwork, at most.", min=1)] = 5,
    described: Annotated[
        int, typer.Option(help="Faces whose dlib descriptors are compared, half a second each.", min=0)
    ] = 100,
    precision: PrecisionOption = "auto",
    write_limits: Annotated[
        bool,
        typer.Option("--write-limits", help="Store in INVERTER what held-out faces reach: the limits of verdicts."),
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for inversion.json and inversion.png.")] = Path("evaluation"),
    threads: Annotated[int | None, typer.Option(help="CPU threads.", min=1)] = None,
) -> None:
    """Measure an inverter: encoder alone, 1 to PASSES passes, and optimisation, on the same held-out faces.

    Likeness is L2, MS-SSIM, the distance of the discriminator's features and the cosine of dlib's descriptors. Of
    phantoms the oracle tells whether condition, age group and smile are kept. Optimisation is in float32 always.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    source = generator or shipped.default()
    net = checkpoint.load_generator(source).requires_grad_(False)
    perceptual = likeness(discriminator, source, net)
    trained = inverter_file.load(inverter, net)
    settled, limits = resolve_precision(precision, "cpu"), trained.judge.limits
    trained.judge = Judge()  # what is measured below does not count into the time of a method
    faces, about, phantoms = _faces(data, count, net.config.resolution)
    oracle = oracle_file.load(shipped.oracle())[0] if phantoms else None
    judge = Judge(perceptual, FaceDescriber(FaceDetector()) if described else None, limits)

    def measured_with(methods: Mapping[str, Invert], faces: torch.Tensor) -> Iterator[Measured]:
        for name, invert in methods.items():
            with stepping_bar(_console, name, len(faces)) as step:
                yield measure(name, invert, faces, judge, oracle, step, described)

    measured = list(measured_with(fast_methods(trained, passes, settled), faces))
    if optimised:
        measured += measured_with(slow_methods(net, steps, perceptual), faces[:optimised])
    last = measured[passes]
    report = {
        "inverter": inverter.name,
        "faces": about,
        "steps_of_optimisation": steps,
        "threads": torch.get_num_threads(),
        "precision": settled,
        "methods": [asdict(method.figures) for method in measured],
    }
    write_file(out / "inversion.png", encode_png(_sheet(faces, measured)))
    write_file(out / "inversion.json", json.dumps(report, indent=1).encode())
    _console.print(_table([method.figures for method in measured]))
    if write_limits:
        info = inverter_file.read_info(inverter)
        inverter_file.save(
            inverter, trained, replace(info, limits=QualityLimits.of(last.quality), figures=_as_figures(last, about))
        )
        _console.print(f"limits of {last.figures.name} on {about} are stored in {inverter}", soft_wrap=True)
    _console.print(f"report in {out}. {NOTICE}", soft_wrap=True)


def _faces(data: Path | None, count: int, side: int) -> tuple[torch.Tensor, str, bool]:
    """Faces (n, 3, side, side), what they are, and whether they are phantoms."""
    if data is None:
        drawn = np.concatenate(list(fresh_phantoms(count, side, SEED)))
        return to_tensor(drawn), f"{count} phantoms drawn for the purpose", True
    with Dataset.open(data) as dataset:
        if dataset.size != side:
            raise ConfigError(f"{data} is of {dataset.size} px; expected {side}, the generator's size")
        images = np.stack([dataset.image(index) for index in range(min(len(dataset), count))])
        return to_tensor(images), f"{len(images)} of {data.name}", is_phantoms(dataset)


def _as_figures(method: Measured, about: str) -> dict[str, Any]:
    return {"held_out": about, "precision": method.figures.precision, **method.figures.means}


def _sheet(faces: torch.Tensor, measured: list[Measured]) -> Pixels:
    shown = min(_SHOWN, *(len(method.reconstructions) for method in measured))
    columns = [to_uint8(faces[:shown]), *(to_uint8(method.reconstructions[:shown]) for method in measured)]
    titles = ["face", *(method.figures.name for method in measured)]
    rows = [[column[row] for column in columns] for row in range(shown)]
    return contact_sheet(rows, column_titles=titles, footer=NOTICE)


def _table(figures: list[MethodFigures]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("method", "faces", "L2", "MS-SSIM", "features", "identity", "condition", "age", "smile", "s/face"):
        table.add_column(title, justify="left" if title == "method" else "right")
    for one in figures:
        means = [_three(one.means.get(name)) for name in ("l2", "ms_ssim", "perceptual", "identity")]
        kept = one.kept
        alike = ["", "", ""] if kept is None else [f"{kept.condition:.1%}", f"{kept.age_group:.1%}", _three(kept.smile)]
        table.add_row(one.name, str(one.faces), *means, *alike, f"{one.seconds:.2f}")
    return table


def _three(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
