"""Survey packs and data sets that a study is exported from: their tables, landmarks and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.packs.designs import Survey, design_versions
from studies.packs.face_datasets import read_face_dataset
from studies.packs.pictures import read_pixels
from studies.packs.survey_packs import read_survey_pack
from tests.fuzzing.bounds import damaged, refused_or_read
from tests.studies.packs.small_packs import dataset_files, pack_files, write_files

PACK: Final = pack_files(2)
DATA: Final = dataset_files(1)
PIECES: Final = [b"nan", b"1e999", b"-1", b'"', b",", b"\n", b"../", b"\0", b"True", b"9" * 5000]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packs")


@given(st.data())
def test_damaged_packs_are_refused_or_read(folder: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(PACK)))
    path = write_files(folder / "pack.zip", PACK | {name: data.draw(damaged([PACK[name]], PIECES))})
    with refused_or_read():
        study = design_versions(read_survey_pack(path), Survey(("WS", "Noonan")), 2, seed=0)
        read_pixels(path, study.pictures)


@given(st.data())
def test_damaged_data_sets_are_refused_or_read(folder: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["labels.csv", "landmarks.npy"]))
    path = write_files(folder / "faces.zip", DATA | {name: data.draw(damaged([DATA[name]], PIECES))})
    with refused_or_read():
        read_face_dataset(path, ("WS", "other"), 4, seed=0)
