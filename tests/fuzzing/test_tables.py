"""Tables and manifests: labels.csv and dataset.json of data sets, lists of names, manifests of image sets."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from faces.datasets.dataset import TABLE, Dataset
from faces.datasets.name_lists import read_names
from faces.datasets.records import COLUMNS, Record, read_table, write_table
from recognition.images.set_cache import SetIdentity, parse_manifest
from tests.fuzzing.bounds import DEEP, JSON, altered, damaged, refused_or_read

ROWS: Final = [Record("a.png", "WS", 3.0, "child", 0.5, "p1"), Record("b.png", person="p2", source="here")]
CELLS: Final = [b"nan", b"inf", b"1e999", b"-1", b'"', b",", b"\n", b"\r", b"\0", b"=1+1", b"file", b"\xef\xbb\xbf"]
ROW: Final = {"index": 0, "person": "p", "sha256": "0" * 64, "soft_label": [0.5, 0.5], "image": "images/0.png"}
IDENTITY: Final = SetIdentity("a" * 32, "phantom128", "0" * 64, {}, ("WS", "unaffected"), 2, 1, 1000)
META: Final = {
    "labels": [["a.png", [0.5] * 9], ["b.png", 3]],
    "vocabulary": {
        "conditions": ["WS", "22q11DS", "other", "unaffected"],
        "ages": [
            {"name": "infant", "from_years": 0, "to_years": 2},
            {"name": "rest", "from_years": 2, "to_years": None},
        ],
    },
}


@pytest.fixture(scope="module")
def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def write_dataset(path: Path, picture: bytes, **files: bytes) -> Path:
    """Write a data set of two pictures with other files, whose names have `_` for the dot."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", picture)
        archive.writestr("b.png", picture)
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return path


def open_dataset(path: Path) -> None:
    with refused_or_read(), Dataset.open(path) as dataset:
        dataset.counts()
        dataset.landmarks()


@given(damaged([write_table(ROWS).encode()], [*CELLS, *(name.encode() for name in COLUMNS)]))
def test_damaged_tables_are_refused_or_read(data: bytes) -> None:
    with refused_or_read():
        read_table(data, TABLE)


@given(st.lists(st.lists(st.sampled_from(COLUMNS) | st.text(max_size=12), max_size=9), max_size=4))
def test_tables_of_any_cells(rows: list[list[str]]) -> None:
    with refused_or_read():
        read_table("\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass"), TABLE)


@given(meta=altered(META))
def test_descriptions_of_data_sets_are_refused_or_read(folder: Path, picture: bytes, meta: object) -> None:
    open_dataset(write_dataset(folder / "described.zip", picture, dataset_json=json.dumps(meta).encode()))


@given(data=st.data())
def test_landmarks_of_data_sets_are_refused_or_read(folder: Path, picture: bytes, data: st.DataObject) -> None:
    file = io.BytesIO()
    np.save(file, np.zeros((2, 68, 2), np.float32))
    content = data.draw(damaged([file.getvalue()], [b"<f4", b"|O", b"(2,", b"99999999", b"\x93NUMPY", b"True"]))
    open_dataset(write_dataset(folder / "landmarks.zip", picture, landmarks_npy=content))


@given(data=st.data())
def test_damaged_data_sets_are_refused_or_read(folder: Path, picture: bytes, data: st.DataObject) -> None:
    path = write_dataset(folder / "sound.zip", picture, dataset_json=json.dumps(META).encode())
    damaged_path = folder / "damaged.zip"
    damaged_path.write_bytes(data.draw(damaged([path.read_bytes()], [b"PK\x01\x02", b"PK\x05\x06", b"\xff" * 4])))
    open_dataset(damaged_path)


@pytest.mark.parametrize("deep", DEEP, ids=["lists", "objects"])
def test_deep_documents_are_refused_or_read(folder: Path, picture: bytes, deep: bytes) -> None:
    open_dataset(write_dataset(folder / "deep.zip", picture, dataset_json=deep))
    with refused_or_read():
        parse_manifest(deep, IDENTITY)


@given(content=damaged([b"a.png\nb.png\n"], CELLS))
def test_lists_of_names_are_refused_or_read(folder: Path, content: bytes) -> None:
    path = folder / "names.txt"
    path.write_bytes(content)
    with refused_or_read():
        read_names(path)


@given(rows=st.lists(altered(ROW) | JSON, max_size=3))
def test_manifests_of_any_rows(rows: list[Any]) -> None:
    with refused_or_read():
        parse_manifest("\n".join(json.dumps(row) for row in rows).encode(), IDENTITY)


@given(damaged(["\n".join(json.dumps(ROW | {"index": index}) for index in range(2)).encode()], [b"1e999", *DEEP]))
def test_damaged_manifests_are_refused_or_read(data: bytes) -> None:
    with refused_or_read():
        parse_manifest(data, IDENTITY)
