from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import DatasetError
from studies.answers.key import KeyImage
from studies.answers.rating_sheets import import_ratings

KEY = {name: KeyImage(name, f"face {name}", "WS", "unedited") for name in ("a", "b")}


def write_sheet(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_sheets_of_several_raters_are_joined(tmp_path: Path) -> None:
    first = write_sheet(tmp_path / "R1.csv", "image,HP:0000343 Long philtrum,Ptosis\na.png,x,0\nb,,absent\n")
    second = write_sheet(tmp_path / "R2.csv", "rater,image,Ptosis,HP:0000343\nR7,a,1,no\nR7,z,1,1\n")
    imported = import_ratings([first, second], KEY)
    judged = {(one.rater, one.image, one.term): one.present for one in imported.ratings}
    assert judged == {
        ("R1", "a", "HP:0000343"): True,
        ("R1", "a", "Ptosis"): False,
        ("R1", "b", "Ptosis"): False,
        ("R7", "a", "Ptosis"): True,
        ("R7", "a", "HP:0000343"): False,
    }
    assert imported.ratings[0].condition == "WS"
    assert imported.blank == 1
    assert len(imported.unknown) == 1
    absent = import_ratings([first], KEY, blank_is_absent=True)
    assert absent.blank == 0
    assert len(absent.ratings) == 4


@pytest.mark.parametrize(
    "text",
    [
        "image\na\n",
        "picture,Ptosis\na,1\n",
        "image,Ptosis\na,2X\n",
        "image,Ptosis\na,1\na,0\n",
        "image,Ptosis\na,1,1\n",
        "image,rater,Ptosis\na,192.0.2.7,1\n",
        "image,rater,Ptosis\na,someone@example.org,1\n",
    ],
)
def test_other_sheets_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DatasetError):
        import_ratings([write_sheet(tmp_path / "R1.csv", text)], KEY)


def test_sheets_with_other_terms_are_refused(tmp_path: Path) -> None:
    sheets = [write_sheet(tmp_path / f"{term}.csv", f"image,{term}\na,1\n") for term in ("Ptosis", "Long face")]
    with pytest.raises(DatasetError):
        import_ratings(sheets, KEY)
