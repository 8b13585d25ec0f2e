"""Survey pack: pairs of pictures of each person, and the folder with two versions of a survey and their key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import cv2
import numpy as np
from torch import Tensor

from core.atomic_files import check_new
from core.csv_reports import format_csv
from core.errors import DirectionError
from core.formats.archives import open_sink, zip_bytes
from core.formats.face_areas import AREAS, Area, find_areas, unite_areas
from editing.face_editor import SMILE_EDIT, FaceEditor, SmileEdit
from editing.face_readers import FindLandmarks
from editing.latent_editor import NOTICE, OPPOSITE, Edit
from editing.survey_plan import Stimulus, Version
from faces.contact_sheets import contact_sheet
from faces.images import Pixels, encode_png, to_tensor, to_uint8
from faces.measures.judges import JudgeReading
from inversion.quality import Quality
from inversion.result import Inversion

MARK: Final = "Edited image, no photograph"
"""Mark in the metadata of every stimulus, whether reconstructed or edited."""

_LOST_SMILE: Final = 0.1
"""Difference of the smile between a photograph and its reconstruction above which the expression counts as lost."""

_JUDGED_AGAINST: Final = 0.5
"""Change of a judge's probability of a smile that speaks against an edit that goes the other way."""

_VERSIONS: Final[tuple[Version, ...]] = ("A", "B")


Judged: TypeAlias = tuple[JudgeReading, JudgeReading, JudgeReading]
"""Readings of the photograph, and of the face before and after its edit."""


@dataclass(frozen=True)
class StimulusPair:
    """Two pictures of one person, from one inversion.

    Attributes:
        before, after: uint8 (h, h, 3): as reconstructed, and edited.
        edit: from one to the other.
        photograph_smile: read from the photograph itself.
        judged: readings of independent judges of the photograph, and of the face before and after.
        areas: areas of interest by name, the same for both.
    """

    before: Pixels
    after: Pixels
    edit: Edit
    photograph_smile: float
    judged: Judged
    areas: Mapping[str, Area]


@dataclass(frozen=True)
class SurveyEdit:
    """Edit of a face for a survey, the smile on its photograph, and readings of judges (see StimulusPair)."""

    edit: Edit
    photograph_smile: float
    judged: Judged


@dataclass(frozen=True)
class Answer:
    """Line of the answer key: `editing.survey_plan.Stimulus`, and what was measured on its picture and its edit.

    The last fields are the readings of independent judges (`faces.measures.judges`), empty where none are installed.
    """

    version: str
    order: int
    file: str
    photograph: str
    source: str
    group: str
    edited: bool
    smile: float
    smile_photograph: float
    smile_before: float
    smile_after: float
    strength: float
    identity: float
    precision: str
    local: bool
    applied: str
    verdict: str
    judged_happy_photograph: float | None
    judged_happy_before: float | None
    judged_happy_after: float | None
    judged_age_photograph: float | None
    judged_age_before: float | None
    judged_age_after: float | None


@dataclass(frozen=True)
class InterestArea:
    """Line of the areas of interest, in pixels; the same for both pictures of a person."""

    version: str
    file: str
    area: str
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class LeftOut:
    """Photograph that is not in the survey: its name, why, and its source (see `editing.survey_plan.Person`)."""

    photograph: str
    reason: str
    source: str = ""


def edit_for_survey(
    face_editor: FaceEditor,
    photograph: Pixels,
    inversion: Inversion,
    smile: float | None = None,
    doubtful: bool = False,
    how: SmileEdit = SMILE_EDIT,
) -> SurveyEdit:
    """Edit one inverted face for a survey.

    Args:
        photograph: the aligned face uint8 (h, h, 3) that was inverted.
        smile: to reach, in [0, 1]; None takes the opposite of the smile on the photograph, one of OPPOSITE.
        doubtful: take it even where the inversion or the edit is doubtful; not where the inversion is out of domain,
            the edit is refused, or it goes against the photograph.
        how: the smile is changed.

    Raises:
        DirectionError: it cannot be shown, with the reasons.
        ConfigError: there are no directions for the generator.
    """
    face = _reduce_face(face_editor, photograph)
    shown = _read_smile(face_editor, face)
    target = OPPOSITE[shown < 0.5] if smile is None else smile
    edit = face_editor.edit_smile(inversion, target, how)
    _refuse_contradiction(shown, edit, target)
    in_photograph, before, after = face_editor.read_by_judges(face, edit.before, edit.image)
    reasons = [
        *_list_refusals(inversion.quality[0], edit, doubtful),
        *_list_contradictions(edit, before.happy, after.happy),
    ]
    if reasons:
        raise DirectionError("; ".join(reasons))
    return SurveyEdit(edit, shown, (in_photograph, before, after))


def _list_refusals(quality: Quality, edit: Edit, doubtful: bool) -> Iterator[str]:
    """List the reasons to leave an edit out of a survey."""
    if quality.verdict == "out of domain" or (quality.verdict == "doubtful" and not doubtful):
        yield f"the inversion is {quality.verdict} ({', '.join(quality.because)})"
    if edit.verdict == "refused" or (edit.verdict == "doubtful" and not doubtful):
        yield from edit.because


def _list_contradictions(edit: Edit, happy_before: float | None, happy_after: float | None) -> Iterator[str]:
    """Say if an independent judge of smiles sees the smile go the other way."""
    if happy_before is None or happy_after is None:
        return
    before, after = edit.smile
    if (after - before) * (happy_after - happy_before) < 0 and abs(happy_after - happy_before) > _JUDGED_AGAINST:
        yield (
            f"the smile goes from {before:.2f} to {after:.2f} by its landmarks, and from {happy_before:.2f} to "
            f"{happy_after:.2f} by the judge"
        )


def _reduce_face(face_editor: FaceEditor, photograph: Pixels) -> Tensor:
    side = face_editor.side
    return to_tensor(np.asarray(cv2.resize(photograph, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8))


def _read_smile(face_editor: FaceEditor, face: Tensor) -> float:
    smile = float(face_editor.reader(face).smile[0])
    if not np.isfinite(smile):
        raise DirectionError("no smile can be read from the photograph: no landmarks are found on it")
    return smile


def _refuse_contradiction(shown: float, edit: Edit, target: float) -> None:
    """Raise DirectionError if the reconstruction lost so much of the smile that the edit goes the other way.

    Both pictures of a pair are compared with what the photograph shows: a smiling person whose reconstruction rests
    would smile more in the edited picture, as the photograph did.
    """
    before, after = edit.smile
    opposed = (target - shown) * (after - before) < 0 or (target - shown) * (target - before) < 0
    if opposed and abs(before - shown) > _LOST_SMILE:
        raise DirectionError(
            f"the smile is {shown:.2f} on the photograph and {before:.2f} in its reconstruction, and goes to "
            f"{after:.2f}, against the photograph: its expression was lost by the inversion"
        )


def make_pair(survey_edit: SurveyEdit, find: FindLandmarks) -> StimulusPair:
    """Render the two pictures of an edit, and find the areas of interest that hold for both.

    Args:
        find: landmarks, as of `FaceEditor.find`.

    Raises:
        DirectionError: no landmarks are found in one of them.
    """
    edit = survey_edit.edit
    before, after = (to_uint8(picture)[0] for picture in (edit.before, edit.image))
    points = find(np.stack([before, after]))
    if np.isnan(points).any():
        raise DirectionError("no landmarks are found in both pictures")
    first, second = (find_areas(face) for face in points)
    height, width = before.shape[:2]
    areas = {name: unite_areas(first[name], second[name], width, height) for name in AREAS}
    return StimulusPair(before, after, edit, survey_edit.photograph_smile, survey_edit.judged, areas)


def write_pack(
    out: Path, planned: Sequence[Stimulus], pairs: Mapping[str, StimulusPair], left: Sequence[LeftOut] = ()
) -> None:
    """Write a survey pack; it appears whole or not at all.

    A/ and B/ hold the pictures and order.csv, areas.csv the areas of interest; key/ what must not be seen: answers.csv,
    pairs.png and left-out.csv.

    Args:
        out: a folder that is not there yet; a name that ends in .zip makes a zip of it.
        planned: by `editing.survey_plan.plan_survey`.
        pairs: by the name of the person.

    Raises:
        DatasetError: something of that name is there already.
    """
    check_new(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    sink = open_sink(out)
    try:
        for name, data in _generate_files(planned, pairs, left):
            sink.write(name, data)
        sink.commit()
    except BaseException:
        sink.discard()
        raise


def pack_bytes(planned: Sequence[Stimulus], pairs: Mapping[str, StimulusPair], left: Sequence[LeftOut] = ()) -> bytes:
    """Return the zip that `write_pack` writes."""
    return zip_bytes(_generate_files(planned, pairs, left))


def _generate_files(
    planned: Sequence[Stimulus], pairs: Mapping[str, StimulusPair], left: Sequence[LeftOut]
) -> Iterator[tuple[str, bytes]]:
    """Generate the names and bytes of a pack's files."""
    for stimulus in planned:
        pair = pairs[stimulus.person.name]
        picture = pair.after if stimulus.edited else pair.before
        yield f"{stimulus.version}/{_file_name(stimulus)}", encode_png(picture, {"Comment": MARK})
    for version in _VERSIONS:
        files = [_file_name(stimulus) for stimulus in planned if stimulus.version == version]
        yield f"{version}/order.csv", "".join(f"{line}\n" for line in ["file", *files]).encode()
    areas = [
        InterestArea(one.version, _file_name(one), name, *area)
        for one in planned
        for name, area in pairs[one.person.name].areas.items()
    ]
    yield "areas.csv", format_csv(areas).encode()
    answers = [_make_answer(stimulus, pairs[stimulus.person.name]) for stimulus in planned]
    yield "key/answers.csv", format_csv(answers).encode()
    rows = [[pair.before, pair.after] for pair in pairs.values()]
    sheet = contact_sheet(rows, row_titles=list(pairs), column_titles=["as reconstructed", "edited"], footer=NOTICE)
    yield "key/pairs.png", encode_png(sheet)
    if left:
        yield "key/left-out.csv", format_csv(left).encode()


def _file_name(stimulus: Stimulus) -> str:
    return f"{stimulus.code}.png"


def _make_answer(stimulus: Stimulus, pair: StimulusPair) -> Answer:
    edit = pair.edit
    before, after = edit.smile
    return Answer(
        version=stimulus.version,
        order=stimulus.order,
        file=_file_name(stimulus),
        photograph=stimulus.person.name,
        source=stimulus.person.source,
        group=stimulus.person.group,
        edited=stimulus.edited,
        smile=after if stimulus.edited else before,
        smile_photograph=pair.photograph_smile,
        smile_before=before,
        smile_after=after,
        strength=edit.strength if stimulus.edited else 0.0,
        identity=edit.identity if stimulus.edited else 0.0,
        precision=edit.precision,
        local=edit.local,
        applied=edit.applied,
        verdict=edit.verdict,
        **_name_readings(pair.judged),
    )


def _name_readings(judged: Judged) -> dict[str, float | None]:
    shown = dict(zip(("photograph", "before", "after"), judged, strict=True))
    return {f"judged_happy_{where}": reading.happy for where, reading in shown.items()} | {
        f"judged_age_{where}": reading.age_years for where, reading in shown.items()
    }
