"""Pictures of a study: what the key says about each, and its pixels."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.errors import DatasetError
from core.formats.archives import Store, open_store
from core.formats.face_areas import Area
from studies.answers.key import KeyImage

Pixels: TypeAlias = npt.NDArray[np.uint8]

MASKED: Final = "masked"

_MOST_BYTES: Final = 64 << 20
_MOST_SIDE: Final = 4096
_GREY: Final = 128


@dataclass(frozen=True)
class Picture:
    """Picture of a study.

    Attributes:
        key: its line of the answer key.
        file: name of its source in the pack.
        areas: areas of interest by name, in pixels; empty if they are not known.
    """

    key: KeyImage
    file: str
    areas: Mapping[str, Area] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """Name that participants may see."""
        return self.key.image


@dataclass(frozen=True)
class StudyPack:
    """Pictures for a study, in a folder or a zip.

    Attributes:
        path: the folder or zip.
        pictures: the pictures; their pixels stay in the pack.
        notice: sentence about the pictures that everybody may read; it is the same for all of them.
    """

    path: Path
    pictures: tuple[Picture, ...]
    notice: str


def read_pixels(path: Path, pictures: Sequence[Picture]) -> dict[str, Pixels]:
    """Read the pixels of pictures, by code; the mouth of a masked one is grey.

    Args:
        path: of the pack.

    Raises:
        DatasetError: a picture is missing, too large, cannot be decoded, or does not contain its areas.
    """
    store = open_store(path)
    try:
        names = store.names()
        return {picture.code: _read_picture(store, names, path, picture) for picture in pictures}
    finally:
        store.close()


def _read_picture(store: Store, names: set[str], path: Path, picture: Picture) -> Pixels:
    if picture.file not in names:
        raise DatasetError(f"{path} has no {picture.file}, which its table lists; copy the pack again")
    pixels = _decode(store.read(picture.file, _MOST_BYTES), f"{path}/{picture.file}")
    height, width, _ = pixels.shape
    if outside := [name for name, area in picture.areas.items() if area[2] >= width or area[3] >= height]:
        raise DatasetError(
            f"{path}/{picture.file} has {width} x {height} pixels, and its area {outside[0]!r} is "
            f"{picture.areas[outside[0]]}; expected it in the picture: make the pack again"
        )
    if picture.key.variant == MASKED:
        left, top, right, bottom = picture.areas["mouth"]
        pixels[top : bottom + 1, left : right + 1] = _GREY
    return pixels


def _decode(data: bytes, name: str) -> Pixels:
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "BMP")) as image:
            if max(image.size) > _MOST_SIDE:
                raise DatasetError(f"its sides are {image.size}; expected at most {_MOST_SIDE} pixels")
            return np.array(image.convert("RGB"))
    except Exception as error:  # decoders may raise nearly any exception on hostile bytes
        raise DatasetError(f"{name} cannot be used as a picture ({error}); make the pack again") from error


def encode_picture(pixels: Pixels, notice: str) -> bytes:
    """Encode pixels as PNG with a notice as its comment, and no other metadata."""
    info = PngInfo()
    info.add_itxt("Comment", notice)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", pnginfo=info)
    return buffer.getvalue()
