from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError, DatasetError
from studies.packs.designs import Study, Survey, design_samples, design_versions
from studies.packs.face_datasets import read_face_dataset
from studies.packs.pictures import StudyPack, read_pixels
from studies.packs.survey_packs import read_survey_pack
from tests.studies.packs.small_packs import AGES, dataset_files, pack_files, write_files

SURVEY = Survey(("WS", "Noonan", "unaffected"))


@pytest.fixture
def pack(tmp_path: Path) -> StudyPack:
    return read_survey_pack(write_files(tmp_path / "pack.zip", pack_files(12)))


def test_each_participant_sees_one_version_in_an_own_order(pack: StudyPack) -> None:
    study = design_versions(pack, SURVEY, 7, seed=3)
    assert sorted(Counter(one.version for one in study.presentations).values()) == [3, 4]
    for one in study.presentations:
        assert len({picture.key.face for picture in one.pictures}) == 12
        assert {picture.key.version for picture in one.pictures} == {one.version}
    orders = [tuple(picture.code for picture in one.pictures) for one in study.presentations]
    assert len(set(orders)) == 7
    assert [picture.key.order for picture in study.lists["A"]] == list(range(1, 13))
    assert {one.code for one in study.lists["B"]} == {one.code for one in pack.pictures if one.key.version == "B"}
    assert design_versions(pack, SURVEY, 7, seed=3) == study != design_versions(pack, SURVEY, 7, seed=4)


def test_a_masked_mouth_is_the_third_variant_of_a_latin_square(pack: StudyPack) -> None:
    study = design_versions(pack, SURVEY, 6, seed=3, masked=True)
    keys = [picture.key for picture in study.pictures]
    assert len(keys) == len({key.image for key in keys}) == 36
    assert {*Counter((key.face, key.version) for key in keys).values()} == {1}
    assert {*Counter((key.face, key.variant) for key in keys).values()} == {1}
    assert {*Counter((key.version, key.variant, key.condition) for key in keys).values()} == {2}
    assert {key.order for key in keys if key.face == "secret0"} != {1, 2}
    assert len({key.order for key in keys if key.face == "secret0"}) == 1
    assert {key.smile for key in keys if key.variant == "masked"} == {None}
    assert all(key.image.startswith(f"{key.version}_") for key in keys)
    pixels = read_pixels(pack.path, study.pictures)
    for picture in study.pictures:
        shown, (left, top, right, bottom) = pixels[picture.code], picture.areas["mouth"]
        masked = picture.key.variant == "masked"
        assert (shown[top : bottom + 1, left : right + 1] == 128).all() == masked
        assert not (np.delete(shown, slice(top, bottom + 1), axis=0) == 128).any()


def draw_duong(tmp_path: Path, participants: int, **options: int) -> Study:
    path = write_files(tmp_path / "faces.zip", dataset_files())
    survey = Survey(("WS", "other"))
    return design_samples(read_face_dataset(path, survey.options, 50, 1), survey, participants, seed=2, **options)


def test_samples_are_balanced_by_age_and_show_each_picture_equally_often(tmp_path: Path) -> None:
    study = draw_duong(tmp_path, 30)
    views = Counter(picture.code for one in study.presentations for picture in one.pictures)
    assert len(views) == 100
    assert {*views.values()} == {15}
    for one in study.presentations:
        shown = Counter((picture.key.condition, picture.key.age_group) for picture in one.pictures)
        assert shown == {(condition, age): 5 for condition in ("WS", "other") for age in AGES}
    samples = {frozenset(picture.code for picture in one.pictures) for one in study.presentations}
    assert len(samples) > 25
    assert [*study.lists] == [one.participant for one in study.presentations]


def test_numbers_that_cannot_be_are_refused(tmp_path: Path, pack: StudyPack) -> None:
    with pytest.raises(ConfigError):
        draw_duong(tmp_path, 3, per_condition=51)
    with pytest.raises(ConfigError):
        design_versions(pack, SURVEY, 0, seed=3)
    with pytest.raises(DatasetError):
        design_versions(pack, Survey(("WS", "unaffected")), 3, seed=3)
    with pytest.raises(DatasetError):
        design_versions(StudyPack(pack.path, pack.pictures[:-1], ""), SURVEY, 3, seed=3)


@pytest.mark.parametrize(
    "options", [("WS",), ("WS", "WS"), tuple("abcdefghij"), ("WS", "<b>"), ("WS", "a|b"), ("WS", " x"), ("WS", "a\nb")]
)
def test_options_that_a_tool_would_not_show_are_refused(options: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        Survey(options)
    with pytest.raises(ConfigError):
        Survey(("WS", "unaffected"), question="Which?\n[[PageBreak]]")
