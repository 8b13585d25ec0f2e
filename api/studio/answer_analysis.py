"""Analysis of the answers of a study that are uploaded, in a process that is ended when it takes too long.

Nothing of an upload is stored. The process reads it from a pipe, and answers with the report.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from base64 import b64encode
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any, Final

from api.problem_types import ProblemType
from api.problems import Problem
from core.errors import DatasetError, MissingPackageError
from core.hardware import count_cores

LARGEST_STUDY_BYTES: Final = 5_000_000
"""Largest form with answers and their key."""

_PROGRAM: Final = "studies.report.uploaded_answers"
_NEEDED: Final = ("scipy", "matplotlib")
CPU_S: Final = 60
_WALL_S: Final = 180
_MEMORY_BYTES: Final = 4_000_000_000
_at_once: Final = BoundedSemaphore(max(1, count_cores() // 2))


@dataclass(frozen=True)
class UploadedFile:
    """File of a form.

    Attributes:
        name: its name, whose ending tells the format.
        data: its bytes.
    """

    name: str
    data: bytes

    def to_json(self) -> list[str]:
        """Return name and bytes, these in base 64."""
        return [self.name, b64encode(self.data).decode()]


@dataclass(frozen=True)
class UploadedStudy:
    """Answers of a study, and what is needed to read them.

    Attributes:
        answers: export of a survey program, or a zip of several.
        key: answer key of the study.
        questions: columns of an export with one line a participant; None if it has none.
        options: answers that could be given; empty for the conditions of the key.
        least_seconds: median time of an answer below which a session is too fast.
        unfinished: keep sessions that are not finished.
    """

    answers: UploadedFile
    key: UploadedFile
    questions: UploadedFile | None = None
    options: tuple[str, ...] = ()
    least_seconds: float = 0.0
    unfinished: bool = False


def analyse(study: UploadedStudy) -> dict[str, Any]:
    """Analyse a study in a process of its own; see `studies.report.uploaded_answers.report_upload`.

    Raises:
        DatasetError: the files cannot be used.
        MissingPackageError: a package for statistics is not installed.
        Problem: it takes too long, or too much memory.
    """
    for package in _NEEDED:
        if importlib.util.find_spec(package) is None:
            raise MissingPackageError(package, "analyses of studies")
    upload = {
        "answers": study.answers.to_json(),
        "key": study.key.to_json(),
        "questions": None if study.questions is None else study.questions.to_json(),
        "options": study.options,
        "least_seconds": study.least_seconds,
        "unfinished": study.unfinished,
    }
    command = [sys.executable, "-P", "-m", _PROGRAM, str(CPU_S), str(_MEMORY_BYTES)]
    environment = {name: value for name in ("PATH", "HOME") if (value := os.environ.get(name))}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        with _at_once:
            child = subprocess.run(  # noqa: S603
                command, input=json.dumps(upload).encode(), capture_output=True, timeout=_WALL_S, env=environment
            )
    except subprocess.TimeoutExpired:
        raise _refuse_effort() from None
    if child.returncode:
        raise _refuse_effort()
    answer: dict[str, Any] = json.loads(child.stdout)
    if "error" in answer:
        raise DatasetError(answer["error"])
    return answer


def _refuse_effort() -> Problem:
    return Problem(
        ProblemType.REQUEST_INVALID,
        f"The analysis takes more than {CPU_S} s of processor time, or more than {_MEMORY_BYTES} bytes of memory. "
        "Analyse the study with `gestaltgen study analyse`.",
    )
