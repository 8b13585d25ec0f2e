"""A small survey pack and a small data set, written by hand, with pictures of one colour each."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.formats.face_areas import AREAS

SIDE = 16
AGES = ("infant", "child", "adolescent", "young_adult", "older_adult")


def draw_picture(colour: int) -> bytes:
    """Draw a picture whose metadata tells its colour, as that of phantoms tells their condition."""
    text = PngInfo()
    text.add_text("truth", f"colour {colour}")
    buffer = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (colour, colour, 0)).save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


def pack_files(faces: int = 6) -> dict[str, bytes]:
    """Return the files of a survey pack; person n has the colours n and 100 + n."""
    answers = ["version,order,file,photograph,source,group,edited,smile"]
    areas = ["version,file,area,left,top,right,bottom"]
    files = {}
    for version, at in (("A", 0), ("B", 1)):
        for face in range(faces):
            edited = (face // 2 + at) % 2 == 1
            name = f"{at}{face:07x}.png"
            condition = ("WS", "Noonan")[face % 2]
            answers.append(f"{version},{face + 1},{name},secret{face},,{condition},{edited},{0.8 if edited else 0.2}")
            areas += [f"{version},{name},{area},2,3,9,11" for area in AREAS]
            files[f"{version}/{name}"] = draw_picture(face + 100 * edited)
    tables = {"key/answers.csv": answers, "areas.csv": areas}
    return files | {name: "".join(f"{line}\n" for line in lines).encode() for name, lines in tables.items()}


def dataset_files(people: int = 10, landmarks: bool = True) -> dict[str, bytes]:
    """Return the files of a data set with so many people of each of two conditions and each age group."""
    lines, files = ["file,condition,age_group,person,expression"], {}
    points = []
    for number in range(people * 2 * len(AGES)):
        condition, age = ("WS", "other")[number % 2], AGES[number // 2 % len(AGES)]
        lines.append(f"{number:04d}.png,{condition},{age},secret{number},0.5")
        files[f"{number:04d}.png"] = draw_picture(number % 256)
        points.append(np.stack([np.linspace(4, 11, 68), np.linspace(4, 12, 68)], axis=1))
    buffer = io.BytesIO()
    np.save(buffer, np.array(points, dtype=np.float32))
    extra = {"landmarks.npy": buffer.getvalue()} if landmarks else {}
    return files | extra | {"labels.csv": "".join(f"{line}\n" for line in lines).encode()}


def write_files(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write files to a folder, or to a zip if the name ends so."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path
