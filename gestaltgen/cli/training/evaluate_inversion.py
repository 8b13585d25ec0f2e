"""`gestaltgen evaluate-inversion`: an inverter, or pivotal tuning, on held-out faces, method by method."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.table import Table

import weights as shipped
from core.atomic_files import write_file
from core.precision import Precision, resolve_precision
from core.progress import stepping_bar
from faces.detect import FaceDetector
from faces.images import encode_png
from faces.measures.descriptors import FaceDescriber
from faces.measures.judges import Judges
from faces.oracle import attribute_network as oracle_file
from gen import checkpoint
from gen.networks import Generator
from gestaltgen.cli.console import make_console
from gestaltgen.cli.options import PrecisionOption, load_discriminator_distance, set_threads
from gestaltgen.cli.progress import ConsoleProgress
from inversion import inverter_file
from inversion.evaluation import (
    NOTICE,
    HeldOutFaces,
    Invert,
    MethodFigures,
    MethodResult,
    load_held_out,
    make_fast_methods,
    make_sheet,
    make_slow_methods,
    measure,
)
from inversion.inverter import Inverter
from inversion.methods import PROJECTION_STEPS, TUNING_STEPS, InversionMethod, Method
from inversion.quality import FLOORS, Judge, QualityLimits, read_tuning_limits
from inversion.similarity import Perceptual

_console = make_console()
_progress = ConsoleProgress(_console)


def evaluate_inversion(
    inverter: Annotated[
        Path | None, typer.Argument(help="Trained inverter. Without one, pivotal tuning with GENERATOR is measured.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Data set of faces kept out of training. Default: new phantoms.")
    ] = None,
    generator: Annotated[
        Path | None, typer.Option(help="Checkpoint of its generator. Default: the shipped one.")
    ] = None,
    discriminator: Annotated[
        Path | None,
        typer.Option(help="Its discriminator, whose features measure likeness. Default: the shipped one, if any."),
    ] = None,
    count: Annotated[int, typer.Option(help="Number of faces.", min=20)] = 300,
    optimised: Annotated[int, typer.Option(help="Number of faces that are also inverted by optimisation.", min=0)] = 8,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Number of steps in each part of an optimisation. Default: 300, without INVERTER those of `invert`.",
            min=1,
        ),
    ] = None,
    passes: Annotated[int, typer.Option(help="Number of passes of the hypernetwork.", min=1)] = 5,
    described: Annotated[
        int, typer.Option(help="Number of faces whose dlib descriptors are compared, half a second each.", min=0)
    ] = 100,
    precision: PrecisionOption = "auto",
    write_limits: Annotated[
        bool,
        typer.Option(
            "--write-limits", help="Store the limits of verdicts, from these faces, in INVERTER, or else in GENERATOR."
        ),
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for inversion.json and inversion.png.")] = Path("evaluation"),
    threads: Annotated[int | None, typer.Option(help="Number of CPU threads.", min=1)] = None,
) -> None:
    """Measure an inverter: encoder alone, 1 to PASSES passes, and optimisation, on the same held-out faces.

    Without an inverter, pivotal tuning is measured, as `gestaltgen invert` does it.

    Likeness is L2, MS-SSIM, the distance of the discriminator's features and the cosine of dlib's descriptors. The
    oracle reads from phantoms whether condition, age group and smile are kept. Optimisation always computes in float32.
    """
    set_threads(threads)
    source = generator or shipped.default()
    net = checkpoint.load_generator(source).requires_grad_(False)
    perceptual = load_discriminator_distance(discriminator, source, net)
    trained = None if inverter is None else inverter_file.load(inverter, net)
    limits = read_tuning_limits(source) if trained is None else trained.judge.limits
    settled: Precision = "float32" if trained is None else resolve_precision(precision, "cpu")
    held_out = load_held_out(data, count, net.config.resolution)
    faces, about = held_out.faces, held_out.description
    oracle = oracle_file.load(shipped.oracle())[0] if held_out.phantoms else None
    judge = _make_judge(held_out, perceptual, limits, describe=described > 0)

    def measure_methods(methods: Mapping[str, Invert], faces: torch.Tensor) -> Iterator[MethodResult]:
        for name, invert in methods.items():
            with stepping_bar(_progress, name, len(faces)) as step:
                yield measure(name, invert, faces, judge, oracle, step, described)

    if trained is None:
        tuning = InversionMethod(net, None, Judge(perceptual), Method.PTI, steps=steps)
        measured = list(measure_methods({"PTI": tuning}, faces))
    else:
        trained.judge = Judge()  # what is measured below does not count into the time of a method
        measured = list(measure_methods(make_fast_methods(trained, passes, settled), faces))
    last = measured[-1]
    if trained is not None and optimised:
        measured += measure_methods(make_slow_methods(net, steps or PROJECTION_STEPS, perceptual), faces[:optimised])
    report = {
        "inverter": None if inverter is None else inverter.name,
        "generator": source.name,
        "faces": about,
        "steps_of_optimisation": steps or (TUNING_STEPS if trained is None else PROJECTION_STEPS),
        "threads": torch.get_num_threads(),
        "precision": settled,
        "methods": [asdict(method.figures) for method in measured],
    }
    write_file(out / "inversion.png", encode_png(make_sheet(faces, measured)))
    write_file(out / "inversion.json", json.dumps(report, indent=1).encode())
    _console.print(_make_table([method.figures for method in measured]))
    if write_limits:
        if inverter is None or trained is None:
            _store_tuning_limits(source, net, last)
        else:
            _store_limits(inverter, trained, last, about)
        _console.print(f"limits of {last.figures.name} on {about} are stored in {inverter or source}", soft_wrap=True)
    _console.print(f"report in {out}. {NOTICE}", soft_wrap=True)


def _make_judge(
    held_out: HeldOutFaces, perceptual: Perceptual | None, limits: QualityLimits | None, *, describe: bool
) -> Judge:
    """Make the judge of the faces; floors and independent judges are for photographs alone."""
    look = FaceDescriber(FaceDetector()).look if describe else None
    floors, judges = (None, None) if held_out.phantoms else (FLOORS, Judges())
    return Judge(perceptual, look, limits, floors, None if judges is None else judges.read)


def _store_tuning_limits(generator: Path, net: Generator, measured: MethodResult) -> None:
    """Store the limits of verdicts on pivotal tuning in the generator's file."""
    limits = QualityLimits.of(measured.quality).to_json()
    checkpoint.save(generator, net, **checkpoint.read_info(generator).header | {"tuning_limits": limits})


def _store_limits(inverter: Path, trained: Inverter, measured: MethodResult, about: str) -> None:
    """Store the limits of verdicts on an inverter in its file, with the figures of the last method."""
    figures = {"held_out": about, "precision": measured.figures.precision, **measured.figures.means}
    info = replace(inverter_file.read_info(inverter), limits=QualityLimits.of(measured.quality), figures=figures)
    inverter_file.save(inverter, trained, info)


def _make_table(figures: list[MethodFigures]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("method", "faces", "L2", "MS-SSIM", "features", "identity", "condition", "age", "smile", "s/face"):
        table.add_column(title, justify="left" if title == "method" else "right")
    for one in figures:
        means = [_format_number(one.means.get(name)) for name in ("l2", "ms_ssim", "perceptual", "identity")]
        kept = one.kept
        alike = (
            ["", "", ""]
            if kept is None
            else [f"{kept.condition:.1%}", f"{kept.age_group:.1%}", _format_number(kept.smile)]
        )
        table.add_row(one.name, str(one.faces), *means, *alike, f"{one.seconds:.2f}")
    return table


def _format_number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
