"""Program that analyses the answers of a study in a process with few resources: JSON on stdin, JSON on stdout.

Nothing is written to a disk. Whoever starts it ends it when it takes too long.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from core.errors import DatasetError, GestaltError
from core.formats.archives import BROKEN_FILE, zip_bytes
from core.json_text import to_json_text
from studies.analysis.study_analysis import analyse_answers
from studies.answers.csv_rows import CsvTable, decode_text, name_lines, parse_cells
from studies.answers.exclusions import REMEDIES, ExclusionRules
from studies.answers.importer import ENDINGS, Export, ImportedAnswers, ReadingRules, import_exports
from studies.answers.key import parse_answer_key
from studies.answers.wide_csv import parse_question_columns
from studies.report.study_report import compose_report

_MOST_BYTES: Final = 50_000_000
"""Bytes of the unpacked files of a zip."""

_MOST_PLACES: Final = 10


def main(cpu_s: str, memory_bytes: str) -> None:
    """Limit this process, and answer the upload on stdin."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_s), int(cpu_s) + 1))
    resource.setrlimit(resource.RLIMIT_AS, (int(memory_bytes), int(memory_bytes)))
    try:
        answer = report_upload(json.load(sys.stdin))
    except GestaltError as error:
        answer = {"error": str(error)}
    sys.stdout.write(to_json_text(answer, indent=None))


def report_upload(upload: Mapping[str, Any]) -> dict[str, Any]:
    """Analyse what was uploaded.

    Args:
        upload: `key`, `answers` and `questions` (or null), each the name of a file and its bytes in base 64; `options`,
            answers that can be given; `least_seconds` and `unfinished`, see `ExclusionRules`.

    Returns:
        `sections`, the report as HTML; `problems`, what is wrong with the answers, with remedies; `files`, the report,
        its numbers and plots, as a zip in base 64.

    Raises:
        GestaltError: a file cannot be read, or there are too few answers.
    """
    questions = parse_question_columns(_read_table(*upload["questions"])) if upload["questions"] else None
    imported = import_exports(
        _read_exports(*upload["answers"]),
        parse_answer_key(upload["key"][0], _read_table(*upload["key"])),
        ExclusionRules(least_seconds=upload["least_seconds"], unfinished=upload["unfinished"]),
        ReadingRules(questions=questions, options=tuple(upload["options"])),
    )
    problems = list(_list_problems(imported))
    if not imported.answers:
        raise DatasetError("no answer is left: " + "; ".join(problem["reason"] for problem in problems))
    analysis = json.loads(to_json_text(analyse_answers(imported.answers).to_json()))
    report = compose_report(analysis, imported.to_json())
    files = zip_bytes(report.list_files().items())
    return {"sections": "\n".join(report.sections), "problems": problems, "files": b64encode(files).decode()}


def _read_table(name: str, data: str) -> CsvTable:
    return name_lines(name, parse_cells(name, decode_text(name, b64decode(data))))


def _read_exports(name: str, data: str) -> Iterator[Export]:
    content = b64decode(data)
    if not name.lower().endswith(".zip"):
        yield Export(Path(name), decode_text(name, content))
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            inside = [one for one in archive.infolist() if one.filename.lower().endswith(ENDINGS)]
            if not inside or sum(one.file_size for one in inside) > _MOST_BYTES:
                raise DatasetError(
                    f"{name} holds {len(inside)} files that end in {', '.join(ENDINGS)}; expected one or more, of at "
                    f"most {_MOST_BYTES} bytes together"
                )
            for one in inside:
                yield Export(Path(one.filename), decode_text(one.filename, archive.read(one)))
    except BROKEN_FILE as error:
        raise DatasetError(f"{name} cannot be opened ({error}); expected a zip of exports") from error


def _list_problems(imported: ImportedAnswers) -> Iterator[dict[str, Any]]:
    """List the reasons that point to an error, each with its remedy and its first places."""
    for reason, remedy in REMEDIES.items():
        if places := [one.place for one in imported.left_out if one.reason == reason]:
            yield {"reason": reason, "remedy": remedy, "places": places[:_MOST_PLACES], "count": len(places)}


if __name__ == "__main__":
    main(*sys.argv[1:])
