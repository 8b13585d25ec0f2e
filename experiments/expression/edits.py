"""Edits by the service, as a user would ask for them: each face is reconstructed, and edited to a smile and to rest.

OUT/edited/SET/NNNN-VIEW.png   pictures of a face
OUT/edited/SET/NNNN.json       answer of the service about it; written last, so a face that has it is done
OUT/edited/generator.json      record of the generator's training images
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
import typer

from core.atomic_files import write_file
from core.errors import GestaltError
from editing.latent_editor import TOLERANCE
from experiments.expression.views import RECONSTRUCTION, SMILE, TARGETS
from experiments.processes import SideProcess
from faces.images import encode_png, pixels_key, read_image
from gestaltgen_client import Client, Edit, JobError, Photo, ServiceError
from recognition.images.image_stack import Stack
from recognition.images.leakage import TrainingRecord
from recognition.images.samples import Sample, Samples, load_real_samples

_REFUSED: Final = frozenset({413, 415, 422})  # status codes about the picture; all others are failures of the service
_WAIT_S: Final = 30.0
_TIMEOUT_S: Final = 300.0
_TELL_EVERY: Final = 20
_Work = TypeVar("_Work", Photo, Edit)


@dataclass(frozen=True)
class EditAnswer:
    """Answer of the service about one face.

    Attributes:
        refused: reason why there are no pictures of it; None if there are all.
        quality: quality of its reconstruction.
        edits: result of each edit, by name of the view.
    """

    refused: str | None = None
    quality: Mapping[str, Any] = field(default_factory=dict)
    edits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """True if the service rates the reconstruction and both edits as good."""
        return self.refused is None and all(one["verdict"] == "good" for one in (self.quality, *self.edits.values()))


class _FaceRefusedError(Exception):
    """Raised when the service cannot use a face."""


def locate_pictures(out: Path, data: str) -> Path:
    """Return the folder of the pictures of a data set's faces."""
    return out / "edited" / Path(data).stem


def describe_process(out: Path, service: str, counts: Mapping[str, int]) -> SideProcess:
    """Describe the process that sends the faces of some data sets, a number of faces for each."""
    command = (sys.executable, "-m", "experiments.expression.edits", str(out), service, *counts)
    done = all(
        (locate_pictures(out, data) / f"{index:04d}.json").exists() for data, n in counts.items() for index in range(n)
    )
    return SideProcess("edits through the service", command, out / "edited" / "log.txt", done)


def edit_faces(data: Path, folder: Path, client: Client) -> None:
    """Send the faces that were not sent yet; every picture is on the disk before the next face is sent.

    Raises:
        ServiceError: the service is gone, or fails; the same call continues.
        DatasetError: the generator was trained on one of these faces.
    """
    faces = load_real_samples(data)
    seen = TrainingRecord.of_model(client, client.models()[0]["name"])
    seen.refuse(faces)
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder.parent / "generator.json", json.dumps(seen.to_json()).encode())
    missing = [index for index in range(len(faces)) if not (folder / f"{index:04d}.json").exists()]
    began = time.monotonic()
    for done, index in enumerate(missing, 1):
        answer = _send_face(client, encode_png(faces.image(index)), folder / f"{index:04d}")
        write_file(folder / f"{index:04d}.json", json.dumps(asdict(answer)).encode())
        if done % _TELL_EVERY == 0 or done == len(missing):
            each = (time.monotonic() - began) / done
            left = each * (len(missing) - done)
            print(f"{data.name}: {done} of {len(missing)}, {each:.1f} s each, {left:.0f} s left", flush=True)


def read_answers(folder: Path, count: int) -> list[EditAnswer]:
    """Read the answer about each face, in the order of the data set."""
    return [EditAnswer(**json.loads((folder / f"{index:04d}.json").read_bytes())) for index in range(count)]


def read_view(faces: Samples, folder: Path, wanted: Sequence[tuple[int, str]]) -> Stack:
    """Read pictures that the service made, with the labels and persons of the faces that they show.

    Args:
        faces: faces that were sent.
        folder: folder of their pictures.
        wanted: index of a face, and name of the view.
    """
    samples, pixels = [], []
    for place, view in wanted:
        image, of = read_image(folder / f"{place:04d}-{view}.png"), faces.samples[place]
        samples.append(Sample(pixels_key(image), of.label, of.condition, of.age_group, of.person, synthetic=True))
        pixels.append(torch.from_numpy(image))
    labels = torch.tensor([sample.label for sample in samples], dtype=torch.float32)
    return Stack(faces.classes, tuple(samples), torch.stack(pixels), labels)


def select_persons(stack: Stack, persons: set[str]) -> Stack:
    """Select the pictures of some persons, so that an edited face is in the same part as its person."""
    return stack.subset(index for index, sample in enumerate(stack.samples) if sample.person in persons)


def summarise_answers(answers: Sequence[EditAnswer]) -> dict[str, Any]:
    """Count refusals, verdicts with their reasons, and edits that reached their target; nothing is left out."""
    usable = [one for one in answers if one.refused is None]
    counts: dict[str, Any] = {
        "faces": len(answers),
        "refused": dict(Counter(_remove_numbers(str(one.refused)) for one in answers if one.refused is not None)),
        "good throughout": sum(one.good for one in usable),
        RECONSTRUCTION: _count_verdicts([one.quality for one in usable]),
    }
    for view, target in TARGETS.items():
        results = [one.edits[view] for one in usable]
        smiles = [float("nan") if one["smile_after"] is None else float(one["smile_after"]) for one in results]
        counts[view] = {
            "target": target,
            "arrived": sum(abs(smile - target) <= TOLERANCE for smile in smiles),
            "mean smile": round(sum(smiles) / max(1, len(smiles)), 3),
            **_count_verdicts(results),
        }
    return counts


def _count_verdicts(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "verdicts": dict(Counter(str(one["verdict"]) for one in results)),
        "because": dict(Counter(_remove_numbers(reason) for one in results for reason in one["because"]).most_common()),
    }


def _remove_numbers(reason: str) -> str:
    """Remove the numbers of a face from a reason."""
    return re.sub(r"-?\d+(\.\d+)?", "…", reason)


def _send_face(client: Client, png: bytes, stem: Path) -> EditAnswer:
    """Let the service edit one face, fetch the pictures, and erase the face there."""
    try:
        photo = client.send_photo(
            png, consent="none: a drawing", purpose="expression experiment", aligned=True, wait_s=_WAIT_S
        )
    except ServiceError as error:
        if error.status not in _REFUSED:
            raise
        return EditAnswer(refused=str(error))
    try:
        photo = _wait_for(photo)
        edits = {view: _wait_for(photo.edit(smile=smile, wait_s=_WAIT_S)) for view, smile in TARGETS.items()}
        pictures = {view: edit.image() for view, edit in edits.items()} | {RECONSTRUCTION: edits[SMILE].before()}
        for view, picture in pictures.items():
            write_file(stem.with_name(f"{stem.name}-{view}.png"), picture)
        return EditAnswer(None, photo.quality or {}, {view: edit.result or {} for view, edit in edits.items()})
    except _FaceRefusedError as error:
        return EditAnswer(refused=str(error))
    finally:
        photo.erase()


def _wait_for(work: _Work) -> _Work:
    try:
        return work.wait(timeout_s=_TIMEOUT_S)
    except JobError as error:
        now = work.refresh()
        if now.state != "failed":
            raise  # cancelled: nothing is wrong with the face
        raise _FaceRefusedError(f"{now.what}: {now.error or 'failed'}") from error


def edit_all(out: Path, service: str, data: Sequence[str]) -> None:
    """Send the faces of some data sets, one after the other."""
    with Client(service) as client:
        for name in data:
            edit_faces(out / name, locate_pictures(out, name), client)


def main(out: Path, service: str, data: list[str]) -> None:
    """Send the faces of some data sets of the experiment in a folder."""
    try:
        edit_all(out, service, data)
    except (GestaltError, ServiceError, TimeoutError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    typer.run(main)
