"""Explanations of the faces of a data set, face by face in a folder; what is done is not done again."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import torch

from core import tensor_files
from core.atomic_files import write_file
from core.errors import ConfigError, DatasetError, GestaltError, LabelError
from core.progress import SILENT, Progress
from faces.conditions.terms import find_term
from faces.datasets.dataset import Dataset
from faces.images import Pixels, encode_png
from gestaltgen_client import Client
from recognition.classifier import Classifier
from recognition.ensemble import Ensemble, list_classifier_files
from recognition.explanation.face_explanation import (
    check_alike,
    check_method,
    draw_map,
    explain_face,
    find_class,
    select_defined,
)
from recognition.explanation.regions.masks import Masks
from recognition.explanation.regions.relevance import sum_channels
from recognition.explanation.reports.counterfactuals import make_counterfactuals
from recognition.explanation.reports.face_masks import FaceMasks
from recognition.explanation.reports.face_page import FACE, REGIONS, write_tables_and_page
from recognition.explanation.saliency.activations import average_activations
from recognition.explanation.saliency.methods import METHODS
from recognition.images.image_stack import resize_face, to_network_input

ALL: Final = "all"
"""Name that stands for every method that is defined for the network."""

_SETTINGS: Final = "settings.json"
_NAMES: Final = ("classifier", "folds")
"""Settings that name a classifier, whose content is compared instead."""

_MAPS: Final = "maps.npz"
"""Maps of a face by method, (h, w) float32: absolute values summed over the channels."""

_SIDE: Final = 224
"""Least side of the pictures of a report in pixels."""


@dataclass(frozen=True)
class FaceReportOptions:
    """Choices for a report of explanations.

    Attributes:
        methods: saliency methods, or ALL; empty takes the usual ones that are defined for the network.
        faces: the most faces, spread evenly over the conditions.
        target: class to explain; None takes the most probable one of each face.
        activations: show averages of the activations by layer too.
    """

    methods: tuple[str, ...] = ()
    faces: int = 20
    target: str | None = None
    activations: bool = False


def explain_dataset(
    classifier: Path,
    dataset: Path,
    out: Path,
    options: FaceReportOptions,
    progress: Progress = SILENT,
    client: Client | None = None,
) -> dict[str, Any]:
    """Explain faces of a data set, and write pictures, tables, JSON and a page into a folder.

    Args:
        classifier: file of a classifier, or folder of several, whose maps are averaged.
        dataset: folder or zip.
        out: folder; a face that it holds already is not explained again.
        options: see FaceReportOptions.
        progress: receives the name of each face that is skipped.
        client: of the service that made the faces, for counterfactuals; None makes none.

    Returns:
        what `report.json` holds.

    Raises:
        ConfigError: an unknown or undefined method, an unknown class, or a folder of another classifier or other
            settings.
    """
    if options.faces < 1:
        raise ConfigError(f"faces is {options.faces}; expected 1 or more")
    ensemble, faces = Ensemble.open(classifier), Dataset.open(dataset)
    classifiers = ensemble.classifiers
    size, classes = check_alike(classifiers)
    if options.methods in ((), (ALL,)):
        options = replace(options, methods=select_defined(classifiers, *([METHODS] if options.methods else [])))
    for method in options.methods:
        check_method(classifiers, method)
    if options.target is not None:
        find_class(classes, options.target)
    settings = {
        "classifier": str(classifier),
        "classifier_sha256": [tensor_files.sha256(file) for file in list_classifier_files(classifier)],
        "folds": list(ensemble.names),
        "classes": list(classes),
        "dataset": str(dataset),
        "methods": list(options.methods),
        "target": options.target,
        "activations": options.activations,
        "counterfactuals": client is not None,
    }
    _check_settings(out / _SETTINGS, settings)
    masks = FaceMasks(faces, size)
    results, skipped = _explain_rows(faces, masks, classifiers, options, out / "faces", client, progress)
    return write_tables_and_page(out, settings, results, skipped)


def _explain_rows(
    faces: Dataset,
    masks: FaceMasks,
    classifiers: Sequence[Classifier],
    options: FaceReportOptions,
    out: Path,
    client: Client | None,
    progress: Progress,
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Explain the chosen faces that a folder does not hold already.

    Returns:
        the content of `face.json` of each face, and file and reason of each face that cannot be explained.
    """
    results: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    rows = choose_rows(faces, options.faces)
    with progress.bar("explaining faces", len(rows)) as show:
        for done, row in enumerate(rows, 1):
            file = out / f"{row:06d}" / "face.json"
            try:
                if not file.exists():
                    _explain_row(faces, row, masks, classifiers, options, file, client)
                results.append(json.loads(file.read_bytes()))
            except (GestaltError, json.JSONDecodeError) as error:
                name = faces.record(row).file or f"row {row}"
                skipped.append({"file": name, "reason": str(error)})
                progress.say(f"skipped {name}: {error}")
            show(done)
    return results, skipped


def choose_rows(faces: Dataset, count: int) -> list[int]:
    """Choose faces of a data set, of each condition in turn; the same ones come first, however many are chosen."""
    by_condition: dict[str | None, list[int]] = defaultdict(list)
    for row, record in enumerate(faces.records):
        by_condition[record.condition].append(row)
    turns = chain.from_iterable(zip_longest(*by_condition.values()))
    return [row for row in turns if row is not None][:count]


def _check_settings(file: Path, settings: Mapping[str, Any]) -> None:
    """Keep the settings of a folder, or compare them: a classifier by its content, wherever it lies."""
    if not file.exists():
        write_file(file, (json.dumps(settings, indent=1) + "\n").encode())
        return
    earlier = json.loads(file.read_bytes())
    compared = {name: value for name, value in settings.items() if name not in _NAMES}
    if different := ", ".join(name for name, value in compared.items() if earlier.get(name) != value):
        raise ConfigError(f"{file.parent} was begun with other settings ({different}); choose another folder")


def _explain_row(
    faces: Dataset,
    row: int,
    masks: FaceMasks,
    classifiers: Sequence[Classifier],
    options: FaceReportOptions,
    file: Path,
    client: Client | None,
) -> None:
    """Explain one face; the file is written last, so that a face that has it is complete."""
    pixels, record = faces.image(row), faces.record(row)
    regions, source = masks.find(row, pixels)
    explained = explain_face(classifiers, pixels, regions, options.methods, options.target)
    pictures = {
        FACE: pixels,
        REGIONS: _draw_regions(pixels, regions),
        **{method: draw_map(pixels, signed) for method, signed in explained.maps.items()},
    }
    layers = _average_layers(classifiers[0], pixels) if options.activations else {}
    pictures |= {f"activations of {name}": picture for name, picture in layers.items()}
    for number, picture in enumerate(pictures.values()):
        write_file(file.parent / f"{number}.png", encode_png(_enlarge(picture)))
    target = explained.classes[explained.target]
    write_file(file.parent / _MAPS, _encode_maps(explained.maps))
    result = {
        "row": row,
        "file": record.file,
        "person": record.person,
        "condition": record.condition,
        "age_group": record.age_group,
        "terms": [_name_term(term) for term in record.present],
        "masks": source,
        "pictures": {title: f"faces/{file.parent.name}/{number}.png" for number, title in enumerate(pictures)},
        **explained.to_json(),
        **({} if client is None else _change_face(faces.picture_file(row), classifiers, target, file.parent, client)),
    }
    write_file(file, (json.dumps(result, indent=1) + "\n").encode())


def _change_face(
    picture: bytes, classifiers: Sequence[Classifier], target: str, folder: Path, client: Client
) -> dict[str, Any]:
    """Write the pictures of the counterfactuals of a face, and return what its file says about them."""
    try:
        made = make_counterfactuals(classifiers, client, picture, target)
    except DatasetError as error:
        return {"counterfactuals": [], "no_counterfactuals": {"all": str(error)}}
    changes = []
    for number, one in enumerate(made.changes):
        name = f"change-{number}.png"
        write_file(folder / name, encode_png(_enlarge(one.image)))
        changes.append(one.to_json() | {"picture": f"faces/{folder.name}/{name}"})
    return {"counterfactuals": changes, "no_counterfactuals": dict(made.left_out)}


def _encode_maps(maps: Mapping[str, npt.NDArray[np.float32]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: sum_channels(one[None])[0].astype(np.float32) for name, one in maps.items()})
    return buffer.getvalue()


def _name_term(term: str) -> str:
    try:
        return f"{find_term(term).term.label} ({term})"
    except LabelError:
        return term


def _draw_regions(pixels: Pixels, regions: Masks) -> Pixels:
    """Draw the outlines of regions over a face."""
    drawn = np.ascontiguousarray(pixels).copy()
    for region, mask in regions.items():
        if region != "outside":
            outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(drawn, outlines, -1, (255, 255, 0), 1)
    return drawn


def _average_layers(classifier: Classifier, pixels: Pixels) -> dict[str, Pixels]:
    """Draw the averages of the activations of one classifier by layer."""
    images = to_network_input(torch.from_numpy(np.array(resize_face(pixels, classifier.config.size)))[None])
    layers = average_activations(classifier.network, images.contiguous())
    return {name: draw_map(pixels, maps.expand(3, -1, -1).numpy()) for name, maps in layers.items()}


def _enlarge(picture: Pixels) -> Pixels:
    times = -(-_SIDE // len(picture))
    return picture if times == 1 else np.repeat(np.repeat(picture, times, axis=0), times, axis=1)
