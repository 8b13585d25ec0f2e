from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

from core.errors import ConfigError, GestaltError
from editing.face_editor import FaceEditor
from editing.photograph_files import invert_photographs, list_photographs, name_sources
from faces.images import encode_png
from inversion.methods import InversionMethod
from inversion.optimisation import OnStep
from inversion.result import Inversion


class Recorder:
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int]] = []

    def say(self, line: str) -> None:
        raise AssertionError(line)

    def bar(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        @contextmanager
        def show() -> Iterator[Callable[[int], None]]:
            yield lambda done: self.told.append((title, done, total))

        return show()


def _invert_in_two_steps(face: torch.Tensor, on_step: OnStep | None = None) -> Inversion:
    assert on_step is not None
    on_step(1, 2, 0.5)
    on_step(2, 2, 0.4)
    return Inversion(torch.zeros(1, 1, 1), {}, face, (), (2,), "pti")


_invert_in_two_steps.steps_planned = 2  # type: ignore[attr-defined]


def test_progress_shows_photographs_and_the_steps_of_an_optimisation(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8)))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    progress, editor = Recorder(), cast(FaceEditor, SimpleNamespace(side=8, detector=None))
    results = invert_photographs(
        list_photographs([tmp_path]),
        editor,
        cast(InversionMethod, _invert_in_two_steps),
        lambda one: one.name,
        aligned=True,
        progress=progress,
    )
    results = [(path.name, result) for path, result in results]
    assert results[:2] == [("a.png", "a"), ("b.png", "b")]
    assert isinstance(results[2][1], GestaltError)
    assert progress.told == [
        ("tuning a", 1, 2),
        ("tuning a", 2, 2),
        ("photographs", 1, 3),
        ("tuning b", 1, 2),
        ("tuning b", 2, 2),
        ("photographs", 2, 3),
        ("photographs", 3, 3),
    ]


def test_sources_are_paths_below_the_common_folder(tmp_path: Path) -> None:
    first, second = tmp_path / "one" / "front.jpg", tmp_path / "two" / "front.jpg"
    assert name_sources([first, second]) == {first: "one/front.jpg", second: "two/front.jpg"}
    assert name_sources([first]) == {first: "front.jpg"}


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file in"):
        list_photographs([tmp_path])
