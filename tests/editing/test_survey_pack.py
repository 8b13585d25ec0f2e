from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from core.errors import ConfigError, DatasetError, DirectionError
from core.formats.face_areas import AREAS
from editing import survey_pack
from editing.direction_file import Directions
from editing.face_editor import EditorFiles, FaceEditor
from editing.latent_editor import OPPOSITE
from editing.survey_pack import MARK, LeftOut, StimulusPair, SurveyEdit, edit_for_survey, make_pair, write_pack
from editing.survey_plan import Person, plan_survey
from faces.detect import FaceDetector
from faces.images import Pixels, read_image, to_tensor, to_uint8
from faces.measures.distances import Features
from faces.measures.judges import JudgeReading, Judges
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from inversion.quality import Judge, Quality
from inversion.result import Inversion
from studies.packs.survey_packs import read_survey_pack
from tests.editing import bright
from tests.inversion.tiny import shared_generator

PEOPLE = [Person("p0", "WS", "p0.png"), Person("p1", "WS", "second/p1.png"), Person("p2", "other")]


@pytest.fixture
def face_editor(detector: FaceDetector) -> FaceEditor:
    """One in which brightness is a smile."""
    editor, smile = bright.editor(), replace(bright.brightness(), flags=())
    known = Directions("", {"smile": smile}, editor.region, 100 * editor.apart)
    return FaceEditor(EditorFiles(Path("tiny")), shared_generator(), None, Judge(), detector, bright.read, find, known)


def find(images: Pixels) -> Features:
    """A mouth that the edit moves down by a pixel, near the left border."""
    points = draw_phantom(nth_phantom(3, 0), 64).landmarks
    points = points - [points[48:, 0].min(), 0]
    down = np.array([0, 1])
    return np.stack([points + at * down for at in range(len(images))])


def face(seed: int, **quality: object) -> Inversion:
    return replace(bright.face(seed), quality=(Quality(l2=0.01, **quality),))  # type: ignore[arg-type]


@pytest.fixture
def pairs(face_editor: FaceEditor) -> dict[str, StimulusPair]:
    return {
        person.name: make_pair(edit_face(face_editor, face(at), 0.5, doubtful=True), find)
        for at, person in enumerate(PEOPLE)
    }


def lines(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def edit_face(face_editor: FaceEditor, face: Inversion, smile: float | None = None, **options: bool) -> SurveyEdit:
    """Edit a face whose photograph its reconstruction equals."""
    photograph = to_uint8(face.reconstruction)[0]
    return edit_for_survey(face_editor, photograph, face, smile, **options)


def test_a_face_goes_to_the_opposite_of_its_smile_or_where_it_is_told(face_editor: FaceEditor) -> None:
    for seed in (5, 10, 12):
        made = edit_face(face_editor, face(seed), doubtful=True)
        assert made.photograph_smile == pytest.approx(made.edit.smile[0], abs=0.01)
        assert made.edit.target == OPPOSITE[made.edit.smile[0] < 0.5]
        assert edit_face(face_editor, face(seed), 0.4, doubtful=True).edit.target == 0.4


def test_the_opposite_is_that_of_the_photograph_and_edits_against_it_are_refused(face_editor: FaceEditor) -> None:
    """Brightness is a smile here: a photograph that is brighter or darker than its reconstruction."""
    one = face(10)
    before = float(face_editor.reader(one.reconstruction).smile[0])
    other = to_uint8(one.reconstruction + (0.5 if before < 0.5 else -0.5))[0]
    shown = float(face_editor.reader(to_tensor(other)).smile[0])
    assert (shown < 0.5) != (before < 0.5)
    made = edit_for_survey(face_editor, other, one, doubtful=True)
    assert made.photograph_smile == pytest.approx(shown)
    assert made.edit.target == OPPOSITE[shown < 0.5]
    # Between the two the edit goes from the reconstruction to where the photograph comes from.
    with pytest.raises(DirectionError, match="against the photograph"):
        edit_for_survey(face_editor, other, one, (shown + before) / 2, doubtful=True)


def test_what_is_doubtful_is_not_shown_unless_it_is_asked_for(face_editor: FaceEditor) -> None:
    assert edit_face(face_editor, face(10, verdict="good"), 0.5).edit.verdict == "good"
    lost = face(10, verdict="doubtful", because=("identity",))
    with pytest.raises(DirectionError):
        edit_face(face_editor, lost, 0.5)
    assert edit_face(face_editor, lost, 0.5, doubtful=True).edit.verdict == "good"
    assert face_editor.known is not None
    near = replace(face_editor, known=replace(face_editor.known, apart=1e-4))
    with pytest.raises(DirectionError):
        edit_face(near, face(10, verdict="good"), 0.3)
    assert edit_face(near, lost, 0.3, doubtful=True).edit.verdict == "doubtful"
    with pytest.raises(ConfigError, match="no directions are shipped for tiny"):
        edit_face(replace(face_editor, known=None), face(10))


def test_nothing_shows_a_face_that_is_out_of_domain_or_spoilt_by_its_edit(
    face_editor: FaceEditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DirectionError):
        edit_face(face_editor, face(10, verdict="out of domain"), 0.5, doubtful=True)
    monkeypatch.setattr("editing.face_integrity.LEAST_SHARPNESS", 100.0)
    with pytest.raises(DirectionError):
        edit_face(face_editor, face(10, verdict="good"), 0.5, doubtful=True)


class TurnedJudges:
    """Judges who see a smile where it is dark, and brightness is a smile here."""

    def read(self, images: Pixels) -> list[JudgeReading]:
        bright = images.mean(axis=(1, 2, 3))
        share = (bright - bright.min()) / (bright.max() - bright.min())
        return [JudgeReading(happy=1 - float(one), age_years=40.0) for one in share]


def test_a_judge_who_sees_the_opposite_refuses_a_pair(face_editor: FaceEditor) -> None:
    judged = replace(face_editor, judges=cast(Judges, TurnedJudges()))
    with pytest.raises(DirectionError):
        edit_face(judged, face(10, verdict="good"), 0.5, doubtful=True)


def test_a_pair_has_one_area_for_both_pictures(face_editor: FaceEditor) -> None:
    made = edit_face(face_editor, face(10), 0.5)
    pair, edit = make_pair(made, find), made.edit
    np.testing.assert_array_equal(pair.before, to_uint8(edit.before)[0])
    np.testing.assert_array_equal(pair.after, to_uint8(edit.image)[0])
    mouths = find(np.stack([pair.before, pair.after]))[:, 48:]
    left, top, right, bottom = pair.areas["mouth"]
    assert left == 0
    assert top < mouths[0, :, 1].min()
    assert mouths[1, :, 0].max() < right
    assert mouths[1, :, 1].max() < bottom <= 63
    with pytest.raises(DirectionError, match="no landmarks"):
        make_pair(made, lambda images: np.full((2, 68, 2), np.nan))


def test_a_pack_holds_both_versions_and_their_key(pairs: dict[str, StimulusPair], tmp_path: Path) -> None:
    out = tmp_path / "new" / "pack"
    judged = (JudgeReading(0.1), JudgeReading(0.2, 30.0), JudgeReading(0.9, 31.0))
    pairs["p1"] = replace(pairs["p1"], judged=judged)
    planned = plan_survey(PEOPLE, 5)
    write_pack(out, planned, pairs, [LeftOut("p3.png", "no face", "clinic/p3.png")])
    assert [path.name for path in out.parent.iterdir()] == ["pack"]
    names = {f"{one.version}/{one.code}.png" for one in planned} | {"A/order.csv", "B/order.csv", "areas.csv"}
    key = {"key/answers.csv", "key/pairs.png", "key/left-out.csv"}
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == names | key
    areas = {(line["file"], line["area"]): line for line in lines(out / "areas.csv")}
    assert len(areas) == len(AREAS) * len(planned)
    for one, answer in zip(planned, lines(out / "key" / "answers.csv"), strict=True):
        pair = pairs[one.person.name]
        picture = pair.after if one.edited else pair.before
        np.testing.assert_array_equal(read_image(out / one.version / f"{one.code}.png"), picture)
        with Image.open(out / one.version / f"{one.code}.png") as image:
            assert image.info["Comment"] == MARK
        assert (answer["photograph"], answer["edited"]) == (one.person.name, str(one.edited))
        assert answer["source"] == one.person.source
        assert float(answer["smile"]) == pair.edit.smile[one.edited]
        if one.person.name == "p1":
            assert (answer["judged_happy_photograph"], answer["judged_age_photograph"]) == ("0.1", "")
            assert (answer["judged_happy_after"], answer["judged_age_before"]) == ("0.9", "30.0")
        assert float(answer["strength"]) == (pair.edit.strength if one.edited else 0)
        for name, area in pair.areas.items():
            line = areas[f"{one.code}.png", name]
            assert tuple(int(line[side]) for side in ("left", "top", "right", "bottom")) == area
    for picture, one in zip(read_survey_pack(out).pictures, planned, strict=True):
        assert picture.file == f"{one.version}/{one.code}.png"
        assert picture.areas == pairs[one.person.name].areas
        assert (picture.key.condition, picture.key.face) == (one.person.group, one.person.name)
    assert lines(out / "key" / "left-out.csv") == [
        {"photograph": "p3.png", "reason": "no face", "source": "clinic/p3.png"}
    ]


def test_a_pack_appears_whole_or_not_at_all(
    pairs: dict[str, StimulusPair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen_then_fails(*images: object, **titles: object) -> Pixels:
        assert not (tmp_path / "pack").exists()
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(survey_pack, "contact_sheet", seen_then_fails)
        with pytest.raises(RuntimeError, match="the disk is full"):
            write_pack(tmp_path / "pack", plan_survey(PEOPLE, 5), pairs)
    assert list(tmp_path.iterdir()) == []
    write_pack(tmp_path / "pack", plan_survey(PEOPLE, 5), pairs)
    assert not (tmp_path / "pack" / "key" / "left-out.csv").exists()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DatasetError):
        write_pack(tmp_path / "pack", plan_survey(PEOPLE, 5), pairs)
    assert sorted(tmp_path.rglob("*")) == before
