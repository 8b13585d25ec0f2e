"""What a classifier goes by: how its probability of the true condition moves when only the expression changes.

OUT/faces/KEY-VIEW.png   what the service made of each face: `reconstructed`, `smile` and `rest`
OUT/probe.json           the result
OUT/sheet.png            a face a row: as it was sent, and those three
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from api.client import Client, JobError, ServiceError
from faces.errors import DatasetError
from faces.images import encode_png, read_image, write_file
from recognition.ensemble import Ensemble
from recognition.samples import Samples
from recognition.seen import Seen
from recognition.stack import Stack, stacked
from recognition.statistics import Interval, Sampling, holm, mean_interval, permutation_p

SMILES: Final = {"smile": 0.8, "rest": 0.2}
"""The smiles that faces are edited to, from 0 to 1."""

UNEDITED: Final = "reconstructed"
CHANGES: Final[Mapping[str, tuple[str, str]]] = {
    "to a smile": (UNEDITED, "smile"),
    "to rest": (UNEDITED, "rest"),
    "rest to smile": ("rest", "smile"),
}
"""From one picture of a face to another; artefacts are alike in both."""

_REFUSED: Final = frozenset({413, 415, 422})  # of the picture; all else is the service's trouble
_SHEET_ROWS: Final = 24


@dataclass(frozen=True)
class Effect:
    """A change of the expression, on the faces of one condition.

    Attributes:
        condition: the true one.
        change: one of CHANGES.
        faces: how many.
        before: mean probability of the true condition.
        difference: mean of after - before, with its interval.
        p: of the permutation test, two-sided; after Holm's correction over the conditions.
    """

    condition: str
    change: str
    faces: int
    before: float
    difference: Interval
    p: float


@dataclass(frozen=True)
class Probe:
    """What a probe found.

    Attributes:
        left_out: why the service could not use a face, by its key.
    """

    faces: int
    left_out: Mapping[str, str]
    effects: tuple[Effect, ...]


def probe(
    ensemble: Ensemble,
    faces: Samples,
    client: Client,
    out: Path,
    *,
    model: str | None = None,
    on_face: Callable[[], None] = lambda: None,
    sampling: Sampling | None = None,
) -> Probe:
    """Have faces edited by the service to a smile and to rest, and ask the ensemble what it takes them for.

    The service forgets each face when its pictures are here. Interrupted, the same call goes on.

    Args:
        ensemble: has seen none of the faces.
        faces: aligned, as the service's model was shown them; each is counted as a person of its own.
        model: of the service; None takes its first.
        on_face: called after each.

    Raises:
        DatasetError: faces that were seen by the ensemble or the model, or none that the service can use.
        ServiceError: the service is gone, or fails.
    """
    ensemble.seen().refuse(faces)
    name = model or str(client.models()[0]["name"])
    Seen.of_model(client, name).refuse(faces)
    left_out: dict[str, str] = {}
    for place, sample in enumerate(faces.samples):
        files = _files(out, sample.key)
        if not all(path.exists() for path in files.values()):
            try:
                for view, picture in _edited(client, encode_png(faces.image(place)), name).items():
                    write_file(files[view], picture)
            except _RefusedError as error:
                left_out[sample.key] = str(error)
        on_face()
    kept = [place for place, sample in enumerate(faces.samples) if sample.key not in left_out]
    if not kept:
        raise DatasetError(
            f"the service could use none of {len(faces)} faces ({next(iter(left_out.values()), 'there are none')}); "
            "expected aligned faces like those that its model was shown"
        )
    shown = stacked(faces, faces.image(kept[0]).shape[0]).subset(kept)
    views = {view: _view(shown, out, view) for view in (UNEDITED, *SMILES)}
    said = {view: _of_truth(ensemble, stack) for view, stack in views.items()}
    found = Probe(len(kept), left_out, tuple(_effects(shown, said, sampling)))
    _write_sheet(out / "sheet.png", [shown, *views.values()])
    write_file(out / "probe.json", json.dumps(asdict(found), indent=1).encode())
    return found


def first_of_each(faces: Samples, each: int) -> Samples:
    """The first faces of each condition, so many or as many as there are."""
    places = {
        name: [place for place, sample in enumerate(faces.samples) if sample.condition == name]
        for name in faces.classes
    }
    return faces.subset(place for of_condition in places.values() for place in of_condition[:each])


class _RefusedError(Exception):
    """The service cannot use this face."""


def _edited(client: Client, png: bytes, model: str) -> dict[str, bytes]:
    """A face without an edit and with each expression."""
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


def _files(out: Path, key: str) -> dict[str, Path]:
    return {view: out / "faces" / f"{key[:32]}-{view}.png" for view in (UNEDITED, *SMILES)}


def _view(faces: Stack, out: Path, view: str) -> Stack:
    """The same faces as the service made them."""
    pictures = [read_image(_files(out, sample.key)[view]) for sample in faces.samples]
    return Stack(faces.classes, faces.samples, torch.from_numpy(np.stack(pictures)), faces.labels)


def _of_truth(ensemble: Ensemble, faces: Stack) -> npt.NDArray[np.float64]:
    """(faces,) probability of the true condition."""
    found = ensemble.predict(faces)
    of_truth: npt.NDArray[np.float64] = found.probabilities[np.arange(len(found)), found.truths]
    return of_truth


def _effects(faces: Stack, said: Mapping[str, npt.NDArray[np.float64]], sampling: Sampling | None) -> Sequence[Effect]:
    conditions = np.array([sample.condition for sample in faces.samples], dtype=object)
    found: list[Effect] = []
    for change, (before, after) in CHANGES.items():
        of_change = []
        for condition in faces.classes:
            inside = np.flatnonzero(conditions == condition)
            if inside.size:
                moved, each = (said[after] - said[before])[inside], [str(place) for place in inside]
                mean = mean_interval(moved, each, sampling), permutation_p(moved, each, sampling)
                of_change.append(Effect(condition, change, int(inside.size), float(said[before][inside].mean()), *mean))
        corrected = holm([one.p for one in of_change])
        found += [Effect(**vars(one) | {"p": p}) for one, p in zip(of_change, corrected, strict=True)]
    return found


def _write_sheet(path: Path, views: Sequence[Stack]) -> None:
    """The first faces, evenly over all, a face a row."""
    rows = np.unique(np.linspace(0, len(views[0]) - 1, _SHEET_ROWS).round().astype(int))
    columns = [torch.cat([view.pixels[row] for row in rows]) for view in views]
    write_file(path, encode_png(torch.cat(columns, dim=1).numpy()))
