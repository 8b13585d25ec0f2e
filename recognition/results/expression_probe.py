"""Probe for the influence of the expression: how the probability of the true condition changes with it.

OUT/faces/KEY-VIEW.png   pictures that the service made of each face: `reconstructed`, `smile` and `rest`
OUT/probe.json           the result
OUT/sheet.png            one face a row: as it was sent, and those three
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from core.atomic_files import write_file
from core.errors import DatasetError
from core.statistics.multiple_tests import holm
from faces.images import encode_png, read_image
from gestaltgen_client import Client, JobError, ServiceError
from recognition.ensemble import Ensemble
from recognition.images.image_stack import Stack, stack_images
from recognition.images.leakage import TrainingRecord
from recognition.images.samples import Samples
from recognition.statistics import Interval, Sampling, mean_interval, permutation_p

SMILES: Final = {"smile": 0.8, "rest": 0.2}
"""The smiles that faces are edited to, from 0 to 1."""

UNEDITED: Final = "reconstructed"
CHANGES: Final[Mapping[str, tuple[str, str]]] = {
    "to a smile": (UNEDITED, "smile"),
    "to rest": (UNEDITED, "rest"),
    "rest to smile": ("rest", "smile"),
}
"""Pairs of pictures of a face that are compared; both have the same kind of artefacts."""

Floats: TypeAlias = npt.NDArray[np.float64]

_REFUSED: Final = frozenset({413, 415, 422})  # status codes about the picture; all others are failures of the service
_SHEET_ROWS: Final = 24


@dataclass(frozen=True)
class ProbeEffect:
    """Effect of a change of the expression on one ensemble, for the faces of one condition.

    Attributes:
        run: name of the ensemble.
        condition: the true condition.
        change: one of CHANGES.
        faces: number of faces.
        before: mean probability of the true condition.
        difference: mean of after - before, with its interval.
        p: two-sided p-value of the permutation test, after Holm's correction over the conditions.
        less_control: the difference less that of the first ensemble on the same pictures; None for the first itself.
        p_control: p-value of that difference, in the same way.
    """

    run: str
    condition: str
    change: str
    faces: int
    before: float
    difference: Interval
    p: float
    less_control: Interval | None = None
    p_control: float | None = None


@dataclass(frozen=True)
class ProbeResult:
    """Result of a probe.

    Attributes:
        faces: number of faces that were used.
        left_out: reason why the service could not use a face, by the key of the face.
        effects: effect on each run, for each change and condition.
    """

    faces: int
    left_out: Mapping[str, str]
    effects: tuple[ProbeEffect, ...]


def probe_expression(
    ensembles: Mapping[str, Ensemble],
    faces: Samples,
    client: Client,
    out: Path,
    *,
    model: str | None = None,
    on_face: Callable[[], None] = lambda: None,
    sampling: Sampling | None = None,
) -> ProbeResult:
    """Let the service edit faces to a smile and to rest, and measure how the probabilities of ensembles change.

    An edit changes more than the expression, so a probability may change for another reason. The difference between two
    ensembles on the same pictures has no such cause: give a control first, which cannot use the smile.

    Each face is erased from the service when its pictures have arrived. If interrupted, the same call continues.

    Args:
        ensembles: ensembles by name; the first is the control. None of them has seen the faces.
        faces: faces aligned like those that the service's model was trained on; each counts as a person of its own.
        model: model of the service; None takes its first.
        on_face: called after each face.

    Raises:
        DatasetError: faces that were seen by an ensemble or the model, or none that the service can use.
        ServiceError: the service is gone, or fails.
    """
    for ensemble in ensembles.values():
        ensemble.combined_record().refuse(faces)
    name = model or str(client.models()[0]["name"])
    TrainingRecord.of_model(client, name).refuse(faces)
    left_out = _edit_missing_faces(faces, client, name, out, on_face)
    kept = [place for place, sample in enumerate(faces.samples) if sample.key not in left_out]
    if not kept:
        raise DatasetError(
            f"the service could use none of {len(faces)} faces ({next(iter(left_out.values()), 'there are none')}); "
            "expected aligned faces like those that its model was shown"
        )
    shown = stack_images(faces, faces.image(kept[0]).shape[0]).subset(kept)
    views = {view: _read_view(shown, out, view) for view in (UNEDITED, *SMILES)}
    effects = _measure_ensembles(ensembles, shown, views, sampling)
    _write_sheet(out / "sheet.png", [shown, *views.values()])
    result = ProbeResult(len(kept), left_out, tuple(effects))
    write_file(out / "probe.json", json.dumps(asdict(result), indent=1).encode())
    return result


def _edit_missing_faces(
    faces: Samples, client: Client, model: str, out: Path, on_face: Callable[[], None]
) -> dict[str, str]:
    """Let the service edit the faces whose pictures a folder does not hold; return why faces were refused, by key."""
    left_out: dict[str, str] = {}
    for place, sample in enumerate(faces.samples):
        files = _picture_paths(out, sample.key)
        if not all(path.exists() for path in files.values()):
            try:
                for view, picture in _edit_face(client, encode_png(faces.image(place)), model).items():
                    write_file(files[view], picture)
            except _RefusedError as error:
                left_out[sample.key] = str(error)
        on_face()
    return left_out


def _measure_ensembles(
    ensembles: Mapping[str, Ensemble], shown: Stack, views: Mapping[str, Stack], sampling: Sampling | None
) -> list[ProbeEffect]:
    """Measure how probabilities change between the views, of the first ensemble and of the others against it."""
    moves: dict[str, dict[str, Floats]] = {}
    effects: list[ProbeEffect] = []
    for run, ensemble in ensembles.items():
        said = {view: ensemble.predict(stack).of_truth for view, stack in views.items()}
        moves[run] = {change: said[after] - said[before] for change, (before, after) in CHANGES.items()}
        for change, (before, _) in CHANGES.items():
            control = None if len(moves) == 1 else next(iter(moves.values()))[change]
            effects += _measure_effects(run, change, shown, said[before], moves[run][change], control, sampling)
    return effects


def take_first_of_each(faces: Samples, each: int) -> Samples:
    """Take the first faces of each condition: `each` of them, or as many as there are."""
    places = {
        name: [place for place, sample in enumerate(faces.samples) if sample.condition == name]
        for name in faces.classes
    }
    return faces.subset(place for of_condition in places.values() for place in of_condition[:each])


class _RefusedError(Exception):
    """Raised when the service cannot use a face."""


def _edit_face(client: Client, png: bytes, model: str) -> dict[str, bytes]:
    """Return a face as the service reconstructs it, and with each expression."""
    try:
        photo = client.send_photo(png, consent="none: a test face", purpose="research", model=model, aligned=True)
    except ServiceError as error:
        if error.status not in _REFUSED:
            raise
        raise _RefusedError(str(error)) from error
    try:
        photo = photo.wait()
        edits = {view: photo.edit(smile=smile).wait() for view, smile in SMILES.items()}
        return {UNEDITED: edits["smile"].before(), **{view: edit.image() for view, edit in edits.items()}}
    except JobError as error:
        raise _RefusedError(str(error)) from error
    finally:
        photo.erase()


def _picture_paths(out: Path, key: str) -> dict[str, Path]:
    """Return the file of each view of a face."""
    return {view: out / "faces" / f"{key[:32]}-{view}.png" for view in (UNEDITED, *SMILES)}


def _read_view(faces: Stack, out: Path, view: str) -> Stack:
    """Read the pictures that the service made of the faces, in one view."""
    pictures = [read_image(_picture_paths(out, sample.key)[view]) for sample in faces.samples]
    return Stack(faces.classes, faces.samples, torch.from_numpy(np.stack(pictures)), faces.labels)


def _measure_effects(
    run: str,
    change: str,
    faces: Stack,
    before: Floats,
    moved: Floats,
    control: Floats | None,
    sampling: Sampling | None,
) -> list[ProbeEffect]:
    """Measure the effect of one change on one ensemble, for each condition that has faces."""
    conditions = np.array([sample.condition for sample in faces.samples], dtype=object)
    inside = {name: np.flatnonzero(conditions == name) for name in faces.classes if (conditions == name).any()}
    differences, ps = _test_values({name: moved[places] for name, places in inside.items()}, sampling)
    found = [
        ProbeEffect(run, name, change, len(places), float(before[places].mean()), differences[name], ps[name])
        for name, places in inside.items()
    ]
    if control is None:
        return found
    beyond, p_beyond = _test_values({name: (moved - control)[places] for name, places in inside.items()}, sampling)
    return [replace(one, less_control=beyond[one.condition], p_control=p_beyond[one.condition]) for one in found]


def _test_values(
    values: Mapping[str, Floats], sampling: Sampling | None
) -> tuple[dict[str, Interval], dict[str, float]]:
    """Return, for each condition, the mean with its interval, and p after Holm's correction."""
    faces = {name: [str(place) for place in range(len(of))] for name, of in values.items()}
    means = {name: mean_interval(of, faces[name], sampling) for name, of in values.items()}
    ps = holm([permutation_p(of, faces[name], sampling) for name, of in values.items()])
    return means, dict(zip(values, ps, strict=True))


def _write_sheet(path: Path, views: Sequence[Stack]) -> None:
    """Write a sheet of faces at even distances through all of them, one face a row."""
    rows = np.unique(np.linspace(0, len(views[0]) - 1, _SHEET_ROWS).round().astype(int))
    columns = [torch.cat([view.pixels[row] for row in rows]) for view in views]
    write_file(path, encode_png(torch.cat(columns, dim=1).numpy()))
