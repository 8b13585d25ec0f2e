"""Image sets in a folder of their own, made without a service."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from api.image_sets.derived_files import DerivedFiles, shard_count
from api.image_sets.rendering import CHUNK_IMAGES, make_chunks
from api.image_sets.scoring import ImageScorer, finish_scores, open_scorer
from api.image_sets.selection import ImageSelector, Selection
from api.image_sets.set_metadata import SetMetadata
from api.image_sets.storage import ImageSetStore, StoredRequest, chunks, folder
from api.models.classifiers import Classifiers
from api.models.model import Model, RenderPlan
from api.operations.file_stores import LocalFiles
from core.errors import DatasetError
from core.progress import SILENT, Progress
from faces.printed_sheets import Paper


def holds_image_set(out: Path, plan: RenderPlan) -> bool:
    """Check whether a folder holds the image set of a plan; False if the folder does not exist.

    Raises:
        DatasetError: the folder holds something else.
    """
    if not out.exists():
        return False
    request = out / "request.json"
    if not request.is_file() or plan.id not in request.read_text():
        raise DatasetError(f"{out} exists and is not this image set; name another folder with --out")
    return True


def write_image_set(
    out: Path,
    plan: RenderPlan,
    model: Model,
    *,
    tile: int | None = None,
    paper: Paper | None = None,
    classifiers: Classifiers | None = None,
    progress: Progress = SILENT,
) -> None:
    """Render an image set into a folder: images, manifest, request, shards, contact sheet and metadata.

    Of a filtered set the folder also has selection.json, and left-out.png if anything was left out.

    A run that was stopped leaves a folder `.NAME.partial` beside `out`, and the next run continues with it.

    Args:
        out: the folder; it appears only when everything is in it.
        tile: side of an image on the contact sheet in pixels; None takes the images' own, but at least 96.
        paper: size of the pages of a printed sheet; None writes none.
        classifiers: those that may score images; None for none.
        progress: receives the number of images that are stored.

    Raises:
        RequestError: too few images pass the minima of the request.
    """
    scratch = out.with_name(f".{out.name}.partial")
    files, images = LocalFiles(scratch), len(plan.rows)
    store = ImageSetStore(files)
    if not store.is_complete(plan.id):
        store.begin(StoredRequest(plan.id, images, plan.asked, plan.resolved))
    scorer = open_scorer(model.info, plan.request, classifiers) if plan.scored else None
    if plan.draws is not None:
        plan, scorer = select_images(store, plan, model, scorer, progress), None
    with progress.bar("rendering", images) as show_done:
        if not store.is_complete(plan.id):
            for done in make_chunks(store, model, plan, scorer):
                show_done(done)
            finish = None if scorer is None else finish_scores
            store.seal(plan.id, (start for start, _ in chunks(images, CHUNK_IMAGES)), finish)
    derived, complete = DerivedFiles(store, model.info), files.path(folder(plan.id))
    (complete / "shards").mkdir(exist_ok=True)
    for number in range(shard_count(images)):
        with (complete / "shards" / f"{number:06d}.tar").open("w+b") as file:
            derived.shard(plan.id, number, file)
    with (complete / "sheet.png").open("wb") as file:
        derived.sheet(plan.id, tile, file)
    if paper is not None:
        with (complete / "sheet.pdf").open("wb") as file:
            derived.printed_sheet(plan.id, paper, None, file)
    metadata = SetMetadata(store, model.info)
    for name, write in (("croissant.json", metadata.croissant), ("README.md", metadata.card)):
        with (complete / name).open("wb") as file:
            write(plan.id, file)
    os.replace(complete, out)
    shutil.rmtree(scratch)


def select_images(
    store: ImageSetStore, plan: RenderPlan, model: Model, scorer: ImageScorer | None, progress: Progress = SILENT
) -> RenderPlan:
    """Select the images of a filtered plan, unless they are selected already; returns the plan of those kept.

    Raises:
        RequestError: too few pass.
    """
    stored = store.read_selection(plan.id)
    if stored is not None:
        return Selection(**stored).apply(plan, model)
    progress.say("selecting images ...")
    selector = ImageSelector(plan, model, scorer, model.render)
    selection = selector.select()
    store.write_selection(plan.id, vars(selection), selector.draw_left_out())
    refused = ", ".join(f"{name} refused {count}" for name, count in selection.refused.items())
    progress.say(f"{selection.drawn} drawn, {selection.kept} kept" + (f"; {refused}" if refused else ""))
    return selection.apply(plan, model)
