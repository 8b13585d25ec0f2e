"""Exports of survey programs, keys, rating sheets and tables of answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.answers.exclusions import ExclusionRules
from studies.answers.importer import ReadingRules, import_answers
from studies.answers.key import KeyImage, format_answer_key, read_answer_key
from studies.answers.rating_sheets import import_ratings
from studies.answers.table import read_answers, write_answers
from studies.answers.wide_csv import QuestionColumns, read_question_columns
from studies.plan.simulate import Effects, simulate_answers
from studies.plan.simulated_export import format_qualtrics
from studies.plan.study_design import FaceGroup, StudyDesign
from tests.fuzzing.bounds import DEEP, altered, damaged, refused_or_read

DESIGN: Final = StudyDesign("small", (FaceGroup("WS", 2, 2, 0.5),), ("WS", "no"), (1, 1), ("reconstructed", "edited"))
ANSWERS: Final = simulate_answers(DESIGN, Effects(), 0)
KEY: Final = {one.image: KeyImage(one.image, one.face, one.condition, one.variant, one.version) for one in ANSWERS}
IMAGES: Final = sorted(KEY)
TRIALS: Final = {"participant": "P1", "finished": True, "trials": [{"image": IMAGES[0], "answer": "WS", "rt": 900}]}
WIDE: Final = QuestionColumns({(image, "answer"): f"q{at}" for at, image in enumerate(IMAGES)})
TABLES: Final = [
    format_qualtrics(ANSWERS).encode(),
    f"participant,image,answer,seconds,finished\nP1,{IMAGES[0]},WS,1,1\nP1,{IMAGES[1]},no,2,0\n".encode(),
    f"trials.thisN,image,answer,rt,participant,date,expName\n0,{IMAGES[0]}.png,WS,2.3,P1,2024-01-01,faces\n".encode(),
    b"id,submitdate,q0,q1\n1,2024-01-01 09:00:00,WS,no\n2,,WS,\n",
]
PIECES: Final = [b"nan", b"1e999", b"-1", b'"', b",", b"\n", b"\r", b"\0", b"\xff\xfe", b"|", b"@", b"ImportId", b"R_0"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("answers")


def import_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with refused_or_read():
        import_answers([path], KEY, ExclusionRules(unfinished=True), ReadingRules(questions=WIDE)).to_json()


@given(data=damaged(TABLES, PIECES))
def test_damaged_exports_are_refused_or_read(folder: Path, data: bytes) -> None:
    import_bytes(folder / "export.csv", data)


@given(document=altered(TRIALS))
def test_trials_of_any_form_are_refused_or_read(folder: Path, document: object) -> None:
    import_bytes(folder / "P1.json", json.dumps(document).encode())


@pytest.mark.parametrize("deep", DEEP, ids=["lists", "objects"])
def test_deep_trials_are_refused_or_read(folder: Path, deep: bytes) -> None:
    import_bytes(folder / "deep.json", deep)


@given(data=st.data())
def test_damaged_keys_sheets_and_answers(folder: Path, data: st.DataObject) -> None:
    path = folder / "table.csv"
    write_answers(path, ANSWERS)
    sheet = f"image,HP:0000343\n{IMAGES[0]},x\n".encode()
    tables = [path.read_bytes(), format_answer_key(KEY.values()).encode(), sheet, b"column,image,field\nq0,a,answer\n"]
    path.write_bytes(data.draw(damaged(tables, PIECES)))
    for read in (read_answer_key, read_answers, read_question_columns, lambda path: import_ratings([path], KEY)):
        with refused_or_read():
            read(path)
