"""Import of answers: exports of survey programs, joined to the key, with everything counted that is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from core.errors import DatasetError
from studies.answers.csv_rows import check_named_once, find_delimiter, name_cells, parse_cells, read_text
from studies.answers.exclusions import (
    Exclusion,
    ExclusionRules,
    LeftOut,
    count_exclusions,
    exclude_answers,
    exclude_sessions,
)
from studies.answers.jspsych import parse_jspsych
from studies.answers.key import AnswerKey
from studies.answers.plain_csv import ColumnMap, parse_plain
from studies.answers.psychopy import is_psychopy, parse_psychopy
from studies.answers.qualtrics import is_qualtrics, parse_qualtrics
from studies.answers.sessions import Session, TimeUnit, check_times
from studies.answers.table import Answer
from studies.answers.wide_csv import QuestionColumns, is_wide, parse_wide

SurveyProgram: TypeAlias = Literal["qualtrics", "jspsych", "psychopy", "wide", "plain"]

_UNITS: Final[Mapping[SurveyProgram, TimeUnit]] = {
    "qualtrics": "s",
    "jspsych": "ms",
    "psychopy": "s",
    "wide": "s",
    "plain": "s",
}
ENDINGS: Final = (".csv", ".tsv", ".json")
"""Endings of the names of exports."""


@dataclass(frozen=True)
class Export:
    """File of a survey program.

    Attributes:
        path: its name, whose ending tells the format, and which messages give.
        text: its content.
    """

    path: Path
    text: str


@dataclass(frozen=True)
class ReadingRules:
    """Rules for reading exports.

    Attributes:
        columns: columns of plain tables.
        questions: columns of exports with one line a participant; None if there are none.
        participant: column of the pseudonym in tables; empty for that of the survey program.
        unit: of the times; None for the unit that the survey program uses.
        labels: option by another text that stands for it, such as a number, or its name in another language.
        options: answers that can be given, where the key names none; empty for the conditions of the key.
    """

    columns: ColumnMap = field(default_factory=ColumnMap)
    questions: QuestionColumns | None = None
    participant: str = ""
    unit: TimeUnit | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImportedAnswers:
    """Answers of an import, and what was left out.

    Attributes:
        answers: those that are kept.
        programs: number of files of each survey program.
        sessions: number of sessions in the files.
        given: number of answers in the files.
        left_out: every session and answer that is not kept.
        rules: those that were applied.
    """

    answers: tuple[Answer, ...]
    programs: Mapping[SurveyProgram, int]
    sessions: int
    given: int
    left_out: tuple[LeftOut, ...]
    rules: ExclusionRules

    @property
    def participants(self) -> int:
        """Number of participants whose answers are kept."""
        return len({answer.participant for answer in self.answers})

    @property
    def exclusions(self) -> tuple[Exclusion, ...]:
        """Number of sessions and answers that are left out for each reason."""
        return count_exclusions(self.left_out)

    def to_json(self) -> dict[str, Any]:
        """Return the counts and rules for JSON; nothing in it is about a single person."""
        return {
            "files": dict(self.programs),
            "read": {"sessions": self.sessions, "answers": self.given},
            "kept": {"participants": self.participants, "answers": len(self.answers)},
            "left_out": [asdict(exclusion) for exclusion in self.exclusions],
            "rules": asdict(self.rules),
        }


def import_answers(
    paths: Sequence[Path],
    key: AnswerKey,
    rules: ExclusionRules | None = None,
    reading: ReadingRules | None = None,
) -> ImportedAnswers:
    """Read exports, join them to the key, and leave out what the rules say.

    Args:
        paths: files in CSV, TSV or JSON, or folders of them. The survey program is recognised by the content.

    Raises:
        DatasetError: a file cannot be read as a whole, is cut off, or has times in another unit.
    """
    return import_exports((Export(path, read_text(path)) for path in _list_files(paths)), key, rules, reading)


def import_exports(
    exports: Iterable[Export],
    key: AnswerKey,
    rules: ExclusionRules | None = None,
    reading: ReadingRules | None = None,
) -> ImportedAnswers:
    """Import the content of files as `import_answers` does.

    Raises:
        DatasetError: as of `import_answers`.
    """
    rules, reading = rules or ExclusionRules(), reading or ReadingRules()
    programs: dict[SurveyProgram, int] = {}
    sessions: list[Session] = []
    for export in exports:
        program, read = parse_sessions(export, key, reading)
        programs[program] = programs.get(program, 0) + 1
        sessions += read
    options = reading.options or tuple(dict.fromkeys(image.condition for image in key.values()))
    kept, left_out = exclude_sessions(sessions, key, rules)
    answers: list[Answer] = []
    for session in kept:
        usable, unusable = exclude_answers(_replace_labels(session, reading.labels), key, options)
        left_out += unusable
        for given in usable:
            image = key[given.image]
            answers.append(
                image.to_answer(
                    session.participant,
                    given.answer,
                    order=given.order,
                    options=image.options or options,
                    confidence=given.confidence,
                    seconds=given.seconds,
                )
            )
    given_answers = sum(len(session.answers) for session in sessions)
    return ImportedAnswers(tuple(answers), programs, len(sessions), given_answers, tuple(left_out), rules)


def parse_sessions(export: Export, key: AnswerKey, reading: ReadingRules) -> tuple[SurveyProgram, list[Session]]:
    """Parse the sessions of one file, and tell the survey program that wrote it.

    Raises:
        DatasetError: as `import_answers`.
    """
    program, sessions = _parse_file(export, key, reading)
    return program, check_times(str(export.path), sessions, reading.unit or _UNITS[program])


def _parse_file(export: Export, key: AnswerKey, reading: ReadingRules) -> tuple[SurveyProgram, list[Session]]:
    path = export.path
    if path.suffix.lower() == ".json":
        return "jspsych", [parse_jspsych(str(path), export.text, reading.unit or _UNITS["jspsych"])]
    lines = parse_cells(str(path), export.text, find_delimiter(path))
    if not lines:
        raise DatasetError(f"{path} is empty; expected answers")
    if is_qualtrics(lines, key):
        unit = reading.unit or _UNITS["qualtrics"]
        return "qualtrics", parse_qualtrics(path, lines, key, reading.participant, unit)
    table = name_cells(str(path), lines[0][1], lines[1:])
    if reading.questions is not None and is_wide(table, reading.questions):
        return "wide", parse_wide(path, table, reading.questions, reading.participant)
    if is_psychopy(table):
        return "psychopy", parse_psychopy(path, table, reading.participant, reading.unit or _UNITS["psychopy"])
    columns = reading.columns
    if reading.participant:
        columns = ColumnMap({**columns.names, "participant": reading.participant})
    return "plain", parse_plain(path, table, columns, reading.unit or _UNITS["plain"])


def _list_files(paths: Sequence[Path]) -> list[Path]:
    """List the files of folders, and the files themselves, each once."""
    files: list[Path] = []
    for path in paths:
        inside = sorted(one for one in path.iterdir() if one.suffix.lower() in ENDINGS) if path.is_dir() else [path]
        if not inside:
            raise DatasetError(f"{path} holds no files that end in {', '.join(ENDINGS)}; name a folder of exports")
        files += inside
    check_named_once(files)
    return files


def _replace_labels(session: Session, labels: Mapping[str, str]) -> Session:
    answers = [replace(answer, answer=labels.get(answer.answer, answer.answer)) for answer in session.answers]
    return replace(session, answers=tuple(answers))
