from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import DatasetError
from studies.answers.key import read_answer_key
from studies.packs.pictures import read_pixels
from studies.packs.survey_packs import is_survey_pack, read_survey_pack
from tests.studies.packs.small_packs import draw_picture, pack_files, write_files


def test_a_folder_and_a_zip_are_read_alike_and_codes_are_those_of_the_packs_key(tmp_path: Path) -> None:
    folder, archive = (write_files(tmp_path / name, pack_files()) for name in ("pack", "pack.zip"))
    assert is_survey_pack(archive)
    pack, again = read_survey_pack(folder), read_survey_pack(archive)
    assert pack.pictures == again.pictures
    assert {picture.code: picture.key for picture in pack.pictures} == read_answer_key(folder)
    first = pack.pictures[0]
    assert (first.key.face, first.key.condition, first.key.variant) == ("secret0", "WS", "reconstructed")
    assert first.areas["mouth"] == (2, 3, 9, 11)
    pixels = read_pixels(archive, again.pictures)
    assert [int(pixels[one.code][0, 0, 0]) for one in pack.pictures[:3]] == [0, 1, 102]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("areas.csv", b"nose", b"chin"),
        ("areas.csv", b"left", b"links"),
        ("areas.csv", b"2,3,9,11", b"9,3,2,11"),
        ("areas.csv", b"2,3,9,11", b"2,3,9"),
        ("areas.csv", b"2,3,9,11", b"2,,9,11"),
        ("areas.csv", b"2,3,9,11", b"2,3,9.5,11"),
        ("key/answers.csv", b"00000001.png", b"00000002.png"),
        ("key/answers.csv", b"WS", b""),
        ("key/answers.csv", b"True", b"yes"),
    ],
)
def test_broken_tables_are_refused(name: str, old: bytes, new: bytes, tmp_path: Path) -> None:
    files = pack_files()
    files[name] = files[name].replace(old, new)
    with pytest.raises(DatasetError):
        read_survey_pack(write_files(tmp_path / "pack.zip", files))


def test_codes_that_are_no_names_of_files_are_refused(tmp_path: Path) -> None:
    files = {name: data.replace(b"00000001.png", b"<script>.png") for name, data in pack_files().items()}
    with pytest.raises(DatasetError):
        read_survey_pack(write_files(tmp_path / "pack.zip", files))


@pytest.mark.parametrize("data", [b"", b"no picture", draw_picture(1)[:60]])
def test_broken_and_missing_pictures_are_refused(data: bytes, tmp_path: Path) -> None:
    files = pack_files()
    name = next(iter(files))
    if data:
        files[name] = data
    else:
        del files[name]
    pack = read_survey_pack(write_files(tmp_path / "pack.zip", files))
    with pytest.raises(DatasetError, match=name):
        read_pixels(pack.path, pack.pictures)


@pytest.mark.parametrize("area", [b"2,3,16,11", b"2,3,9,16"])
def test_areas_outside_their_pictures_are_refused(area: bytes, tmp_path: Path) -> None:
    files = pack_files()
    files["areas.csv"] = files["areas.csv"].replace(b"2,3,9,11", area, 1)
    pack = read_survey_pack(write_files(tmp_path / "pack.zip", files))
    with pytest.raises(DatasetError):
        read_pixels(pack.path, pack.pictures)


def test_what_is_no_pack_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(DatasetError):
        is_survey_pack(tmp_path / "text.zip")
    with pytest.raises(DatasetError):
        read_survey_pack(tmp_path)
