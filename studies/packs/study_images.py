"""Images of a study as the tools need them: pixels, PNG files, and addresses on the web."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

from core.errors import ConfigError, DatasetError
from studies.answers.csv_rows import read_rows
from studies.packs.designs import Study
from studies.packs.pictures import Pixels, encode_picture, read_pixels

PLACEHOLDER: Final = "https://your-server.example/images"
"""Address of the images where none is given; it is replaced before a survey is imported."""

_ADDRESS: Final = re.compile(r"https?://[^\s\"'<>{}\[\]\\|]{1,500}")


class StudyImages:
    """Images of a study.

    Args:
        study: the study; its pixels are read when they are first needed.
        addresses: of each image by code, or of the folder that will hold all of them as CODE.png.

    Raises:
        ConfigError: an address that is none.
        DatasetError: an image has no address.
    """

    def __init__(self, study: Study, addresses: str | Mapping[str, str] = PLACEHOLDER) -> None:
        self._study = study
        if isinstance(addresses, str):
            addresses = {one.code: f"{addresses.rstrip('/')}/{one.code}.png" for one in study.pictures}
        if missing := [one.code for one in study.pictures if one.code not in addresses]:
            raise DatasetError(f"image {missing[0]} has no address; expected one for each of {len(study.pictures)}")
        if wrong := [address for address in addresses.values() if not _ADDRESS.fullmatch(address)]:
            raise ConfigError(f"{wrong[0]!r} is no address of an image; expected https://…")
        self._addresses = addresses

    def address(self, code: str) -> str:
        """Return the address of an image on the web."""
        return self._addresses[code]

    @cached_property
    def pixels(self) -> Mapping[str, Pixels]:
        """Pixels of all images by code, uint8 (h, w, 3)."""
        return read_pixels(self._study.pack.path, self._study.pictures)

    @cached_property
    def _files(self) -> Mapping[str, bytes]:
        notice = self._study.pack.notice
        return {code: encode_picture(pixels, notice) for code, pixels in self.pixels.items()}

    def generate_files(self, folder: str, codes: Collection[str] | None = None) -> Iterator[tuple[str, bytes]]:
        """Generate the names and bytes of PNG files in a folder, of all images or of some."""
        for code, data in self._files.items():
            if codes is None or code in codes:
                yield f"{folder}/{code}.png", data


def read_addresses(path: Path) -> Mapping[str, str]:
    """Read the address of each image from a CSV with the columns image and url.

    Raises:
        DatasetError: the file cannot be read or lacks a column or a cell.
    """
    return {row.require("image"): row.require("url") for row in read_rows(path).rows}
