from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import DatasetError
from studies.answers.table import Answer, read_answers, write_answers

FULL = Answer("P1", "12345678", "face 1", "WS", "edited", "22q11DS", "A", 3, "child", ("WS", "22q11DS"), 4.0, 2.5, 0.75)
SHORT = Answer("P2", "87654321", "=face", "WS", "unedited", "WS")
HEADER = "participant,image,face,condition,variant,answer"


def test_answers_survive_their_file(tmp_path: Path) -> None:
    write_answers(tmp_path / "answers.csv", [FULL, SHORT])
    assert read_answers(tmp_path / "answers.csv") == [FULL, SHORT]
    assert [FULL.correct, SHORT.correct] == [False, True]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "answers.csv"),
        (HEADER, "answers.csv"),
        (f"{HEADER},ages\nP,i,f,WS,edited,WS,3", "ages"),
        (f"{HEADER},order,order\nP,i,f,WS,edited,WS,3,3", "order"),
        ("participant,image\nP,i", "face"),
        (f"{HEADER}\nP,i,f,WS,edited,WS\nP,j,f,WS,smiling,WS", "line 3"),
        (f"{HEADER}\nP,i,f,WS,edited", "line 2"),
        (f"{HEADER}\nP,i,f,WS,edited,", "line 2"),
        (f"{HEADER},order\nP,i,f,WS,edited,WS,second", "second"),
        (f"{HEADER},seconds\nP,i,f,WS,edited,WS,nan", "nan"),
        (f"{HEADER},confidence\nP,i,f,WS,edited,WS,high", "high"),
        (f"{HEADER},options\nP,i,f,WS,edited,Williams,WS|AS", "Williams"),
        (f"{HEADER}\nP,i,f,WS,edited,WS\nP,i,f,WS,edited,AS", "P"),
        (f'{HEADER}\nP,i,f,WS,edited,"WS', "line 2"),
    ],
)
def test_a_broken_table_is_refused_with_its_line_or_value(text: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "answers.csv").write_text(text)
    with pytest.raises(DatasetError, match=named):
        read_answers(tmp_path / "answers.csv")


def test_an_option_with_the_separator_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        write_answers(tmp_path / "answers.csv", [Answer("P", "i", "f", "a|b", "edited", "a|b", options=("a|b",))])
