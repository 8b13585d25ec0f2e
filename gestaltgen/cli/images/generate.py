"""`gestaltgen generate`: an image set in a folder, without a service."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

import weights as shipped
from api.image_sets.derived_files import Derived, shard_count
from api.image_sets.rendering import CHUNK_IMAGES, make_chunks
from api.image_sets.storage import Store, StoredRequest, chunks, folder
from api.models.generator import GeneratorModel
from api.models.model import RenderPlan
from api.operations.file_stores import LocalFiles
from api.provenance.claims import sheet_notice
from core.errors import DatasetError
from faces.image_set_request import DEFAULT_BLEND, DEFAULT_TRUNCATION, KINDS
from gestaltgen.cli.console import make_console
from gestaltgen.cli.options import PrecisionOption
from gestaltgen.cli.progress import progress_bar

_console = make_console()


def generate(
    kind: Annotated[str, typer.Argument(help=f"What to make: {', '.join(KINDS)}.")],
    out: Annotated[Path, typer.Option(help="Folder to write; it must not exist, or hold the same set.")] = Path(
        "image-set"
    ),
    condition: Annotated[list[str] | None, typer.Option(help="Repeatable; unset takes every affected one.")] = None,
    age: Annotated[list[str] | None, typer.Option(help="Age group, repeatable; unset takes all.")] = None,
    count: Annotated[
        int | None,
        typer.Option(help="Persons per condition (unrelated, blended: images per age); unset: as in training."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Where the seeds of the persons come from.")] = 0,
    person: Annotated[
        list[int] | None, typer.Option(help="Seed of one person, repeatable; instead of --count.")
    ] = None,
    truncation: Annotated[
        float | None,
        typer.Option(help=f"0 is the average face, 1 full variety; unset: {DEFAULT_TRUNCATION} (average: 1)."),
    ] = None,
    blend: Annotated[
        float | None, typer.Option(help=f"blended: weight of the first condition; unset: {DEFAULT_BLEND}.")
    ] = None,
    partner: Annotated[list[str] | None, typer.Option(help="blended: second condition, repeatable.")] = None,
    noise: Annotated[str, typer.Option(help="Image noise: const, none or random.")] = "const",
    precision: PrecisionOption = "auto",
    weights: Annotated[Path | None, typer.Option(help="Checkpoint; unset takes the shipped one.")] = None,
    max_images: Annotated[int, typer.Option(help="Refuse larger sets.")] = 100_000,
) -> None:
    """Make an image set in a folder: images, manifest, WebDataset shards and a contact sheet.

    Images, manifest, shards and sheet are the service's, byte for byte, for the same request. Precision is a part of
    the request: name it to get the same set on every machine. A run that was stopped goes on where it was. Images are
    synthetic and no basis for a diagnosis.
    """
    asked: dict[str, Any] = {
        "kind": kind,
        "conditions": condition,
        "ages": age,
        "count": count,
        "seed": seed,
        "seeds": person,
        "truncation": truncation,
        "blend": blend,
        "partners": partner,
        "noise": noise,
        "precision": precision,
    }
    model = GeneratorModel(weights or shipped.default())
    plan = model.plan({name: value for name, value in asked.items() if value not in (None, [])}, max_images)
    if not _is_there(out, plan):
        _make(out, plan, model)
    _console.print(f"{len(plan.rows)} images in {out}, image set {plan.id}")
    _console.print(f"look at {out / 'sheet.png'}; labels are in manifest.jsonl, shards in shards/")
    _console.print(sheet_notice(model.info.origin))


def _is_there(out: Path, plan: RenderPlan) -> bool:
    """Whether the folder holds this very set.

    Raises:
        DatasetError: it holds something else.
    """
    if not out.exists():
        return False
    request = out / "request.json"
    if not request.is_file() or plan.id not in request.read_text():
        raise DatasetError(f"{out} exists and is not this image set; name another folder with --out")
    return True


def _make(out: Path, plan: RenderPlan, model: GeneratorModel) -> None:
    scratch = out.with_name(f".{out.name}.partial")
    files, images = LocalFiles(scratch), len(plan.rows)
    store = Store(files)
    with progress_bar(_console, "rendering", images) as show_done:
        if not store.is_complete(plan.id):
            store.begin(StoredRequest(plan.id, images, plan.asked, plan.resolved))
            for done in make_chunks(store, model, plan):
                show_done(done)
            store.seal(plan.id, (start for start, _ in chunks(images, CHUNK_IMAGES)))
    derived, made = Derived(store, model.info), files.path(folder(plan.id))
    (made / "shards").mkdir(exist_ok=True)
    for number in range(shard_count(images)):
        with (made / "shards" / f"{number:06d}.tar").open("w+b") as file:
            derived.shard(plan.id, number, file)
    with (made / "sheet.png").open("wb") as file:
        derived.sheet(plan.id, None, file)
    os.replace(made, out)
    shutil.rmtree(scratch)
