from __future__ import annotations

import numpy as np
import pytest

from core.errors import ImageError
from faces.contact_sheets import contact_sheet

RED = np.full((8, 8, 3), (255, 0, 0), np.uint8)
BLUE = np.full((8, 8, 3), (0, 0, 255), np.uint8)


def area(sheet: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((sheet == colour).all(axis=2).sum())


def test_every_image_fills_its_tile() -> None:
    sheet = contact_sheet([[RED, BLUE, RED], [BLUE, None]], tile=32)
    assert sheet.dtype == np.uint8
    assert area(sheet, (255, 0, 0)) == 2 * 32 * 32
    assert area(sheet, (0, 0, 255)) == 2 * 32 * 32


def test_images_stand_in_reading_order() -> None:
    sheet = contact_sheet([[RED, BLUE]], tile=32)
    reds = np.argwhere((sheet == (255, 0, 0)).all(axis=2))
    blues = np.argwhere((sheet == (0, 0, 255)).all(axis=2))
    assert reds[:, 1].max() < blues[:, 1].min()


def test_enlargement_is_crisp() -> None:
    checks = np.indices((4, 4)).sum(axis=0) % 2
    image = np.where(checks[..., None], (255, 0, 0), (0, 0, 255)).astype(np.uint8)
    sheet = contact_sheet([[image]], tile=64)
    assert area(sheet, (255, 0, 0)) == area(sheet, (0, 0, 255)) == 64 * 32


@pytest.mark.parametrize(("shape", "filled"), [((64, 32), 40 * 20), ((8, 16), 40 * 20), ((90, 90), 40 * 40)])
def test_any_size_and_shape_fits(shape: tuple[int, int], filled: int) -> None:
    image = np.full((*shape, 3), (0, 255, 0), np.uint8)
    assert area(contact_sheet([[image]], tile=40), (0, 255, 0)) == filled


def test_titles_and_footer_take_room_and_are_drawn() -> None:
    plain = contact_sheet([[RED, RED]], tile=64)
    titled = contact_sheet(
        [[RED, RED]],
        tile=64,
        title="Ages",
        row_titles=["WS\nperson 1"],
        column_titles=["infant", "a name far too long for its tile"],
        footer="These faces are phantoms: drawings with known truth. " * 3,
    )
    assert titled.shape[0] > plain.shape[0] + 60
    assert titled.shape[1] > plain.shape[1] + 30
    assert (titled.min(axis=2) < 60).sum() > (plain.min(axis=2) < 60).sum() + 200 - 2 * 64 * 64
    assert (titled == titled[-1, -1]).all(axis=2)[-4:].all(), "the margin below stays clear"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": []}, "without images"),
        ({"rows": [[None]]}, "without images"),
        ({"rows": [[RED]], "row_titles": ["a", "b"]}, "row_titles has 2 entries"),
        ({"rows": [[RED, RED]], "column_titles": ["a"]}, "column_titles has 1 entries"),
    ],
)
def test_sheets_that_make_no_sense(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        contact_sheet(**arguments)  # type: ignore[arg-type]
