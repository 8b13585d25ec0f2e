"""`gestaltgen dataset …`: make data sets of phantoms or of photographs, and look into them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated, cast, get_args

import numpy as np
import typer
from rich import box
from rich.table import Table

from core.atomic_files import write_file
from core.csv_reports import format_csv
from core.errors import DatasetError
from faces.conditions.catalogue import Catalogue, load_catalogue
from faces.contact_sheets import contact_sheet
from faces.datasets.dataset import Dataset, DatasetWriter
from faces.datasets.exports.dataset_files import Individuals, describe_dataset, write_dataset_files
from faces.datasets.name_lists import read_names
from faces.datasets.patients.reading import FORMATS
from faces.datasets.preparation import AlignmentPlan, AlignmentSettings, Outcome, align_photographs, plan_alignment
from faces.datasets.records import Record
from faces.images import encode_png
from faces.labels import CONDITIONS
from faces.landmark_table import LandmarkTable, assign_landmarks, read_landmark_table
from faces.phantoms.phantom_dataset import synthesise
from faces.phantoms.phenotype import find_drawn_term
from gestaltgen.cli.console import make_console
from gestaltgen.cli.error_messages import ReportingGroup
from gestaltgen.cli.option_groups import expand_options
from gestaltgen.cli.progress import progress_bar
from gestaltgen.cli.training.patient_tables import (
    describe_notice,
    list_tables,
    load_age_judge,
    read_patient_table,
)

app = typer.Typer(
    cls=ReportingGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Make labelled data sets and look into them.",
)
_console = make_console()


@app.command()
def phantoms(
    out: Annotated[Path, typer.Argument(help="Data set to write: a name ending in .zip, or a folder.")],
    count: Annotated[int, typer.Option(help="Number of phantoms; each is another person.")] = 1000,
    size: Annotated[int, typer.Option(help="Side of the images in pixels.")] = 128,
    seed: Annotated[
        int, typer.Option(help="Seed: the same seed gives the same data set, another seed other people.")
    ] = 0,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            help="Draw this condition of the catalogue from its HPO terms; repeatable. Default: WS, 22q11DS, "
            "other and unaffected, as the shipped weights know them."
        ),
    ] = None,
    phenotype: Annotated[
        list[str] | None, typer.Option(help="HPO term that every face shows, by id or label; repeatable.")
    ] = None,
    conditions: Annotated[
        Path | None, typer.Option(help="TOML file with conditions of your own, for --condition.", dir_okay=False)
    ] = None,
    workers: Annotated[int, typer.Option(help="Number of processes that draw; the result does not depend on it.")] = 2,
) -> None:
    """Draw a data set of phantoms: faces with known condition, age, smile, identity and HPO terms.

    The set is balanced over conditions and age groups. It has landmarks.npy and phantoms.csv, the true facial
    traits, beside the labels. Each term of a condition is drawn by its frequency, independently of the others;
    `gestaltgen phenotypes show` lists them. Phantoms are drawings, not patients.

    Example: gestaltgen dataset phantoms kabuki.zip --condition Kabuki --condition unaffected
    """
    catalogue = load_catalogue(conditions)
    drawn = [catalogue.require(name) for name in condition or ()]
    always = [find_drawn_term(term) for term in phenotype or ()]
    with progress_bar(_console, "drawing", count) as on_progress:
        synthesise(
            out,
            count=count,
            size=size,
            seed=seed,
            conditions=drawn,
            always=always,
            workers=workers,
            on_progress=on_progress,
        )
    show(out)


@dataclass(frozen=True)
class LabelOptions:
    """Options about the table and its labels.

    Raises:
        DatasetError: the condition of the photographs without one is none of the conditions.
    """

    file_format: Annotated[
        str | None,
        typer.Option("--format", help=f"Format of TABLE: {', '.join(FORMATS)}; default: recognise it."),
    ] = None
    catalogue: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with conditions of your laboratory, besides the shipped ones.",
            envvar="GESTALTGEN_CATALOGUE",
            dir_okay=False,
        ),
    ] = None
    estimate_ages: Annotated[
        bool,
        typer.Option(
            "--estimate-ages",
            help="Read missing ages from the pictures (extra `judges`); they are marked as estimates.",
        ),
    ] = False
    column: Annotated[
        list[str] | None,
        typer.Option(help="Rename a column of the table, as in years=age_years; repeatable."),
    ] = None
    conditions: Annotated[str, typer.Option(help="The conditions that labels may have, with commas between them.")] = (
        ",".join(CONDITIONS)
    )
    condition: Annotated[
        str | None, typer.Option(help="Condition of every photograph whose row has none; default: unknown.")
    ] = None

    def __post_init__(self) -> None:
        if self.condition is not None and self.condition not in self.vocabulary:
            known = ", ".join(self.vocabulary)
            raise DatasetError(f"--condition {self.condition!r} is unknown; expected one of {known}")

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The conditions that labels may have."""
        return tuple(name.strip() for name in self.conditions.split(","))


@dataclass(frozen=True)
class FramingOptions:
    """Options about the detection and alignment of faces."""

    size: Annotated[int, typer.Option(help="Side of the aligned images in pixels.", min=16, max=2048)] = 256
    workers: Annotated[int, typer.Option(help="Number of processes that align.", min=1)] = 1
    min_score: Annotated[
        float,
        typer.Option(
            help="Lowest confidence of the detector. A high value also loses true faces: look at the sheet.", min=0
        ),
    ] = 0.0
    max_padded: Annotated[float, typer.Option(help="Largest share of an image that may be padding.", min=0, max=1)] = (
        1.0
    )
    landmarks: Annotated[
        Path | None,
        typer.Option(help="CSV table of landmarks that were set by hand, for faces that are missed: see the manual."),
    ] = None
    landmark_model: Annotated[
        Path | None, typer.Option(help="Another 68-point landmark model in dlib's format.", dir_okay=False)
    ] = None

    @property
    def settings(self) -> AlignmentSettings:
        """The settings of the alignment."""
        return AlignmentSettings(self.size, self.min_score, self.max_padded, self.landmark_model)

    def read_landmarks(self) -> LandmarkTable:
        """Return the landmarks that were set by hand, none without a table of them."""
        return {} if self.landmarks is None else read_landmark_table(self.landmarks)


@dataclass(frozen=True)
class ChoiceOptions:
    """Options about the files that are taken."""

    exclude: Annotated[
        Path | None,
        typer.Option(help="List of files to leave out, one name a line: those that must not be trained on."),
    ] = None
    only: Annotated[
        Path | None, typer.Option(help="List of files to take, one name a line; all others are left out.")
    ] = None

    def choose_files(self) -> Callable[[str], bool]:
        """Return a function that says whether to take a file, by its name in the folder or without the folders."""
        left_out = read_names(self.exclude) if self.exclude else frozenset()
        taken = read_names(self.only) if self.only else None

        def is_listed(file: str, names: frozenset[str]) -> bool:
            return file in names or PurePosixPath(file).name in names

        return lambda file: not is_listed(file, left_out) and (taken is None or is_listed(file, taken))


@app.command()
@expand_options
def prepare(
    folder: Annotated[Path, typer.Argument(help="Photographs, subfolders included.", exists=True, file_okay=False)],
    table: Annotated[
        Path | None,
        typer.Argument(help="Table or phenopackets about them; without it every photograph is taken, unlabelled."),
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="Data set to write: a name ending in .zip, or a folder.")] = Path(
        "dataset.zip"
    ),
    labels: LabelOptions,
    framing: FramingOptions,
    choice: ChoiceOptions,
    report: Annotated[
        Path | None, typer.Option(help="File of the report; default: beside OUT, as OUT-report.csv.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="PNG file for a contact sheet of the result; default: none.")
    ] = None,
) -> None:
    """Align photographs of faces into a labelled data set.

    Each photograph is rotated, cropped and scaled to the FFHQ frame around its largest face. The TABLE has a
    column `file`, relative to FOLDER, and any of these; a cell may be empty, and other columns are kept as they are:

    - condition: WS, 22q11DS, other, unaffected, or those of --conditions; aliases and identifiers of the catalogue too

    - age_years: years or ISO 8601 (P7Y3M), or age_group: infant, child, adolescent, young_adult, older_adult

    - sex, ancestry; present and absent: HPO terms

    - expression: smile, 0 to 1

    - person, source, licence

    TABLE can also be Excel, phenopackets (a folder, JSON, or JSON lines), metadata of GestaltMatcher, a table of
    PhenoScore or a folder of annotations of facial features: `docs/conditions.md`.

    Nothing is dropped silently: the report has one line for every file, and for every row without a file, which says
    whether it was used, and why not. Only the report has the original file names; the data set does not.

    The landmark model that is installed was trained on data that exclude commercial use; give another with
    --landmark-model or GESTALTGEN_LANDMARK_MODEL.

    Example: gestaltgen dataset prepare photos photos.csv --out faces.zip --column years=age_years
    """
    report = report or out.with_name(f"{out.stem}-report.csv")
    outcomes: list[Outcome] = []
    vocabulary, known = labels.vocabulary, load_catalogue(labels.catalogue)
    for name in vocabulary:
        _console.print(_explain_condition(known, name), highlight=False, markup=False, soft_wrap=True)
    plan, notes = _make_plan(folder, table, known, labels, framing, choice)
    estimate_age = load_age_judge() if labels.estimate_ages else None
    try:
        with (
            DatasetWriter(out, conditions=vocabulary, identifiers=known.identify(vocabulary)) as writer,
            progress_bar(_console, "aligning", len(plan)) as on_progress,
        ):

            def on_outcome(outcome: Outcome) -> None:
                outcomes.append(outcome)
                on_progress(len(outcomes))

            align_photographs(
                plan,
                writer,
                settings=framing.settings,
                workers=framing.workers,
                estimate_age=estimate_age,
                on_outcome=on_outcome,
            )
    finally:
        if outcomes or notes:
            write_file(report, format_csv([*outcomes, *notes]).encode())
            _print_summary(outcomes, notes)
            _console.print(f"report: {report}", highlight=False, markup=False, soft_wrap=True)
    if sheet:
        _write_sheet(sheet, out)
    show(out)


def _make_plan(
    folder: Path,
    table: Path | None,
    known: Catalogue,
    labels: LabelOptions,
    framing: FramingOptions,
    choice: ChoiceOptions,
) -> tuple[AlignmentPlan, list[Outcome]]:
    """Read the table, and plan which photographs are aligned; return notes on rows that are used all the same, too."""
    patients = None
    if table is not None:
        patients = read_patient_table(
            _console, table, folder, known, labels.vocabulary, labels.column or [], labels.file_format
        )
    notices = () if patients is None else patients.notices
    plan = plan_alignment(
        folder,
        None if patients is None else patients.records,
        bad_rows=[describe_notice(notice) for notice in notices if notice.refused],
        leave_out=[*(list_tables(table) if table else ()), *(path for path in (table, framing.landmarks) if path)],
        wanted=choice.choose_files(),
    )
    by_hand = assign_landmarks(framing.read_landmarks(), [record.file for record in plan.records])
    records = tuple(_set_condition(record, labels.condition) for record in plan.records)
    notes = [describe_notice(notice) for notice in notices if not notice.refused]
    return replace(plan, records=records, landmarks=by_hand), notes


@app.command()
def export(
    path: Annotated[Path, typer.Argument(help="Data set: a zip or a folder.")],
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    name: Annotated[str | None, typer.Option(help="Name of the data set; default: that of its file.")] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the pictures; default: the one that the data set states.")
    ] = None,
    catalogue: Annotated[
        Path | None,
        typer.Option(help="TOML file with your own conditions.", envvar="GESTALTGEN_CATALOGUE", dir_okay=False),
    ] = None,
    phenopackets: Annotated[
        str | None,
        typer.Option(help="Write phenopackets too, and say whether the people exist: real or synthetic."),
    ] = None,
) -> None:
    """Describe a data set in formats of the field.

    Writes croissant.json (Croissant 1.1), README.md (a data-set card of Hugging Face), image_metadata.tsv (the columns
    of GestaltMatcher), and with --phenopackets a file phenopackets.jsonl. Those of synthetic people are marked as such.

    Example: gestaltgen dataset export faces.zip --out faces-metadata --phenopackets synthetic
    """
    if phenopackets not in (None, *get_args(Individuals)):
        raise DatasetError(f"--phenopackets {phenopackets!r} is unknown; expected real or synthetic")
    with Dataset.open(path) as data:
        about = describe_dataset(data, load_catalogue(catalogue), name=name, licence=licence)
        place = Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()
        files = write_dataset_files(data, about, place, cast(Individuals | None, phenopackets))
    out.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        write_file(out / file, text.encode())
        _console.print(str(out / file), highlight=False, markup=False, soft_wrap=True)


@app.command()
def show(path: Annotated[Path, typer.Argument(help="Data set: a zip or a folder.")]) -> None:
    """Count the images of a data set for each condition and age group."""
    with Dataset.open(path) as dataset:
        counts = dataset.counts()
        title = f"{path}: {len(dataset)} pictures of {dataset.size} x {dataset.size} pixels"
    ages = list(next(iter(counts.values())))
    table = Table("condition", box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    for age in ages:
        table.add_column(age, justify="right")
    for condition, by_age in counts.items():
        table.add_row(condition, *(str(by_age[age]) for age in ages))
    _console.print(title, highlight=False, markup=False, soft_wrap=True)
    _console.print(table)


def _explain_condition(catalogue: Catalogue, name: str) -> str:
    """Return a line that says what the catalogue takes a condition for, so that a wrong alias is noticed."""
    entry = catalogue.find(name)
    if entry is None:
        return f"{name}: not in the catalogue, without identifiers; --catalogue adds conditions"
    return ", ".join([f"{name}: {entry.label}", *entry.identifiers.values()])


def _set_condition(record: Record, condition: str | None) -> Record:
    """Set the condition of a record whose row names neither a condition nor a disease."""
    return record if record.condition or record.disease else replace(record, condition=condition)


def _print_summary(outcomes: list[Outcome], notes: list[Outcome]) -> None:
    used = [outcome for outcome in outcomes if outcome.status == "used"]
    table = Table(f"{len(outcomes)} files and rows", box=box.SIMPLE)
    table.add_column("number", justify="right")
    table.add_row("used", str(len(used)))
    table.add_row("  several faces, the largest taken", str(sum((o.faces or 0) > 1 for o in used)))
    table.add_row("  face cut by the border", str(sum(bool(o.cut) for o in used)))
    table.add_row("  more than a tenth padded", str(sum((o.padded or 0) > 0.1 for o in used)))
    for reason, number in sorted(Counter(o.reason for o in outcomes if o.reason).items()):
        table.add_row(f"refused: {reason}", str(number))
    for reason, number in sorted(Counter(note.reason for note in notes).items()):
        table.add_row(f"noted: {reason}", str(number))
    _console.print(table)


def _write_sheet(path: Path, out: Path, count: int = 60, columns: int = 10) -> None:
    """Draw images at even distances through the data set."""
    with Dataset.open(out) as dataset:
        chosen = np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(int))
        pictures = [dataset.image(int(index)) for index in chosen]
        rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
        title = f"{len(pictures)} of {len(dataset)} aligned pictures"
        write_file(path, encode_png(contact_sheet(rows, title=title, tile=min(128, dataset.size))))
