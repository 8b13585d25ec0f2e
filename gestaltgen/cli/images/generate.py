"""`gestaltgen generate`: an image set in a folder, without a service."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

import weights as shipped
from api.image_sets.local_sets import holds_image_set, write_image_set
from api.image_sets.scoring import settle_scores
from api.image_sets.storage import LEFT_OUT, SELECTION
from api.models.classifiers import Classifiers
from api.models.generator import GeneratorModel
from api.provenance.claims import sheet_notice
from core.errors import ConfigError
from faces.image_set_request import DEFAULT_BLEND, DEFAULT_TRUNCATION, KINDS, MINIMA, ImageSetRequest
from faces.printed_sheets import Paper
from gestaltgen.cli.console import make_console
from gestaltgen.cli.option_groups import expand_options
from gestaltgen.cli.options import PrecisionOption
from gestaltgen.cli.progress import ConsoleProgress

_PEOPLE: Final = "People"
_PICTURES: Final = "Pictures"
_CHOICE: Final = "Scores and choice of images"
_CLASSIFIER_BYTES: Final = 2 << 30
_console = make_console()


@dataclass(frozen=True)
class RequestOptions:
    """Options that describe the images of the set, as the fields of a request to the service do."""

    condition: Annotated[
        list[str] | None,
        typer.Option(help="Condition, repeatable; unset takes every affected one.", rich_help_panel=_PEOPLE),
    ] = None
    age: Annotated[
        list[str] | None, typer.Option(help="Age group, repeatable; unset takes all.", rich_help_panel=_PEOPLE)
    ] = None
    count: Annotated[
        int | None,
        typer.Option(
            help="Persons for each condition: the set has count x conditions x ages images (unrelated, blended: images "
            "for each condition and age). Unset: as many as in the training data.",
            rich_help_panel=_PEOPLE,
        ),
    ] = None
    total_images: Annotated[
        int | None,
        typer.Option(
            help="Instead of --count: images of the whole set, a multiple of what one person of each condition adds.",
            rich_help_panel=_PEOPLE,
        ),
    ] = None
    seed: Annotated[
        int, typer.Option(help="Seed from which the seeds of the persons are drawn.", rich_help_panel=_PEOPLE)
    ] = 0
    person: Annotated[
        list[int] | None,
        typer.Option(help="Seed of one person, repeatable; instead of --count.", rich_help_panel=_PEOPLE),
    ] = None
    truncation: Annotated[
        float | None,
        typer.Option(
            help=f"0 is the average face, 1 full variety; unset: {DEFAULT_TRUNCATION} (average: 1).",
            rich_help_panel=_PICTURES,
        ),
    ] = None
    blend: Annotated[
        float | None,
        typer.Option(
            help=f"blended: weight of the first condition; unset: {DEFAULT_BLEND}.", rich_help_panel=_PICTURES
        ),
    ] = None
    partner: Annotated[
        list[str] | None, typer.Option(help="blended: second condition, repeatable.", rich_help_panel=_PICTURES)
    ] = None
    age_steps: Annotated[
        str | None,
        typer.Option(
            help="age_progression: published (equal steps; the default) or calibrated (a step for each age group, "
            "placed where an age-reading network assigns faces to this group).",
            rich_help_panel=_PICTURES,
        ),
    ] = None
    years: Annotated[
        list[float] | None,
        typer.Option(
            help="age_progression, blended: age in years, repeatable; instead of --age.", rich_help_panel=_PEOPLE
        ),
    ] = None
    scores: Annotated[
        bool,
        typer.Option(
            "--scores",
            help="Score each image in the manifest: condition and age as read, face found, sharpness, novelty.",
            rich_help_panel=_CHOICE,
        ),
    ] = False
    min_condition: Annotated[
        float | None,
        typer.Option(
            help="Least probability, 0 to 1, of the condition as read; persons below it are replaced.",
            rich_help_panel=_CHOICE,
        ),
    ] = None
    min_age: Annotated[
        float | None,
        typer.Option(
            help="Least probability, 0 to 1, of the age group as the oracle reads it.", rich_help_panel=_CHOICE
        ),
    ] = None
    min_face: Annotated[
        float | None,
        typer.Option(
            help="Least confidence of the face detector; 0.1 requires only that a face is found.",
            rich_help_panel=_CHOICE,
        ),
    ] = None
    min_sharpness: Annotated[
        float | None,
        typer.Option(help="Least fine detail of the face; phantoms have about 1.5.", rich_help_panel=_CHOICE),
    ] = None
    min_novelty: Annotated[
        float | None,
        typer.Option(
            help="Least distance to the faces of other persons of the set, in grey levels.", rich_help_panel=_CHOICE
        ),
    ] = None
    noise: Annotated[str, typer.Option(help="Image noise: const, none or random.", rich_help_panel=_PICTURES)] = "const"
    precision: PrecisionOption = "auto"

    def request(self, kind: str) -> dict[str, Any]:
        """Return the request for an image set of this kind; fields that were not given are missing in it."""
        fields = {
            "kind": kind,
            "conditions": self.condition,
            "ages": self.age,
            "count": self.count,
            "total_images": self.total_images,
            "seed": self.seed,
            "seeds": self.person,
            "truncation": self.truncation,
            "blend": self.blend,
            "partners": self.partner,
            "age_steps": self.age_steps,
            "years": self.years,
            "noise": self.noise,
            "precision": self.precision,
            "scores": self.scores or None,
            **{name: getattr(self, name) for name in MINIMA},
        }
        return {name: value for name, value in fields.items() if value not in (None, [])}


@expand_options
def generate(
    kind: Annotated[
        str | None, typer.Argument(help=f"Kind of the image set: {', '.join(KINDS)}; unset with --request.")
    ] = None,
    *,
    out: Annotated[
        Path, typer.Option(help="Folder to write. It must not exist, unless it holds the same image set.")
    ] = Path("image-set"),
    request: RequestOptions,
    request_file: Annotated[
        Path | None,
        typer.Option(
            "--request",
            help="File with a request in JSON, instead of the options that describe images; the selection.json of a "
            "filtered set gives its images again.",
        ),
    ] = None,
    classifier: Annotated[
        Path | None,
        typer.Option(
            help="Classifier that reads the condition for the scores: a file or a folder of `gestaltgen classify train`"
            "; unset takes the oracle, which reads phantoms.",
            rich_help_panel=_CHOICE,
        ),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Checkpoint; unset takes the shipped one.")] = None,
    people_key: Annotated[
        Path | None,
        typer.Option(
            help="File of the key that opens NAME-people.sealed beside the checkpoint; `gestaltgen weights audit "
            "--people-key` wrote both. Persons who are too near to a person of the training data are replaced.",
            envvar="GESTALTGEN_PEOPLE_KEY",
        ),
    ] = None,
    max_images: Annotated[int, typer.Option(help="Largest image set that is accepted.")] = 100_000,
    tile: Annotated[
        int | None,
        typer.Option(
            min=16,
            max=1024,
            help="Side of an image on the contact sheet in pixels; unset: as the images are, but at least 96.",
        ),
    ] = None,
    paper: Annotated[
        Paper | None, typer.Option(help="Also write the sheet as sheet.pdf, on pages of this size.")
    ] = None,
) -> None:
    """Make an image set in a folder: images, manifest, WebDataset shards, a contact sheet and metadata.

    For the same request, images, manifest, shards and sheet have the same bytes as those of the service. Precision is
    part of the request: name it to get the same set on every machine. A run that was stopped continues where it was.
    The numbers on the sheet are `index` in manifest.jsonl. Images are synthetic and no basis for a diagnosis.
    """
    model = GeneratorModel(weights or shipped.default(), people_key=people_key)
    asked = _read_request(kind, request, request_file)
    classifiers = None if classifier is None else Classifiers(classifier.parent, _CLASSIFIER_BYTES)
    if classifier is not None:
        asked["classifier"] = classifier.stem if classifier.is_file() else classifier.name
    plan = model.plan(settle_scores(asked, model.info, classifiers), max_images)
    if not holds_image_set(out, plan):
        progress = ConsoleProgress(_console)
        write_image_set(out, plan, model, tile=tile, paper=paper, classifiers=classifiers, progress=progress)
    _console.print(f"{len(plan.rows)} images in {out}, image set {plan.id}")
    if (out / LEFT_OUT).exists():
        _console.print(f"{out / LEFT_OUT} shows what was left out; `--request {out / SELECTION}` gives the set again")
    _console.print(f"look at {out / 'sheet.png'}; labels are in manifest.jsonl, shards in shards/")
    _console.print(sheet_notice(model.info.origin))


def _read_request(kind: str | None, options: RequestOptions, file: Path | None) -> dict[str, Any]:
    """Return the request of the options, or of a file.

    Raises:
        ConfigError: both are given, or neither, or the file holds no request.
    """
    if file is None:
        if kind is None:
            raise ConfigError(f"no kind of image set is named; expected one of {', '.join(KINDS)}, or --request FILE")
        return options.request(kind)
    if kind is not None or options != RequestOptions():
        raise ConfigError(f"options describe images beside --request {file}; leave out the kind and these options")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        asked = dict(found.get("request", found))
        ImageSetRequest.from_json({name: value for name, value in asked.items() if name != "model"})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{file} holds no request for an image set ({error}); expected a selection.json") from error
    return asked
