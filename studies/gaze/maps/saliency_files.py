"""Reader of saliency maps of a classifier: arrays, grey pictures, and folders of `gestaltgen explain faces`."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import DatasetError
from core.formats.archives import open_store
from core.formats.arrays import read_array
from studies.gaze.maps.heat_maps import Maps


def read_saliency(folder: Path, method: str = "") -> dict[str, Maps]:
    """Read the saliency maps of a folder: one file for each image, named by its code.

    A .npy file has the shape (h, w), or (3, h, w) whose absolute values are summed over the channels. A .png file is
    grey, brighter where the map is higher; a picture in colours is refused, because a drawing over a face is no map.

    The folder of `gestaltgen explain faces` holds the maps of several methods of each face; `method` chooses one, and
    the codes are the names of the data set's files.

    Raises:
        DatasetError: no file, or one that is no such map, has no positive cell, or is not finite; or no such method.
    """
    maps = _read_explained(folder, method) if (folder / "faces").is_dir() else _read_files(folder)
    if not maps:
        raise DatasetError(f"{folder} has no .npy or .png file; expected a map for each image, named by its code")
    for name, array in maps.items():
        if not np.isfinite(array).all() or array.min(initial=0) < 0 or not array.any():
            raise DatasetError(f"{folder}, {name}: a map has finite cells of 0 or more, of which some are positive")
    return maps


def _read_files(folder: Path) -> dict[str, Maps]:
    maps: dict[str, Maps] = {}
    for path in sorted(folder.glob("*")):
        if path.suffix == ".npy":
            maps[path.stem] = _read_array(path)
        elif path.suffix == ".png":
            picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            if picture is None or picture.ndim != 2:
                raise DatasetError(f"{path} is no grey PNG; expected a map with one channel, or a .npy file")
            maps[path.stem] = picture.astype(np.float32)
    return maps


def _read_explained(folder: Path, method: str) -> dict[str, Maps]:
    maps = {}
    for path in sorted(folder.glob("faces/*/face.json")):
        try:
            name = Path(json.loads(path.read_bytes())["file"]).stem
            with closing(open_store(path.parent / "maps.npz")) as store:
                methods = sorted(file.removesuffix(".npy") for file in store.names())
                if method not in methods:
                    raise DatasetError(f"{folder} has no method {method!r}; expected one of {', '.join(methods)}")
                maps[name] = _check_array(path, read_array(store.read(f"{method}.npy")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{path.parent} holds no maps that can be read ({error}); explain it again") from error
    return maps


def _read_array(path: Path) -> Maps:
    try:
        array = read_array(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is no array that can be read: {error}") from error
    return _check_array(path, array)


def _check_array(path: Path, array: npt.NDArray[Any]) -> Maps:
    if array.ndim == 3 and len(array) == 3:
        array = np.abs(array).sum(axis=0)
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.number):
        raise DatasetError(f"{path} has the shape {array.shape}; expected (h, w) or (3, h, w) numbers")
    return np.asarray(array, dtype=np.float32)
