"""`gestaltgen classify …`: train classifiers on real and synthetic faces, and measure what the synthetic ones add."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer
from rich import box
from rich.table import Table

from core.errors import ConfigError
from gestaltgen.cli.console import make_console
from gestaltgen.cli.error_messages import ReportingGroup
from gestaltgen.cli.options import device_named, pairs
from gestaltgen.cli.progress import ConsoleProgress
from recognition.config import TrainingConfig
from recognition.images.leakage import TrainingRecord
from recognition.images.samples import Samples, real_samples
from recognition.networks.architectures import SMALL
from recognition.presets import PRESETS, Preset
from recognition.presets import preset as preset_named
from recognition.results.expression_probe import CHANGES, SMILES, Probe, first_of_each
from recognition.results.expression_probe import probe as probe_with
from recognition.results.report import NOTICE, Report, measured
from recognition.results.report import report as write_report
from recognition.runs.run_files import RunFiles, hashed, named_paths, named_predictions, recorded_requests
from recognition.statistics import Accuracy, Interval, Sampling

app = typer.Typer(
    cls=ReportingGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Train classifiers of conditions on real and synthetic faces, and measure them. No basis for a diagnosis.",
)
_console = make_console(soft_wrap=True)
_progress = ConsoleProgress(_console)

SERVICE: Final = "http://127.0.0.1:8000"
_SIDE_BY_SIDE: Final = 3  # so many runs fit 80 columns
_SYNTHETIC: Final = "Synthetic images"
_TRAINING: Final = "Training"
_TEST: Final = "Test"

Device = Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU where there is one.")]
Unknown = Annotated[
    bool,
    typer.Option(
        "--unknown-training-images",
        help="Measure although it is not known what the generator was trained on; the report says so.",
        rich_help_panel=_TEST,
    ),
]
Resamples = Annotated[int, typer.Option(help="Bootstrap samples of the persons, for intervals.")]
Permutations = Annotated[int, typer.Option(help="Sign patterns of the permutation test by person.")]
Seed = Annotated[int, typer.Option(help="Of bootstrap and permutations.")]


@app.command()
def train(
    real: Annotated[
        Path, typer.Option(help="Data set to learn from, with person and condition of every face: folder or zip.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run; a run that is there goes on.")] = Path(
        "runs/classifier"
    ),
    test: Annotated[
        Path | None,
        typer.Option(help="Data set to measure on: persons that nothing was trained on.", rich_help_panel=_TEST),
    ] = None,
    unknown_training_images: Unknown = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="A fold counts for a face if its largest probability reaches this, 0: always; unset: the preset's.",
            rich_help_panel=_TEST,
        ),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="Add an image set of this kind: unrelated, age_related, age_progression or blended.",
            rich_help_panel=_SYNTHETIC,
        ),
    ] = None,
    set_from: Annotated[
        Path | None,
        typer.Option(help="Instead: add the very image sets of another run, by this run.", rich_help_panel=_SYNTHETIC),
    ] = None,
    service: Annotated[
        str,
        typer.Option(help="Service that makes it; its key is taken from GESTALTGEN_KEY.", rich_help_panel=_SYNTHETIC),
    ] = SERVICE,
    model: Annotated[
        str | None,
        typer.Option(
            help="Generator of the service; unset: its first; as `fold-{fold}`: of each fold its own, see `folds`.",
            rich_help_panel=_SYNTHETIC,
        ),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(help="Repeatable; unset takes every affected one.", rich_help_panel=_SYNTHETIC),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            help="Persons per condition (unrelated, blended: images per age); unset: as the generator's training "
            "images, as in the study.",
            rich_help_panel=_SYNTHETIC,
        ),
    ] = None,
    counts_from: Annotated[
        Path | None,
        typer.Option(help="Instead: as the images of this data set, as in the study.", rich_help_panel=_SYNTHETIC),
    ] = None,
    truncation: Annotated[
        float | None,
        typer.Option(help="0 is the average face, 1 full variety; unset: 0.6.", rich_help_panel=_SYNTHETIC),
    ] = None,
    blend: Annotated[
        float | None,
        typer.Option(
            help="blended: weight of the first condition, 0.55 or 0.75 in the study.", rich_help_panel=_SYNTHETIC
        ),
    ] = None,
    set_seed: Annotated[
        int, typer.Option(help="Another seed, other synthetic persons.", rich_help_panel=_SYNTHETIC)
    ] = 0,
    synthetic_only: Annotated[
        bool,
        typer.Option(
            "--synthetic-only",
            help="Learn from synthetic images alone, the unaffected too; real ones still choose the best epoch.",
            rich_help_panel=_SYNTHETIC,
        ),
    ] = False,
    preset: Annotated[
        str,
        typer.Option(help=f"Network and training: {', '.join(PRESETS)}; see `presets`.", rich_help_panel=_TRAINING),
    ] = "small",
    network: Annotated[
        str | None,
        typer.Option(help="small, resnet50 or efficientnet-b4; unset: the preset's.", rich_help_panel=_TRAINING),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Side in pixels to which faces are resized; unset: the preset's.", rich_help_panel=_TRAINING),
    ] = None,
    backbone: Annotated[
        Path | None,
        typer.Option(
            help="Weights that resnet50 or efficientnet-b4 begins with: .safetensors.", rich_help_panel=_TRAINING
        ),
    ] = None,
    folds: Annotated[
        int, typer.Option(help="Parts of the data set, persons kept together; a classifier for each.", min=2)
    ] = 5,
    seeds: Annotated[
        int, typer.Option(help="Ensembles, which differ by the seed of the training; more can be added later.", min=1)
    ] = 1,
    fold_seed: Annotated[int, typer.Option(help="Of the split into folds.", rich_help_panel=_TRAINING)] = 0,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Vary the preset, as epochs=10, class_weights=balanced.", rich_help_panel=_TRAINING),
    ] = None,
    device: Device = "auto",
    threads: Annotated[
        int | None,
        typer.Option(help="CPU threads; unset: 1 for small, which gains nothing from more, else all.", min=1),
    ] = None,
) -> None:
    """Train classifiers in folds, add synthetic images to what they learn, and measure them on a test set.

    The same command goes on with a run that was stopped or killed, an interrupted download included. Nothing is
    measured on an image, or on a person, that a classifier or the generator was trained on.

    Real images only, then with an age progression of the service, and what the difference is:

    - `gestaltgen classify train --real faces.zip --test unseen.zip --out runs/real`

    - `gestaltgen classify train --real faces.zip --test unseen.zip --augment age_progression --out runs/progression`

    - `gestaltgen classify report runs/real runs/progression --out report`

    The folder gets a classifier for each seed and fold, predictions/, and report/report.html.
    """
    from recognition.runs import set_requests
    from recognition.runs import training_run as work

    began, where = time.monotonic(), device_named(device)
    chosen = preset_named(preset)
    asked = _request(augment, model, condition, count, truncation, blend, set_seed)
    if asked is not None and set_from is not None:
        raise ConfigError("--augment and --set-from are both named; expected one of them")
    if asked is None and counts_from is not None:
        raise ConfigError("--counts-from counts synthetic images; name their kind too: --augment age_progression")
    if count is not None and counts_from is not None:
        raise ConfigError("--count and --counts-from are both named; expected one of them")
    if synthetic_only and asked is None and set_from is None:
        raise ConfigError("--synthetic-only, and no synthetic images; name their kind: --augment age_progression")
    classes, left_out = work.classes_of(real, _progress)
    if set_from is not None:
        requests = recorded_requests(set_from, folds, fold_seed)
    elif asked is not None:
        asked = set_requests.request_for(asked, classes, left_out=left_out, every_class=synthetic_only)
        counts = None
        if counts_from is not None:
            counted = asked.conditions or set_requests.affected(classes)
            counts = set_requests.counts_of(counts_from, asked.kind, counted, classes)
        requests = set_requests.for_folds(set_requests.requests_of(asked, counts), folds)
    else:
        requests = {}
    limit = chosen.threshold if threshold is None else threshold
    plan = work.Plan(
        real=real,
        config=_config(chosen, classes, network, size, set_ or []),
        folds=folds,
        fold_seed=fold_seed,
        requests=requests,
        real_faces=not synthetic_only,
        backbone=backbone,
        classes=classes,
    )
    if threads is not None or plan.config.network == SMALL:
        torch.set_num_threads(threads or 1)
    files = RunFiles(out)
    files.begin(plan.to_json())
    unseen = None if test is None else real_samples(test, classes)

    def check(faces: Samples, seen: TrainingRecord) -> None:
        if unseen is not None:
            persons = hashed(work.persons_of(faces))
            work.check_unseen(unseen, seen, persons, unknown_allowed=unknown_training_images, progress=_progress)

    material = work.gather(plan, files, service, check, _progress)
    files.store_seen(material.seen, work.persons_of(material.real))
    files.tell("sets", dict(material.sets))
    files.tell("threshold", limit)
    stop = work.train_all(plan, files, material, seeds, where, _progress)
    _tell_waiting(material.waiting_s, time.monotonic() - began, bool(requests))
    if stop.signal is not None:
        _console.print(f"stopped by {stop.signal.name}; the same command goes on")
        raise typer.Exit(128 + stop.signal)
    if unseen is None:
        _console.print(f"done: classifiers in {out}; measure them: gestaltgen classify predict {out} --test DATASET")
        return
    said = work.predict_all(files, unseen, files.predictions, where, limit, _progress)
    about = work.about(files, test=test, unknown=material.seen.unknown, threshold=limit)
    found = write_report({out.resolve().name: said}, files.report, about=about)
    _show(found)
    _console.print(f"look at {files.report / 'report.html'}")


@app.command("folds")
def folds_(
    real: Annotated[Path, typer.Option(help="Data set that the classifiers are to learn from.")],
    out: Annotated[Path, typer.Option(help="Folder for the lists.")] = Path("runs/folds"),
    folds: Annotated[int, typer.Option(help="As of the classifiers.", min=2)] = 5,
    fold_seed: Annotated[int, typer.Option(help="As of the classifiers.")] = 0,
) -> None:
    """Write the persons of each fold, who are not to be shown to that fold's generator.

    A generator that was trained on all real faces knows those that choose the epochs of the classifiers. Train one for
    each fold, serve them under names that end in the fold's number, and name them so:

    - `gestaltgen train faces.zip --exclude runs/folds/fold-0.txt --out runs/generator-0`, and so on; with `--from` and
      `--images`, from a generator of other people in so many images

    - `gestaltgen serve --models models --without-keys`, with `models/fold-0.safetensors`, and so on

    - `gestaltgen classify train --real faces.zip --augment unrelated --model "fold-{fold}"`
    """
    from recognition.runs import training_run as work

    classes, _ = work.classes_of(real, _progress)
    lists = work.write_folds(real_samples(real, classes), real.name, out, folds, fold_seed)
    for path, faces in lists.items():
        persons = len(work.persons_of(faces))
        _console.print(f"{path}: {persons} persons, {len(faces)} images")
    _console.print(
        f"next, for each: gestaltgen train {real} --exclude {next(iter(lists))} --out RUN; then the classifiers with "
        f"--folds {folds} --fold-seed {fold_seed}"
    )


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    test: Annotated[Path, typer.Option(help="Data set to measure on: persons that nothing was trained on.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the predictions, one CSV a seed; unset: RUN/predictions.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="A fold counts for a face if its largest probability is at least this; unset: as trained."),
    ] = None,
    unknown_training_images: Unknown = False,
    device: Device = "auto",
) -> None:
    """Say what a run's classifiers take the faces of a test set for: the mean of the folds, for each seed.

    Refused where an image or a person of the test set was seen by the classifiers or by the generator of their images.
    """
    from recognition.runs import training_run as work

    files = RunFiles(run)
    known = files.read()
    classes, limit = tuple(known["asked"]["classes"]), known.get("threshold") if threshold is None else threshold
    seen, persons = files.read_seen()
    unseen = real_samples(test, classes)
    work.check_unseen(unseen, seen, persons, unknown_allowed=unknown_training_images, progress=_progress)
    folder = out or files.predictions
    said = work.predict_all(files, unseen, folder, device_named(device), limit, _progress)
    undecided = f", {said.undecided.mean():.1%} undecided" if said.undecided.any() else ""
    _console.print(f"{said.correct.mean():.1%} right{undecided} of {len(said)} predictions in {folder}")
    _console.print(NOTICE)
    _console.print(f"next: gestaltgen classify report {folder} --out report")


@app.command()
def report(
    runs: Annotated[
        list[str], typer.Argument(help="PATH or NAME=PATH each: a run, its predictions, or a CSV of them.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("report"),
    baseline: Annotated[
        str | None, typer.Option(help="Name of the run that the others are compared to; unset: the first.")
    ] = None,
    resamples: Resamples = 2000,
    permutations: Permutations = 10_000,
    seed: Seed = 0,
) -> None:
    """Write what runs reached on one test set: tables, report.json and a page with plots, report.html.

    All must have been measured on the same images. Intervals and tests treat persons, not images, as what was drawn.

    Example: gestaltgen classify report real=runs/real "+ progression=runs/progression" --out report
    """
    found = named_predictions(runs)
    first = baseline or (next(iter(found)) if len(found) > 1 else None)
    sampling = Sampling(resamples, permutations, seed=seed)
    with _console.status("measuring"):
        _show(written := write_report(found, out, baseline=first, sampling=sampling, about={"runs": list(runs)}))
    if written.comparisons:
        _show_comparisons(written)
    _console.print(f"look at {out / 'report.html'}")


@app.command()
def compare(
    baseline: Annotated[str, typer.Argument(help="PATH or NAME=PATH: a run, its predictions, or a CSV of them.")],
    runs: Annotated[list[str], typer.Argument(help="What to compare to it, in the same form.")],
    resamples: Resamples = 2000,
    permutations: Permutations = 10_000,
    seed: Seed = 0,
) -> None:
    """Test whether runs differ from a baseline on the same images: over all, and for each condition.

    The difference of the accuracies with its interval, the permutation test by person, and McNemar's exact test, both
    after Holm's correction: over the runs for all images, over runs and conditions for the conditions.
    """
    found = named_predictions([baseline, *runs])
    sampling = Sampling(resamples, permutations, seed=seed)
    _show_comparisons(measured(found, baseline=next(iter(found)), sampling=sampling))
    _console.print(NOTICE)


@app.command()
def probe(
    runs: Annotated[list[str], typer.Argument(help="PATH or NAME=PATH each: folders of runs, the control first.")],
    faces: Annotated[Path, typer.Option(help="Data set of aligned faces that nothing was trained on.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures and the result.")] = Path("runs/probe"),
    each: Annotated[int, typer.Option(help="Faces of each condition, the first; about two seconds each.", min=2)] = 12,
    service: Annotated[str, typer.Option(help="Service that edits; its key is taken from GESTALTGEN_KEY.")] = SERVICE,
    model: Annotated[str | None, typer.Option(help="Model of the service; unset takes its first.")] = None,
) -> None:
    """Ask whether classifiers go by the expression: edit unseen faces both ways, and see what they say then.

    For each condition, how the probability of the true condition changes, paired by face. An edit changes more than the
    expression; so name first, as a control, a run on faces whose expression says nothing, and look at what another
    run does beyond it on the same pictures.

    Example: gestaltgen classify probe balanced=runs/balanced mine=runs/mine --faces unseen.zip
    """
    from gestaltgen.cli.progress import stepping_bar
    from recognition.ensemble import Ensemble
    from recognition.runs import training_run as work

    folders = named_paths(runs)
    classes = tuple(RunFiles(next(iter(folders.values()))).read()["asked"]["classes"])
    ensembles = {name: Ensemble.open(folder) for name, folder in folders.items()}
    chosen = first_of_each(real_samples(faces, classes), each)
    with work.connected(service) as client, stepping_bar(_console, "editing", len(chosen)) as step:
        found = probe_with(ensembles, chosen, client, out, model=model, on_face=lambda: step(1))
    _show_effects(found)
    for key, reason in found.left_out.items():
        _console.print(f"left out: face {key[:12]}: {reason}", markup=False)
    _console.print(f"look at {out / 'sheet.png'}: a face a row, as sent, reconstructed, {', '.join(SMILES)}")


@app.command()
def presets() -> None:
    """Say what each preset is, and where what a study printed and what its code does differ."""
    for name, known in PRESETS.items():
        _console.print(f"[bold]{name}[/]")
        _console.print(f"  {known.about}\n", markup=False)


def _request(
    kind: str | None,
    model: str | None,
    conditions: Sequence[str] | None,
    count: int | None,
    truncation: float | None,
    blend: float | None,
    seed: int,
) -> Any:
    """The image set that options describe; None without one.

    Raises:
        ConfigError: options of an image set, and no kind.
    """
    from recognition.images.pulled_sets import SetRequest

    given: dict[str, Any] = {"model": model, "count": count, "truncation": truncation, "blend": blend}
    if kind is None:
        named = [f"--{name}" for name, value in given.items() if value is not None] + ["--condition"] * bool(conditions)
        if named:
            raise ConfigError(f"{named[0]} describes synthetic images; name their kind too: --augment age_progression")
        return None
    if blend is not None and kind != "blended":
        raise ConfigError(f"--blend is for --augment blended; leave it out for {kind}")
    return SetRequest(kind, conditions=tuple(conditions) if conditions else None, seed=seed or None, **given)


def _config(
    chosen: Preset, classes: Sequence[str], network: str | None, size: int | None, settings: Sequence[str]
) -> TrainingConfig:
    """A preset's training as options vary it.

    Raises:
        ConfigError: a setting that is unknown, or whose value makes no sense.
    """
    config = chosen.for_classes(classes)
    values: dict[str, Any] = {
        name: value for name, value in (("network", network), ("size", size)) if value is not None
    }
    known = {field.name for field in dataclasses.fields(TrainingConfig)} - {"seed"}
    for name, text in pairs(settings).items():
        if name not in known:
            raise ConfigError(f"--set {name}={text}: no such setting; expected one of {', '.join(sorted(known))}")
        values[name] = _value(name, text, getattr(config, name))
    return dataclasses.replace(config, **values)


def _value(name: str, text: str, before: Any) -> Any:
    """A setting's value as JSON would read it, or else as the text that it is."""
    if text == "none":
        return None
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if isinstance(before, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(before, (bool, int, float)) and type(value) is not type(before):
        raise ConfigError(f"--set {name}={text}; expected a value like {json.dumps(before)}")
    return value


def _tell_waiting(waiting_s: float, total_s: float, pulled: bool) -> None:
    if pulled:
        _console.print(f"waited {waiting_s:.0f} s of {total_s:.0f} s for images ({waiting_s / max(total_s, 1e-9):.0%})")


def _show(found: Report) -> None:
    """A table of accuracies in the terminal."""
    over_ages = {name: [a for a in rows if a.age_group is None] for name, rows in found.accuracies.items()}
    _console.print((_by_condition if len(over_ages) <= _SIDE_BY_SIDE else _by_run)(found, over_ages))
    if any(rows[0].undecided for rows in over_ages.values()):
        _console.print("undecided: no fold is as sure as --threshold asks for; counts as wrong")
    _console.print(f"{found.images} images of {found.persons} persons; {found.sampling.level:.0%} intervals by person")
    _console.print(NOTICE)


def _by_condition(found: Report, over_ages: Mapping[str, Sequence[Accuracy]]) -> Table:
    """A column for each of a few runs, with all intervals.

    Args:
        over_ages: by run, of all images and then of each condition that has some.
    """
    table = Table("accuracy in %", box=box.SIMPLE_HEAD)
    for name in over_ages:
        table.add_column(name, justify="right")
    whole, *conditions = zip(*over_ages.values(), strict=True)
    table.add_row("all images", *(_interval(a.accuracy) for a in whole))
    table.add_row("mean of conditions", *(_interval(value) for value in found.means.values()))
    for of_one in conditions:
        table.add_row(f"  {of_one[0].condition}", *(_interval(a.accuracy) for a in of_one))
    if any(a.undecided for a in whole):
        table.add_row("undecided", *(f"{100 * a.undecided / a.images:.1f}" for a in whole))
    table.add_row("calibration error", *(f"{c.error:.3f}" for c in found.calibrations.values()))
    return table


def _by_run(found: Report, over_ages: Mapping[str, Sequence[Accuracy]]) -> Table:
    """A row for each of many runs; the other intervals are in the report. See `_by_condition`."""
    (_, *conditions), *_ = over_ages.values()
    unsure = any(rows[0].undecided for rows in over_ages.values())
    table = Table("", box=box.SIMPLE_HEAD, pad_edge=False, title="accuracy in %", title_justify="left")
    for column in ("all", "mean", *(str(a.condition) for a in conditions), *(["undecided"] if unsure else [])):
        table.add_column(column, justify="right", no_wrap=True)
    for name, (whole, *parts) in over_ages.items():
        row = [f"{100 * whole.accuracy.value:.1f}", _interval(found.means[name])]
        row += [f"{100 * a.accuracy.value:.1f}" for a in parts]
        row += [f"{100 * whole.undecided / whole.images:.1f}"] if unsure else []
        table.add_row(name, *row)
    return table


def _show_comparisons(found: Report) -> None:
    """A table for each run in the terminal."""
    for name, comparisons in found.comparisons.items():
        title = f"{name}, against {found.baseline}"
        table = Table("condition", box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
        for column in ("images", "points of accuracy", "lost, won", "p perm.", "p McNemar"):
            table.add_column(column, justify="right", no_wrap=True)
        for c in comparisons:
            d = c.difference
            table.add_row(
                "all" if c.condition is None else f"  {c.condition}",
                str(c.images),
                f"{100 * d.value:+.1f} ({100 * d.low:+.0f} to {100 * d.high:+.0f})",
                f"{c.only_baseline}, {c.only_run}",
                f"{c.permutation_holm:.2g}",
                f"{c.mcnemar_holm:.2g}",
            )
        _console.print(table)
    _console.print("lost, won: images that the baseline or the run alone has right; p: after Holm's correction")


def _show_effects(found: Probe) -> None:
    """A table for each run in the terminal."""
    for run in dict.fromkeys(effect.run for effect in found.effects):
        of_run = [effect for effect in found.effects if effect.run == run]
        title = f"{run}: probability of the true condition"
        table = Table("condition", box=box.SIMPLE_HEAD, title=title, title_justify="left")
        table.add_column("change", no_wrap=True)
        for column in ("before", "moved by", "p"):
            table.add_column(column, justify="right", no_wrap=True)
        for condition in dict.fromkeys(effect.condition for effect in of_run):
            rows = [effect for effect in of_run if effect.condition == condition]
            for effect in rows:
                name = f"{condition} ({effect.faces})" if effect is rows[0] else ""
                table.add_row(name, effect.change, f"{effect.before:.2f}", _moved(effect.difference), _p(effect.p))
            if (beyond := rows[-1].less_control) is not None:
                table.add_row("", "beyond the control", "", _moved(beyond), _p(rows[-1].p_control))
        _console.print(table)
    _console.print("means with 95% intervals; p: permutation test, after Holm's correction over the conditions")
    _console.print(f"beyond the control: of {list(CHANGES)[-1]}, less that of the first run")
    _console.print(NOTICE)


def _moved(moved: Interval) -> str:
    return f"{moved.value:+.2f} ({moved.low:+.2f} to {moved.high:+.2f})"


def _p(p: float | None) -> str:
    return "" if p is None else f"{p:.2g}"


def _interval(value: Interval) -> str:
    return f"{100 * value.value:.1f} ({100 * value.low:.0f}–{100 * value.high:.0f})"
