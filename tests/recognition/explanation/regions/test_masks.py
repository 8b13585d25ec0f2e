from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import DatasetError, ImageError
from faces.images import encode_png
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from faces.phantoms.regions import REGIONS, locate_regions
from recognition.explanation.regions.masks import (
    EVERY_FILE,
    FACE_REGIONS,
    OUTSIDE,
    add_outside,
    masks_from_landmarks,
    read_mask_table,
)

LEAST_OVERLAP = {
    "forehead": 0.6,
    "cheeks": 0.85,
    "chin": 0.7,
    "mouth": 0.8,
    "eyes": 0.75,
    "nose": 0.75,
    "brows": 0.75,
}
"""Least mean of intersection over union with the true masks of phantoms; nothing tells the hairline."""


def test_regions_from_landmarks_are_those_of_phantoms() -> None:
    overlaps: dict[str, list[float]] = {region: [] for region in FACE_REGIONS}
    for index in range(0, 40, 3):
        phantom = nth_phantom(1, index)
        true, drawn = locate_regions(phantom, 96), masks_from_landmarks(draw_phantom(phantom, 96).landmarks, 96)
        for region in FACE_REGIONS:
            overlaps[region].append((true[region] & drawn[region]).sum() / (true[region] | drawn[region]).sum())
    assert set(FACE_REGIONS) < set(REGIONS)
    for region, least in LEAST_OVERLAP.items():
        assert np.mean(overlaps[region]) > least, region


def test_regions_are_disjoint_and_the_rest_is_outside() -> None:
    masks = add_outside(masks_from_landmarks(draw_phantom(nth_phantom(1, 0), 64).landmarks, 64))
    assert [*masks] == [*FACE_REGIONS, OUTSIDE]
    assert (np.sum([*masks.values()], axis=0) == 1).all()


def test_the_area_between_the_eyes_belongs_to_the_nose() -> None:
    landmarks = draw_phantom(nth_phantom(1, 3), 128).landmarks
    masks = masks_from_landmarks(landmarks, 128)
    for share in (0.25, 0.5, 0.75):
        x, y = np.rint((1 - share) * landmarks[39] + share * landmarks[42]).astype(int)
        assert masks["nose"][y, x]


def test_a_turned_face_has_turned_regions() -> None:
    landmarks = draw_phantom(nth_phantom(1, 2), 128).landmarks
    upright = masks_from_landmarks(landmarks, 128)
    quarter = masks_from_landmarks(np.stack([127 - landmarks[:, 1], landmarks[:, 0]], axis=1), 128)
    for region, mask in upright.items():
        assert (np.rot90(mask, -1) == quarter[region]).mean() > 0.995


@pytest.mark.parametrize("landmarks", [np.zeros((5, 2)), np.full((68, 2), np.nan), np.zeros((68, 2))])
def test_landmarks_of_no_face_are_refused(landmarks: np.ndarray) -> None:
    with pytest.raises(ImageError):
        masks_from_landmarks(landmarks, 64)


def write_mask(path: Path, side: int = 8, value: int = 255) -> None:
    mask = np.zeros((side, side, 3), np.uint8)
    mask[2:4] = value
    path.write_bytes(encode_png(mask))


def test_masks_of_a_user_come_from_a_table(tmp_path: Path) -> None:
    write_mask(tmp_path / "a.png")
    write_mask(tmp_path / "b.png")
    table = tmp_path / "masks.csv"
    table.write_text(f"file,region,mask\none.png,ears,a.png\none.png,nose,b.png\n{EVERY_FILE},ears,b.png\n")
    masks = read_mask_table(table)
    assert [*masks.load("one.png")] == ["ears", "nose"]
    other = masks.load("two.png")
    assert other["ears"].sum() == 16
    assert other["ears"][2:4].all()


@pytest.mark.parametrize(
    "text",
    [
        "file,region\na,nose\n",
        "file,region,mask\n",
        "file,region,mask\na,nose,\n",
        "file,region,mask\na,nose,a.png\na,nose,a.png\n",
    ],
)
def test_broken_mask_tables_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "masks.csv").write_text(text)
    with pytest.raises(DatasetError):
        read_mask_table(tmp_path / "masks.csv")


def test_masks_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    write_mask(tmp_path / "a.png")
    write_mask(tmp_path / "large.png", side=9)
    write_mask(tmp_path / "empty.png", value=0)
    (tmp_path / "masks.csv").write_text(
        "file,region,mask\nempty,nose,empty.png\nsizes,nose,a.png\nsizes,chin,large.png\n"
    )
    table = read_mask_table(tmp_path / "masks.csv")
    for file in ("empty", "sizes", "unknown"):
        with pytest.raises(DatasetError):
            table.load(file)
