from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from core.errors import DatasetError
from studies.answers.exclusions import (
    ANSWERED_TWICE,
    BOTH_VERSIONS,
    IDENTIFIED,
    INCOMPLETE,
    NO_OPTION,
    PREVIEW,
    REPEATED,
    TOO_FAST,
    UNDATED,
    UNFINISHED,
    UNKNOWN_IMAGE,
    UNNAMED,
    ExclusionRules,
)
from studies.answers.importer import ImportedAnswers, ReadingRules, import_answers
from studies.answers.key import KeyImage, read_answer_key
from studies.answers.plain_csv import ColumnMap
from studies.answers.wide_csv import read_question_columns

OPTIONS = ("WS", "Noonan", "unaffected")
KEY = {
    f"{version}_0000000{face}": KeyImage(
        f"{version}_0000000{face}",
        f"face{face}",
        "WS" if face < 3 else "Noonan",
        "edited" if (face + at) % 2 else "reconstructed",
        version,
        options=OPTIONS,
        smile=0.5,
    )
    for at, version in enumerate("AB")
    for face in range(1, 5)
}
HEADER = "image,face,condition,variant\n"
A = [image for image in KEY if image.startswith("A")]
B = [image for image in KEY if image.startswith("B")]

SESSION = {
    "StartDate": "2024-01-01 09:00:00",
    "IPAddress": "192.0.2.1",
    "Status": "0",
    "Finished": "1",
    "ResponseId": "R_1",
    "LocationLatitude": "51.5",
    "person": "doctor",
}


def answer_all(images: Sequence[str] = A, answer: str = "WS", seconds: str = "5") -> dict[str, str]:
    cells = dict.fromkeys(images, answer)
    return cells | {f"{one}_time_Page Submit": seconds for one in images} | {f"{one}_confidence": "4" for one in images}


def write_qualtrics(path: Path, sessions: Sequence[Mapping[str, str]]) -> Path:
    """Write an export with the columns of all sessions."""
    names = list(dict.fromkeys(name for session in sessions for name in session))
    text = io.StringIO()
    table = csv.writer(text)
    table.writerows([names, names, [json.dumps({"ImportId": name}) for name in names]])
    table.writerows([session.get(name, "") for name in names] for session in sessions)
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def import_qualtrics(path: Path, *sessions: Mapping[str, str], rules: ExclusionRules | None = None) -> ImportedAnswers:
    file = write_qualtrics(path / "export.csv", [SESSION | session for session in sessions])
    return import_answers([file], KEY, rules, ReadingRules(participant="person"))


def count_left_out(imported: ImportedAnswers) -> dict[str, tuple[int, int]]:
    return {one.reason: (one.sessions, one.answers) for one in imported.exclusions}


def test_qualtrics_answers_are_joined_to_the_key(tmp_path: Path) -> None:
    order = {"Faces_DO": "|".join(reversed(A))}
    imported = import_qualtrics(tmp_path, answer_all() | order)
    assert not imported.left_out
    first = imported.answers[0]
    assert (first.participant, first.image, first.face, first.condition) == ("doctor", A[0], "face1", "WS")
    assert (first.variant, first.version, first.options) == ("edited", "A", OPTIONS)
    assert (first.order, first.confidence, first.seconds, first.smile) == (4, 4.0, 5.0, 0.5)
    assert [answer.correct for answer in imported.answers] == [True, True, False, False]


@pytest.mark.parametrize("rows", [(1,), (2,), (1, 2)])
def test_missing_header_rows_of_qualtrics_are_named_and_not_the_columns(tmp_path: Path, rows: tuple[int, ...]) -> None:
    file = write_qualtrics(tmp_path / "export.csv", [SESSION | answer_all()])
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for at, line in enumerate(lines) if at not in rows))
    with pytest.raises(DatasetError) as refused:
        import_answers([file], KEY)
    assert A[0] not in str(refused.value)


def test_missing_columns_of_a_plain_table_are_named_and_few_of_those_it_has(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text("image,answer," + ",".join(f"column{at}" for at in range(20)) + "\n")
    with pytest.raises(DatasetError) as refused:
        import_answers([file], KEY)
    assert "participant=" in str(refused.value)
    assert "answer=" not in str(refused.value)
    assert "column19" not in str(refused.value)


def test_orders_of_single_questions_are_read(tmp_path: Path) -> None:
    orders = {f"Faces_DO_{image}": str(place) for place, image in enumerate(A, 3)}
    assert [answer.order for answer in import_qualtrics(tmp_path, answer_all() | orders).answers] == [3, 4, 5, 6]


def test_identifying_columns_reach_nothing(tmp_path: Path) -> None:
    imported = import_qualtrics(tmp_path, answer_all())
    assert "192.0.2.1" not in repr(imported)
    assert "51.5" not in repr(imported)
    assert "doctor" not in json.dumps(imported.to_json())


def test_participants_without_a_pseudonym_are_left_out(tmp_path: Path) -> None:
    imported = import_qualtrics(
        tmp_path, *(answer_all() | {"person": person} for person in ("", "doctor@example.org", "192.0.2.7", "P1"))
    )
    assert count_left_out(imported) == {UNNAMED: (1, 4), IDENTIFIED: (2, 8)}
    assert "example.org" not in repr(imported)


def test_sessions_are_left_out_by_the_rules(tmp_path: Path) -> None:
    imported = import_qualtrics(
        tmp_path,
        answer_all() | {"person": "kept"},
        answer_all() | {"person": "kept", "StartDate": "2024-01-02 09:00:00"},
        answer_all() | {"person": "author", "Status": "1"},
        answer_all() | {"person": "stopped", "Finished": "False"},
        answer_all(A[:3]) | {"person": "skipped"},
        answer_all(seconds="0.5") | {"person": "clicked"},
        answer_all() | {"person": "undated", "StartDate": "1/2/24"},
        answer_all() | {"person": "undated", "StartDate": "2/1/24"},
        rules=ExclusionRules(least_seconds=1),
    )
    assert {answer.participant for answer in imported.answers} == {"kept"}
    assert count_left_out(imported) == {
        REPEATED: (1, 4),
        PREVIEW: (1, 4),
        UNFINISHED: (1, 4),
        INCOMPLETE: (1, 3),
        TOO_FAST: (1, 4),
        UNDATED: (2, 8),
    }
    assert imported.to_json()["read"] == {"sessions": 8, "answers": 31}
    assert imported.to_json()["kept"] == {"participants": 1, "answers": 4}


def test_the_first_session_that_is_finished_is_kept(tmp_path: Path) -> None:
    imported = import_qualtrics(
        tmp_path,
        answer_all(answer="WS") | {"StartDate": "2024-01-03 09:00:00"},
        answer_all(answer="Noonan") | {"StartDate": "2024-01-02 09:00:00"},
        answer_all(A[:1]) | {"StartDate": "2024-01-01 09:00:00", "Finished": "0"},
    )
    assert {answer.answer for answer in imported.answers} == {"Noonan"}


def test_participants_in_both_versions_are_left_out_whole(tmp_path: Path) -> None:
    """An unfinished session of the other version counts: its pictures were seen."""
    imported = import_qualtrics(tmp_path, answer_all(), answer_all(B[:1]) | {"Finished": "0"})
    assert count_left_out(imported) == {BOTH_VERSIONS: (2, 5)}


def test_answers_that_fit_no_key_or_option_are_reported(tmp_path: Path) -> None:
    imported = import_qualtrics(
        tmp_path, answer_all(A[:3]) | {A[3]: "Noonan-Syndrom", "A_deadbeef": "WS"}, rules=ExclusionRules(images=4)
    )
    assert count_left_out(imported) == {NO_OPTION: (0, 1), UNKNOWN_IMAGE: (0, 1)}
    assert any("A_deadbeef" in one.place for one in imported.left_out)


def test_a_session_without_an_answer_to_the_key_hides_no_later_one(tmp_path: Path) -> None:
    empty = dict.fromkeys(A, "") | {"StartDate": "2023-12-31 09:00:00"}
    imported = import_qualtrics(tmp_path, empty, answer_all(), rules=ExclusionRules(unfinished=True))
    assert count_left_out(imported) == {INCOMPLETE: (1, 0)}
    assert imported.participants == 1


def test_only_different_images_of_the_key_make_a_session_complete(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    given = {"P1": [A[0], *A[:3]], "P2": [*A[:3], "A_deadbeef"], "P3": ["A_deadbeef"], "P4": A}
    lines = [f"{person},{image},WS\n" for person, images in given.items() for image in images]
    file.write_text("participant,image,answer\n" + "".join(lines))
    imported = import_answers([file], KEY)
    assert {answer.participant for answer in imported.answers} == {"P4"}
    assert count_left_out(imported) == {INCOMPLETE: (2, 8), UNKNOWN_IMAGE: (1, 1)}


def test_a_plain_session_is_unfinished_if_a_line_says_so(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    ends = zip(A, ("1", "", "0", ""), strict=True)
    file.write_text("participant,image,answer,finished\n" + "".join(f"P1,{image},WS,{end}\n" for image, end in ends))
    assert count_left_out(import_answers([file], KEY)) == {UNFINISHED: (1, 4)}


def test_labels_stand_for_options(tmp_path: Path) -> None:
    file = write_qualtrics(tmp_path / "export.csv", [SESSION | answer_all(answer="1")])
    imported = import_answers([file], KEY, None, ReadingRules(labels={"1": "Noonan"}))
    assert {answer.answer for answer in imported.answers} == {"Noonan"}


def test_cut_off_exports_are_refused(tmp_path: Path) -> None:
    file = write_qualtrics(tmp_path / "export.csv", [SESSION | answer_all()] * 2)
    whole = file.read_text(encoding="utf-8")
    assert import_answers([file], KEY).sessions == 2
    for text in (whole[: whole.rindex(",")], whole[:30], "\n".join(whole.splitlines()[:2])):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(DatasetError):
            import_answers([file], KEY)


@pytest.mark.parametrize("seconds", ["5000000", "5000", "0.005"])
def test_times_in_other_units_are_refused_until_the_unit_is_named(tmp_path: Path, seconds: str) -> None:
    file = write_qualtrics(tmp_path / "export.csv", [SESSION | answer_all(seconds=seconds)])
    with pytest.raises(DatasetError):
        import_answers([file], KEY)


def test_microseconds_are_read_as_such(tmp_path: Path) -> None:
    file = write_qualtrics(tmp_path / "export.csv", [SESSION | answer_all(seconds="5000000")])
    imported = import_answers([file], KEY, None, ReadingRules(unit="us"))
    assert imported.answers[0].seconds == pytest.approx(5)


def test_folders_of_jspsych_files_are_read(tmp_path: Path) -> None:
    for name, images in (("P1", A), ("P2", B)):
        rows = [{"image": image, "answer": "WS", "confidence": 3, "rt": 2500} for image in images]
        document = {"participant": name, "finished": True, "trials": [{"stimulus": "Welcome", "rt": None}, *rows]}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    imported = import_answers([tmp_path], KEY)
    assert imported.programs == {"jspsych": 2}
    assert imported.participants == 2
    assert (imported.answers[0].order, imported.answers[0].seconds, imported.answers[0].confidence) == (1, 2.5, 3.0)
    (tmp_path / "P2.json").write_text((tmp_path / "P2.json").read_text()[:-30])
    with pytest.raises(DatasetError):
        import_answers([tmp_path], KEY)


def test_psychopy_files_are_read(tmp_path: Path) -> None:
    lines = ["trials.thisN,image,key_resp.keys,key_resp.corr,key_resp.rt,participant,date,psychopyVersion"]
    lines += [f"{at},{image}.png,w,1,2.31,P001,2024-01-01_09h00.00.000,2023.2.3" for at, image in enumerate(A)]
    file = tmp_path / "P001.csv"
    file.write_text("\n".join(lines))
    imported = import_answers([file], KEY, None, ReadingRules(labels={"w": "WS"}))
    assert imported.programs == {"psychopy": 1}
    named = import_answers([file], KEY, None, ReadingRules(participant="psychopyVersion", labels={"w": "WS"}))
    assert {answer.participant for answer in named.answers} == {"2023.2.3"}
    assert [answer.order for answer in imported.answers] == [1, 2, 3, 4]
    assert imported.answers[0].seconds == pytest.approx(2.31)


def test_plain_tables_have_a_column_map(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text("Who,Slide,Diagnosis\n" + "".join(f"P1,{image},WS\n" for image in A))
    columns = ColumnMap({"participant": "Who", "image": "Slide", "answer": "Diagnosis"})
    assert len(import_answers([file], KEY, None, ReadingRules(columns=columns)).answers) == 4
    others = ColumnMap({name: columns[name] for name in ("image", "answer")})
    assert len(import_answers([file], KEY, None, ReadingRules(columns=others, participant="Who")).answers) == 4
    with pytest.raises(DatasetError):
        import_answers([file], KEY)
    file.write_text(file.read_text() + f"P1,{A[0]},Noonan\n")
    imported = import_answers([file], KEY, None, ReadingRules(columns=columns))
    assert count_left_out(imported) == {ANSWERED_TWICE: (0, 2)}


def test_exports_with_a_line_for_each_participant_are_read(tmp_path: Path) -> None:
    """LimeSurvey's names of questions have no underscore; its table of columns names their images."""
    columns = "column,image,field\n" + "".join(
        f"{image.replace('_', '')}{'' if field == 'answer' else field},{image},{field}\n"
        for image in KEY
        for field in ("answer", "confidence")
    )
    (tmp_path / "columns.csv").write_text(columns)
    names = [image.replace("_", "") for image in A]
    header = ["id", "submitdate", *names, *(f"{name}confidence" for name in names)]
    lines = [["1", "2024-01-01 10:00:00", *"1111", *"5555"], ["2", "", *"1111", *"5555"]]
    (tmp_path / "export.csv").write_text("".join(",".join(cells) + "\n" for cells in (header, *lines)))
    questions = read_question_columns(tmp_path / "columns.csv")
    reading = ReadingRules(questions=questions, labels={"1": "WS"})
    imported = import_answers([tmp_path / "export.csv"], KEY, None, reading)
    assert imported.programs == {"wide": 1}
    assert [(one.image, one.answer, one.confidence) for one in imported.answers] == [(image, "WS", 5) for image in A]
    assert count_left_out(imported) == {UNFINISHED: (1, 4)}


def test_keys_of_survey_packs_are_read(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    (tmp_path / "key" / "answers.csv").write_text(
        "version,order,file,photograph,source,group,edited,smile\nA,1,0a1b2c3d.png,anna,anna.jpg,WS,True,0.8\n"
    )
    image = read_answer_key(tmp_path)["A_0a1b2c3d"]
    assert (image.face, image.condition, image.variant, image.smile) == ("anna", "WS", "edited", 0.8)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\n1,2\n",
        HEADER,
        f"{HEADER}x,f,,edited\n",
        f"{HEADER}x,f,WS,smiling\n",
        f"{HEADER}x,f,WS,edited\nx,g,WS,edited\n",
    ],
)
def test_keys_of_other_forms_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "key.csv").write_text(text)
    with pytest.raises(DatasetError):
        read_answer_key(tmp_path)
