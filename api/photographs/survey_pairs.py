"""Pairs of pictures of a survey pack: computed, stored until the pack is complete, and read back for its archive.

This module needs PyTorch. `api.photographs.survey_pack_job` imports it when the first pair is made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch

from api.operations.file_stores import Files
from api.photographs.records import PackRecord
from core.errors import DirectionError
from editing.face_editor import FaceEditor, SmileEdit
from editing.latent_editor import Edit
from editing.survey_pack import LeftOut, StimulusPair, edit_for_survey, make_pair, pack_bytes
from editing.survey_plan import Person, plan_survey
from faces.images import Pixels, encode_png, read_image, to_tensor
from faces.measures.judges import JudgeReading
from inversion.result import Inversion

_LEAST_PEOPLE: Final = 2


@dataclass(frozen=True)
class PackContent:
    """Content of a survey pack.

    Attributes:
        people: people who are shown, in the order of the request.
        pairs: their pictures, by photograph.
        left_out: photographs that are not shown, with the reasons.
    """

    people: list[Person]
    pairs: Mapping[str, StimulusPair]
    left_out: list[LeftOut]

    def make_archive(self, seed: int) -> bytes:
        """Return the zip file of the pack, in the order that follows from a seed."""
        return pack_bytes(plan_survey(self.people, seed), self.pairs, self.left_out)


def compute_pair(editor: FaceEditor, photograph: Pixels, inversion: Inversion, pack: PackRecord) -> StimulusPair:
    """Edit the face of an aligned photograph and return its two pictures. Call it in the worker's thread."""
    asked = pack.asked
    how = SmileEdit(asked.get("apply"), local=asked.get("local", True))
    edit = edit_for_survey(editor, photograph, inversion, asked.get("smile"), asked["doubtful"], how)
    return make_pair(edit, editor.find)


def read_content(files: Files, folder: str, pack: PackRecord, read_reference: Callable[[str], str]) -> PackContent:
    """Read what `write_pair` wrote for each photograph of a pack.

    Args:
        read_reference: returns the owner's reference to a photograph.

    Raises:
        DirectionError: too few photographs can be shown.
    """
    people: list[Person] = []
    pairs: dict[str, StimulusPair] = {}
    left_out: list[LeftOut] = []
    for place, photo in enumerate(pack.photos):
        pair, reference = _read_pair(files, folder, place), read_reference(photo)
        if isinstance(pair, StimulusPair):
            pairs[photo] = pair
            people.append(Person(photo, pack.asked["groups"].get(photo, ""), reference))
        else:
            left_out.append(LeftOut(photo, pair, reference))
    if len(people) < _LEAST_PEOPLE:
        summary = "; ".join(f"{one.photograph[:8]}: {one.reason}" for one in left_out[:10])
        raise DirectionError(
            f"{len(people)} of {len(pack.photos)} photographs can be shown; expected {_LEAST_PEOPLE} or more: "
            f"take other photographs, or set `doubtful` to accept doubtful ones ({summary})"
        )
    return PackContent(people, pairs, left_out)


def write_pair(files: Files, folder: str, place: int, pair: StimulusPair | str) -> None:
    """Write a pair, or the reason why there is none. The JSON file is written last, to show that both are complete."""
    fields: Mapping[str, Any]
    if isinstance(pair, StimulusPair):
        for name, picture in (("before", pair.before), ("after", pair.after)):
            files.write(f"{folder}/{place:04d}-{name}.png", encode_png(picture))
        edit = pair.edit
        fields = {
            "areas": pair.areas,
            "photograph_smile": pair.photograph_smile,
            "smile": edit.smile,
            "strength": edit.strength,
            "identity": edit.identity,
            "precision": edit.precision,
            "local": edit.local,
            "applied": edit.applied,
            "verdict": edit.verdict,
            "judged": [asdict(reading) for reading in pair.judged],
        }
    else:
        fields = {"left_out": pair}
    files.write(f"{folder}/{place:04d}.json", json.dumps(fields).encode())


def _read_pair(files: Files, folder: str, place: int) -> StimulusPair | str:
    """Read what `write_pair` wrote. Only the fields that a pack reports are set in the edit."""
    fields = json.loads(files.read(f"{folder}/{place:04d}.json"))
    if "left_out" in fields:
        return str(fields["left_out"])
    before, after = (read_image(files.read(f"{folder}/{place:04d}-{name}.png")) for name in ("before", "after"))
    edit = Edit(
        image=to_tensor(after),
        before=to_tensor(before),
        w=torch.empty(0),
        strength=fields["strength"],
        held={},
        smile=tuple(fields["smile"]),
        target=None,
        path=(),
        identity=fields["identity"],
        condition_kept=None,
        age_years=None,
        distance=(0.0, 0.0),
        precision=fields["precision"],
        local=fields.get("local", False),
        applied=fields.get("applied", "latent"),
        verdict=fields["verdict"],
    )
    areas = {name: tuple(area) for name, area in fields["areas"].items()}
    in_photograph, was, became = (JudgeReading(**reading) for reading in fields["judged"])
    judged = (in_photograph, was, became)
    return StimulusPair(before, after, edit, fields["photograph_smile"], judged, areas)
